"""Parquet and Arrow IPC: types that can be kept, types that become others, files that are broken."""

import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.engine.storage.desk import Desk

NOW = datetime.datetime(2024, 1, 5, 10, 0, 0, 123456)
KEPT: dict[str, tuple[pa.Array, str]] = {
    "int8": (pa.array([1, None], pa.int8()), "TINYINT"),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), "UBIGINT"),
    "float32": (pa.array([1.5, None], pa.float32()), "FLOAT"),
    "decimal": (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(38, 2)), "DECIMAL(38,2)"),
    "binary": (pa.array([b"\x00\xff", None]), "BLOB"),
    "date": (pa.array([NOW.date(), None]), "DATE"),
    "time": (pa.array([NOW.time(), None], pa.time64("us")), "TIME"),
    "timestamp": (pa.array([NOW, None]), "TIMESTAMP"),
    "zoned": (
        pa.array([NOW.replace(tzinfo=datetime.UTC), None], pa.timestamp("us", "UTC")),
        "TIMESTAMP WITH TIME ZONE",
    ),
    "text": (pa.array(["é", None], pa.large_string()), "VARCHAR"),
    "list": (pa.array([[1, None], None], pa.list_(pa.int64())), "BIGINT[]"),
    "struct": (pa.array([{"a b": 1, "c": ["x"]}, None]), 'STRUCT("a b" BIGINT, c VARCHAR[])'),
    "map": (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), "MAP(VARCHAR, BIGINT)"),
    "dictionary": (pa.array(["x", None]).dictionary_encode(), "VARCHAR"),
    "nothing": (pa.nulls(2), "INTEGER"),
    "vector": (pa.FixedSizeListArray.from_arrays(pa.array(np.arange(4, dtype="f4")), 2), "FLOAT[]"),
}


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_types_are_kept(desk: Desk, format: str) -> None:
    columns = {name: pa.concat_arrays([column] * 20) for name, (column, _) in KEPT.items()}
    table = pa.table({"number": pa.array(range(40)), **columns})
    dataset, path = desk.new(), desk.folder / f"types.{format}"
    if format == "parquet":
        pq.write_table(table, path)
    else:
        feather.write_feather(table, path, compression="uncompressed")
    assert desk.ingest(path, dataset)["rows_added"] == 40  # more than the catalog keeps inside itself
    assert desk.types(dataset) == {"number": "BIGINT", **{name: type for name, (_, type) in KEPT.items()}}
    found = desk.session.run(f"select * from {dataset} order by number").read_all()
    for name in KEPT:
        assert found.column(name).to_pylist() == table.column(name).to_pylist(), name


def test_what_parquet_would_lose_becomes_text(desk: Desk) -> None:
    table = pa.table({"x": pa.array([datetime.timedelta(microseconds=5)] * 20, pa.duration("us"))})
    feather.write_feather(table, desk.folder / "duration.arrow", compression="uncompressed")
    desk.ingest("duration.arrow", "duration")
    assert desk.types("duration") == {"x": "VARCHAR"}
    assert desk.rows("select distinct x from duration") == [("00:00:00.000005",)]


def whole(desk: Desk) -> bytes:
    path = desk.folder / "whole.parquet"
    pq.write_table(pa.table({"a": list(range(50_000)), "s": [f"text {i}" for i in range(50_000)]}), path)
    return path.read_bytes()


def test_broken_files(desk: Desk) -> None:
    data = whole(desk)
    flipped = bytearray(data)
    flipped[100:2000] = bytes(1900)
    broken: dict[str, bytes] = {
        "half": data[: len(data) // 2],
        "empty": b"",
        "text": b"hello",
        "flipped": bytes(flipped),
    }
    for name, content in broken.items():
        for format in ("parquet", "arrow"):
            desk.write(f"{name}.{format}", content)
            caught = desk.fails(f"[INVALID] {name}.{format} is not a whole {format} file", f"{name}.{format}", "broken")
            assert str(desk.folder) not in str(caught)
    assert desk.rows("select * from lake.datasets where dataset = 'broken'") == []


NAMES: list[tuple[list[str], str]] = [
    (["a", "A"], "[INVALID] names.parquet: the columns 'a' and 'A' have one name"),
    (["a", " "], "[INVALID] names.parquet: column 2 has no name"),
    ([], "[INVALID] names.parquet has no columns"),
]


@pytest.mark.parametrize(("names", "error"), NAMES)
def test_names(desk: Desk, names: list[str], error: str) -> None:
    pq.write_table(pa.table([pa.array([1])] * len(names), names=names), desk.folder / "names.parquet")
    desk.fails(error, "names.parquet")


def test_a_type_that_cannot_be_read(desk: Desk) -> None:
    table = pa.table({"x": pa.array([1.5], pa.float16())})
    feather.write_feather(table, desk.folder / "half_float.arrow", compression="uncompressed")
    desk.fails("[INVALID] half_float.arrow has a column that cannot be read", "half_float.arrow")


def test_files_that_differ_are_not_cast_to_each_other(desk: Desk) -> None:
    (desk.folder / "differ").mkdir()
    pq.write_table(pa.table({"a": pa.array([1], pa.int32())}), desk.folder / "differ/a.parquet")
    pq.write_table(pa.table({"a": pa.array([1.5], pa.float64())}), desk.folder / "differ/b.parquet")
    desk.fails("[CONFLICT] b.parquet and a.parquet differ in the column 'a'", "differ")


def test_an_empty_table_is_a_dataset(desk: Desk) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int32())}), desk.folder / "no_rows.parquet")
    assert desk.ingest("no_rows.parquet", "no_rows")["status"] == "created"
    assert desk.types("no_rows") == {"a": "INTEGER"}


def test_drift_of_types_and_the_cast_that_the_hint_names(desk: Desk) -> None:
    frames: dict[str, Any] = {"first": pa.array([1], pa.int64()), "second": pa.array([2], pa.int32())}
    for name, column in frames.items():
        pq.write_table(pa.table({"a": column}), desk.folder / f"{name}.parquet")
    desk.ingest("first.parquet", "typed")
    caught = desk.fails(
        "[CONFLICT] the file does not fit the dataset 'typed': column 'a' is int64", "second.parquet", "typed"
    )
    assert "options := {'types': {'a': 'BIGINT'}}" in str(caught)
    assert desk.ingest("second.parquet", "typed", options={"types": {"a": "BIGINT"}})["status"] == "appended"
    assert desk.rows("select a from typed order by a") == [(1,), (2,)]
