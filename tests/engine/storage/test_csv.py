"""CSV: what is read, and how a broken file is refused."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import Invalid
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.storage.desk import Desk

BROKEN: list[tuple[str, bytes, str]] = [
    ("short", b"a,b,c\n1,2,3\n4,5\n", "[INVALID] short.csv line 3: expected 3 columns, found 2"),
    ("long", b"a,b,c\n1,2,3\n4,5,6,7\n", "[INVALID] long.csv line 3: expected 3 columns, found 4"),
    ("open", b'a,b\n1,"x\n2,y\n', "[INVALID] open.csv line 2: a quote is not closed"),
    ("after", b'a,b\n1,x\n2,"x"y\n', "[INVALID] after.csv line 3: a quote is not closed, or text follows it"),
    ("latin", "a,b\n1,x\n2,café\n".encode("latin-1"), "[INVALID] latin.csv line 3: this is not utf-8; name it"),
    ("wide", "a,b\n1,2\n".encode("utf-16"), "[INVALID] wide.csv is not utf-8 but utf-16; options"),
    ("none", b"", "[INVALID] none.csv is empty"),
    ("lines", b"\n\n\n", "[INVALID] lines.csv is empty"),
    ("twice", b"a,b,A\n1,2,3\n", "[INVALID] twice.csv: the columns 'a' and 'A' have one name"),
    ("blank", b"a,,c\n1,2,3\n", "[INVALID] blank.csv: column 2 has no name"),
    ("mixed", b"a,b\n1,2\r\n3,4\n", "[INVALID] mixed.csv mixes line endings"),
    ("noise", bytes(range(256)) * 20, "[INVALID] noise.csv line 2: this is not utf-8"),
]


@pytest.mark.parametrize(("name", "data", "error"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_file_is_named_with_its_line(desk: Desk, name: str, data: bytes, error: str) -> None:
    desk.write(f"{name}.csv", data)
    caught = desk.fails(error, f"{name}.csv", name)
    assert caught.hint
    assert str(desk.folder) not in str(caught)
    assert desk.rows("select * from lake.datasets where dataset = ?", name) == []


def test_a_late_broken_line_is_found_and_nothing_is_left(desk: Desk) -> None:
    body = b"".join(b"%d,x,%d\n" % (i, i) for i in range(300_000))
    desk.write("late.csv", b"a,b,c\n" + body + b"1,2\n" + body)
    desk.fails("[INVALID] late.csv line 300002: expected 3 columns, found 2", "late.csv", "late")
    desk.write("late_utf8.csv", b"a,b,c\n" + body + b"1,caf\xe9,3\n" + body)
    desk.fails("[INVALID] late_utf8.csv line 300002: this is not utf-8", "late_utf8.csv", "late")
    assert desk.rows("select count(*) from lake.datasets where dataset = 'late'") == [(0,)]


TYPED = [
    ("int64", ["1", "-20", "0", "9223372036854775807"], "BIGINT"),
    ("too_large_for_int64", ["1", "9223372036854775808"], "VARCHAR"),
    ("leading_zero", ["01234", "60601"], "VARCHAR"),
    ("plus", ["+49123", "1"], "VARCHAR"),
    ("missing_value_word", ["123", "N/A", ""], "VARCHAR"),
    ("gaps", ["123", "", "7"], "BIGINT"),
    ("float64", ["1.5", "2", "-0.25", "1e-3"], "DOUBLE"),
    ("not_a_number", ["1.5", "nan"], "VARCHAR"),
    ("long_whole_part", ["12345678901234567.5", "1"], "VARCHAR"),
    ("comma", ["1,5", "2,5"], "VARCHAR"),
    ("underscore", ["1_000", "2"], "VARCHAR"),
    ("bool", ["true", "FALSE", ""], "BOOLEAN"),
    ("yes_no", ["Y", "N"], "VARCHAR"),
    ("zero_one", ["0", "1"], "BIGINT"),
    ("date", ["2024-02-29", "1999-12-31"], "DATE"),
    ("no_date", ["2023-02-29", "2024-01-01"], "VARCHAR"),
    ("american_date", ["1/2/2024", "12/31/2024"], "VARCHAR"),
    ("timestamp", ["2024-01-05 10:00:00", "2024-01-05T23:59:59.123456"], "TIMESTAMP"),
    ("zoned", ["2024-01-05 10:00:00Z", "2024-01-05T10:00:00+02:00"], "TIMESTAMP WITH TIME ZONE"),
    ("date_and_time", ["2024-01-05", "2024-01-05 10:00:00"], "VARCHAR"),
    ("nanoseconds", ["2024-01-05 10:00:00.123456789"], "VARCHAR"),
    ("nothing", ["", ""], "VARCHAR"),
]


def test_a_column_has_a_type_only_when_every_cell_has_it(desk: Desk) -> None:
    longest = max(len(cells) for _, cells, _ in TYPED)
    columns = [[name, *cells, *[""] * (longest - len(cells))] for name, cells, _ in TYPED]
    dataset = desk.taken("".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in zip(*columns, strict=True)))
    assert desk.types(dataset) == {name: type for name, _, type in TYPED}
    for name, cells, type in TYPED:
        kept = [cell for (cell,) in desk.rows(f"select {name}::varchar from {dataset} where {name} is not null")]
        wanted = [cell for cell in cells if cell]
        assert kept == wanted if type in ("VARCHAR", "BIGINT", "DATE") else len(kept) == len(wanted), name


def test_all_rows_count_not_a_sample(desk: Desk) -> None:
    late = desk.taken("n,gap\n" + "".join(f"{i},\n" for i in range(50_000)) + "N/A,7\n")
    assert desk.types(late) == {"n": "VARCHAR", "gap": "BIGINT"}
    assert desk.rows(f"select count(*), count(n), sum(gap) from {late}") == [(50_001, 50_001, 7)]


def test_cells_come_as_they_stand(desk: Desk) -> None:
    dataset = desk.taken('\ufeffid,text\r\n1,"a ""quote"", a comma\r\nand a line"\r\n2," spaces "\r\n3,#no comment\r\n')
    found = desk.rows(f"select text from {dataset} order by id")
    assert found == [('a "quote", a comma\r\nand a line',), (" spaces ",), ("#no comment",)]


@pytest.mark.parametrize("delim", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(desk: Desk, delim: str) -> None:
    dataset = desk.taken(f"name{delim}rate\n" + f"Ann{delim}1.5\n" * 3)
    assert desk.types(dataset) == {"name": "VARCHAR", "rate": "DOUBLE"}


def test_a_broken_line_does_not_change_the_delimiter(desk: Desk) -> None:
    desk.write("one.csv", "a,b\n1;2\n3;4\n")
    desk.fails("[INVALID] one.csv line 2: expected 2 columns, found 1", "one.csv")


def test_a_header_alone_makes_an_empty_dataset(desk: Desk) -> None:
    dataset = desk.taken("a,b")
    assert desk.types(dataset) == {"a": "VARCHAR", "b": "VARCHAR"}
    assert desk.rows(f"select count(*) from {dataset}") == [(0,)]


def test_blank_lines_are_no_rows(desk: Desk) -> None:
    assert desk.rows(f"select * from {desk.taken(chr(10) * 2 + 'a,b' + chr(10) + '1,2' + chr(10) * 3)}") == [(1, 2)]


def test_packed_files_are_read_and_checked(desk: Desk) -> None:
    text = b"a,b\n" + b"".join(b"%d,x%d\n" % (i, i) for i in range(20_000))
    packed = gzip.compress(text)
    desk.write("whole.csv.gz", packed)
    assert desk.ingest("whole.csv.gz", "packed")["rows_read"] == 20_000
    # Cut so that every line that can be unpacked is whole: a reader alone would not notice.
    desk.write("half.csv.gz", packed[: len(packed) // 2])
    desk.fails("[INVALID] half.csv.gz is not a whole gzip file", "half.csv.gz")
    desk.write("flipped.csv.gz", packed[:-6] + b"\0" + packed[-5:])
    desk.fails("[INVALID] flipped.csv.gz is not a whole gzip file", "flipped.csv.gz")
    desk.write("plain.csv.gz", text)
    desk.fails("[INVALID] plain.csv.gz is not a whole gzip file", "plain.csv.gz")
    with pa.output_stream(str(desk.folder / "whole.csv.zst"), compression="zstd") as stream:
        stream.write(text)
    assert desk.ingest("whole.csv.zst", desk.new())["rows_read"] == 20_000


def test_wide_files(desk: Desk) -> None:
    names = [f"c{i}" for i in range(300)]
    dataset = desk.taken(",".join(names) + "\n" + ",".join(str(i) for i in range(300)) + "\n")
    assert set(desk.types(dataset).values()) == {"BIGINT"}
    names = [f"c{i}" for i in range(desk.lake.config.ingest.max_columns + 1)]
    desk.write("too_wide.csv", ",".join(names) + "\n")
    desk.fails(f"[INVALID] too_wide.csv has {len(names)} columns; at most", "too_wide.csv")


def test_a_cell_of_ten_megabytes(desk: Desk) -> None:
    dataset = desk.taken('id,text\n1,"' + "x" * 10_000_000 + '"\n' + "2,y\n" * 20)
    assert desk.rows(f"select length(text) from {dataset} order by id limit 2") == [(10_000_000,), (1,)]


def test_a_cell_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text('id,text\n1,"' + "x" * 5_000_000 + '"\n')
    lake = open_lake(tmp_path / "home", settings={**FAST, "ingest.max_cell_bytes": 3_000_000}, allowed=[tmp_path])
    try:
        with pytest.raises(Invalid, match=r"cells\.csv line 2: the line is too long; raise \[ingest\] max_cell_bytes"):
            lake.session().run("select * from ingest(?, 'cells')", [str(tmp_path / "cells.csv")])
    finally:
        lake.close()


OPTIONS = [
    ("delim", "a;b\n1,5;2\n", {"delim": ";", "decimal_separator": ","}, [(1.5, 2)]),
    ("quote", "a,b\n'x,y',2\n", {"quote": "'"}, [("x,y", 2)]),
    ("escape", 'a,b\n"x\\"y",2\n', {"escape": "\\"}, [('x"y', 2)]),
    ("no_header", "1,x\n2,y\n", {"header": False, "names": ["id", "name"]}, [(1, "x"), (2, "y")]),
    ("skip", "made by a tool\na,b\n1,2\n", {"skip": 1}, [(1, 2)]),
    ("comment", "a,b\n#1,2\n3,4\n", {"comment": "#"}, [(3, 4)]),
    ("nullstr", "a,b\nN/A,x\n5,-\n", {"nullstr": ["N/A", "-"]}, [(None, "x"), (5, None)]),
    ("dates", "a\n05/01/2024\n", {"dateformat": "%d/%m/%Y"}, [("2024-01-05",)]),
    ("times", "a\n05.01.2024 10:30\n", {"timestampformat": "%d.%m.%Y %H:%M"}, [("2024-01-05 10:30:00",)]),
    ("types", "zip,n\n60601,7\n", {"types": {"zip": "VARCHAR", "n": "DECIMAL(5,2)"}}, [("60601", "7.00")]),
    ("strict", "a,b\n1,2\r\n3,4\n", {"strict": False}, [(1, 2), (3, 4)]),
]


@pytest.mark.parametrize(("name", "text", "options", "expected"), OPTIONS, ids=[one[0] for one in OPTIONS])
def test_options(
    desk: Desk, name: str, text: str, options: dict[str, object], expected: list[tuple[object, ...]]
) -> None:
    dataset = desk.new()
    desk.write(f"{dataset}.csv", text)
    desk.ingest(f"{dataset}.csv", dataset, options=options)
    found = [
        tuple(value if isinstance(value, int | float | str | None) else str(value) for value in row)
        for row in desk.rows(f"from {dataset}")
    ]
    assert found == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_encodings(desk: Desk, encoding: str) -> None:
    dataset = desk.new()
    desk.write(f"{dataset}.csv", "id,name\n1,café\n".encode(encoding))
    desk.ingest(f"{dataset}.csv", dataset, options={"encoding": encoding})
    assert desk.rows(f"select name from {dataset}") == [("café",)]


WRONG = [
    ({"delimiter": ";"}, "[INVALID] unknown option 'delimiter' of csv files; did you mean 'delim'"),
    ({"delim": ""}, "[INVALID] option 'delim' cannot be ''"),
    ({"skip": -1}, "[INVALID] option 'skip' cannot be -1"),
    ({"encoding": "utf8"}, "[INVALID] option 'encoding' cannot be 'utf8'; it must be one of utf-8"),
    ({"types": {"b": "NUMBER"}}, "[INVALID] the type 'NUMBER' of 'b' is not a SQL type"),
    ({"types": {"b": "INT) from x --"}}, "[INVALID] the type 'INT) from x --' of 'b' is not a SQL type"),
    ({"types": {"b": "HUGEINT"}}, "[INVALID] the type 'HUGEINT' of 'b' cannot be kept; use VARCHAR"),
    ({"types": {"c": "INT"}}, "[INVALID] types: there is no column 'c'; known: a, b"),
    ({"types": {"b": "DATE"}}, "[INVALID] column 'b': 'x' is not DATE"),
    ({"names": ["a", "b"]}, "[INVALID] names are for files without a header"),
    ({"dateformat": "%Q"}, "[INVALID] "),
]


@pytest.mark.parametrize(("options", "error"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_wrong_options(desk: Desk, options: dict[str, object], error: str) -> None:
    desk.write("wrong.csv", "a,b\n1,x\n")
    desk.fails(error, "wrong.csv", options=options)


def test_options_in_sql_are_a_struct_a_map_or_json(desk: Desk) -> None:
    path = desk.write("forms.csv", "a;b\n1;2\n")
    for at, form in enumerate(
        ("{'delim': ';'}", "map {'delim': ';'}", """'{"delim": ";"}'""", """'{"delim": ";"}'::json""")
    ):
        desk.session.run(f"select * from ingest('{path}', 'form_{at}', options := {form})").rows()
        assert desk.rows(f"from form_{at}") == [(1, 2)]
    desk.fails("[INVALID] options is not an object", path, options="[1]")
    desk.fails("[INVALID] options is not JSON", path, options="delim=;")
