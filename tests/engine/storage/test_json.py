"""JSON: arrays and lines, nested values, and how a broken file is refused."""

import json
from typing import Any

import pytest

from tests.engine.storage.desk import Desk

READ: list[tuple[str, str, dict[str, str], list[tuple[Any, ...]]]] = [
    ("array", '[{"a":1,"b":"x"},{"a":2}]', {"a": "BIGINT", "b": "VARCHAR"}, [(1, "x"), (2, None)]),
    ("lines", '{"a":1}\n{"a":2}\n', {"a": "BIGINT"}, [(1,), (2,)]),
    ("pretty", '{\n "a": 1,\n "b": [1, 2]\n}\n{"a": 3}', {"a": "BIGINT", "b": "BIGINT[]"}, [(1, [1, 2]), (3, None)]),
    (
        "nested",
        '{"p":{"x":[{"y":1},{"z":"q"}]}}',
        {"p": "STRUCT(x STRUCT(y BIGINT, z VARCHAR)[])"},
        [({"x": [{"y": 1, "z": None}, {"y": None, "z": "q"}]},)],
    ),
    ("late_half", '{"a":1}\n' * 30_000 + '{"a":1.5}\n', {"a": "DOUBLE"}, []),
    ("kinds", '{"a":1}\n{"a":"N/A"}\n{"a":{"b":2}}', {"a": "VARCHAR"}, [("1",), ("N/A",), ('{"b":2}',)]),
    ("text_is_text", '{"zip":"01234","n":"7"}', {"zip": "VARCHAR", "n": "VARCHAR"}, [("01234", "7")]),
    ("dates", '{"d":"2024-01-05"}\n{"d":"2024-02-05"}', {"d": "DATE"}, []),
    ("no_dates", '{"d":"2024-01-05"}\n{"d":"2024-01-05T10:00:00"}', {"d": "VARCHAR"}, []),
    ("other_dates", '{"d":"05-01-2024"}', {"d": "VARCHAR"}, [("05-01-2024",)]),
    ("zone", '{"d":"2024-01-05T10:00:00+02:00"}', {"d": "TIMESTAMP WITH TIME ZONE"}, []),
    ("uuid", '{"u":"01A20FA1-83B4-7943-99BD-7EA99A90FC66"}', {"u": "VARCHAR"}, []),
    ("huge", '{"a":18446744073709551615}', {"a": "VARCHAR"}, [("18446744073709551615",)]),
    ("all_null", '{"a":null,"b":[]}', {"a": "VARCHAR", "b": "VARCHAR[]"}, [(None, [])]),
    ("text_of_json", '{"a":"{\\"x\\":1}"}', {"a": "VARCHAR"}, [('{"x":1}',)]),
    ("filename", '{"filename":"q","C0":1}', {"filename": "VARCHAR", "C0": "BIGINT"}, [("q", 1)]),
]


@pytest.mark.parametrize(("name", "text", "types", "rows"), READ, ids=[one[0] for one in READ])
def test_read(desk: Desk, name: str, text: str, types: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    dataset = desk.taken(text, ".json")
    assert desk.types(dataset) == types
    if rows:
        assert sorted(desk.rows(f"from {dataset}"), key=repr) == sorted(rows, key=repr)
    assert (
        desk.rows(f"select count(*) from {dataset}")[0][0]
        == desk.rows("select rows from lake.ingests where dataset = ?", dataset)[0][0]
    )


def test_every_value_stays_as_it_was(desk: Desk) -> None:
    rows = [{"a": i / 7, "s": f"é{i}\n", "n": {"l": [i, None], "t": str(i)}, "b": i % 2 == 0} for i in range(5000)]
    dataset = desk.taken("\n".join(json.dumps(row) for row in rows), ".jsonl")
    found = [dict(zip(("a", "s", "n", "b"), row, strict=True)) for row in desk.rows(f"from {dataset} order by a")]
    assert found == rows


BROKEN = [
    ("line", '{"a":1}\n{"a" 2}\n{"a":3}\n', "[INVALID] line.json line 2: not valid JSON: unexpected character"),
    ("record", '[{"a":1},\n{"a":2},\n{"a" 3}]', "[INVALID] record.json record 3: not valid JSON"),
    ("half", '{"a":1}\n{"a":', "[INVALID] half.json line 2: not valid JSON: unexpected end of data"),
    ("latin", b'{"a":"caf\xe9"}', "[INVALID] latin.json record 1: not valid JSON: invalid UTF-8"),
    ("twice", '{"a":1,"a":2}', "[INVALID] twice.json record 1: Object"),
    ("case", '{"a":1}\n{"A":2}', "[INVALID] case.json: the columns 'A' and 'a' have one name"),
    ("blank", '{"":1}', "[INVALID] blank.json: column 1 has no name"),
    ("none", "", "[INVALID] none.json holds no JSON objects"),
    ("empty_array", "[]", "[INVALID] empty_array.json holds no JSON objects"),
    ("numbers", "[1,2]", "[INVALID] numbers.json holds no JSON objects"),
    ("arrays", '[{"a":1}]\n[{"a":2}]', "[INVALID] arrays.json holds no JSON objects"),
]


@pytest.mark.parametrize(("name", "data", "error"), BROKEN, ids=[one[0] for one in BROKEN])
def test_broken(desk: Desk, name: str, data: str | bytes, error: str) -> None:
    desk.write(f"{name}.json", data)
    caught = desk.fails(error, f"{name}.json", name)
    assert str(desk.folder) not in str(caught)


def test_a_late_broken_line(desk: Desk) -> None:
    body = '{"a":1,"text":"something longer"}\n' * 200_000
    desk.write("late.json", body + '{"a":1,,}\n' + body)
    desk.fails("[INVALID] late.json line 200001: not valid JSON", "late.json")


def test_an_object_of_forty_megabytes(desk: Desk) -> None:
    # More rows than the catalog keeps inside itself, for it is slow with large texts.
    small = "".join(json.dumps({"id": i, "text": "y"}) + "\n" for i in range(20))
    dataset = desk.taken(small + json.dumps({"id": 20, "text": "x" * 40_000_000}), ".json")
    assert desk.rows(f"select length(text) from {dataset} where id = 20") == [(40_000_000,)]


def test_a_nested_value_fits_the_dataset_or_drifts(desk: Desk) -> None:
    dataset = desk.taken('{"id":1,"p":{"x":1,"y":"q"},"rate":1.5}', ".json")
    desk.write("less.json", '{"id":2,"p":{"x":2},"rate":3}')
    assert desk.ingest("less.json", dataset)["status"] == "appended"
    assert desk.rows(f"select p, rate from {dataset} where id = 2") == [({"x": 2, "y": None}, 3.0)]
    desk.write("more.json", '{"id":3,"p":{"x":2,"z":1},"rate":3}')
    desk.fails("[CONFLICT] the file does not fit the dataset", "more.json", dataset)
    desk.write("null.json", '{"id":4,"p":null,"rate":null}')
    assert desk.ingest("null.json", dataset)["rows_added"] == 1


def test_files_of_a_folder_are_one_set_of_columns(desk: Desk) -> None:
    desk.write("set/a.json", '{"a":1}\n{"a":2}')
    desk.write("set/b.json", '[{"a":1.5,"b":"x"}]')
    assert desk.ingest("set", "json_set")["rows_added"] == 3
    assert desk.rows("select a, b from json_set order by a") == [(1.0, None), (1.5, "x"), (2.0, None)]
    found = desk.rows("select file, rows from lake.ingests where dataset = 'json_set' order by file")
    assert found == [("a.json", 2), ("b.json", 1)]
