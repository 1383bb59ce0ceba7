"""Which files may be read, and what dataset names may be."""

import os
from pathlib import Path

import pytest

from engine.errors import Forbidden
from engine.storage.datasets import LONGEST_NAME
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.storage.desk import Desk

DATA = "a\n1\n"


def test_outside_of_the_allowed_folders(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(DATA)
    desk.write("inside.csv", DATA)
    (desk.folder / "link.csv").symlink_to(secret)
    (desk.folder / "folder").mkdir()
    (desk.folder / "folder" / "link.csv").symlink_to(secret)
    (desk.folder / "linked").symlink_to(tmp_path)
    for uri in (
        secret,
        secret.as_uri(),
        desk.folder / ".." / ".." / tmp_path.name / "secret.csv",
        desk.folder / "link.csv",
        desk.folder / "folder",
        desk.folder / "folder" / "*.csv",
        desk.folder / "linked" / "secret.csv",
        tmp_path / "*.csv",
        tmp_path / "absent.csv",
        "/etc/passwd",
        "/",
    ):
        error = desk.fails("[FORBIDDEN]", str(uri), format="csv")
        assert error.hint == "add it to [ingest] allowed"


def test_a_link_that_stays_inside_is_fine(desk: Desk) -> None:
    desk.write("target.csv", DATA)
    (desk.folder / "good_link.csv").symlink_to(desk.folder / "target.csv")
    assert desk.ingest("good_link.csv", desk.new())["rows_added"] == 1


def test_the_lake_does_not_ingest_itself(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings=FAST, allowed=[tmp_path])
    try:
        session = lake.session()
        session.run("create table t as select * from range(100)")
        for uri in ("home/buckets", "home/buckets/primary/data/main/t/*.parquet", "home/cache", "home"):
            with pytest.raises(Forbidden, match="belongs to the lake itself"):
                session.run("select * from ingest(?, 'copy')", [str(tmp_path / uri)])
    finally:
        lake.close()


def test_relative_paths_start_at_the_working_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("here/relative.csv", DATA)
    monkeypatch.chdir(desk.folder)
    for uri in ("here/relative.csv", "./here/../here/relative.csv", "here", "h*/*.csv", "**/relative.csv"):
        assert desk.session.run("select rows_read from ingest(?, ?)", [uri, desk.new()]).rows() == [{"rows_read": 1}]


def test_odd_names_are_no_patterns(desk: Desk) -> None:
    names = [
        "a[1].csv",
        "b*c.csv",
        "d?e.csv",
        "f'g.csv",
        'h"i.csv',
        "j\nk.csv",
        "l m.csv",
        "ü.csv",
        "n\\o.csv",
        "p{1}.csv",
    ]
    desk.write("odd/a1.csv", "a\nWRONG\n")
    desk.write("odd/bXc.csv", "a\nWRONG\n")
    for at, name in enumerate(names):
        desk.write(f"odd/{name}", f"a\n{at}\n")
        dataset = desk.new()
        desk.ingest(f"odd/{name}", dataset)
        assert desk.rows(f"from {dataset}") == [(at,)]
    assert desk.ingest("odd", desk.new())["rows_read"] == len(names) + 1


def test_nothing_to_read(desk: Desk) -> None:
    (desk.folder / "void").mkdir()
    desk.fails("[NOT_FOUND] the file", "absent.csv")
    desk.fails("[NOT_FOUND]", "void")
    desk.fails("[NOT_FOUND]", "*.nothing")
    desk.write("unknown.dat", DATA)
    desk.fails("[INVALID] the format of 'unknown.dat' is not known by its suffix", "unknown.dat")
    assert desk.ingest("unknown.dat", desk.new(), format="csv")["rows_read"] == 1
    desk.fails("[INVALID] unknown format 'cvs'; did you mean 'csv'", "unknown.dat", format="cvs")
    for uri in ("", "  ", "a\0b"):
        with pytest.raises(Exception, match=r"^\[INVALID\] the uri is empty or holds a NUL"):
            desk.session.run("select * from ingest(?, 'x')", [uri])


def test_schemes(desk: Desk) -> None:
    path = desk.write("by uri.csv", DATA)
    assert desk.session.run("select rows_read from ingest(?, ?)", [path.as_uri(), desk.new()]).rows()
    for uri, error in (
        ("s3://bucket/x.csv", "the scheme 's3' is not served"),
        ("https://host/x.csv", "the scheme 'https' is not served"),
        ("file://host/x.csv", "the host 'host' is not this one"),
    ):
        with pytest.raises(Exception, match=error):
            desk.session.run("select * from ingest(?, 'x')", [uri])


def test_what_is_no_regular_file(desk: Desk) -> None:
    os.mkfifo(desk.folder / "pipe.csv")
    desk.fails("[INVALID] 'pipe.csv' is not a regular file", "pipe.csv")
    (desk.folder / "pipe.csv").unlink()
    (desk.folder / "loop.csv").symlink_to("loop.csv")
    desk.fails("[INVALID]", "loop.csv")
    (desk.folder / "loop.csv").unlink()
    desk.fails("[INVALID]", "x" * 5000 + ".csv")


def test_formats_are_not_mixed(desk: Desk) -> None:
    desk.write("both/a.csv", DATA)
    desk.write("both/b.json", '{"a":1}')
    desk.fails("[INVALID]", "both")
    assert desk.ingest("both", desk.new(), format="json")["rows_read"] == 1


NAMES = [
    'with "quotes"',
    "it's",
    "two words",
    "Ünïcödé 数据",
    "select",
    "a.b",
    "1st",
    "semi;colon",
    "x" * LONGEST_NAME,
    "😀",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_may_be(desk: Desk, name: str) -> None:
    desk.write("named.csv", 'id,"col ""x"""\n1,y\n')
    quoted = '"' + name.replace('"', '""') + '"'
    assert desk.ingest("named.csv", name, key="id")["dataset"] == name
    assert desk.rows(f"from {quoted}") == [(1, "y")]
    assert desk.ingest("named.csv", name)["status"] == "unchanged"
    assert desk.rows("select rows, key from lake.datasets where dataset = ?", name) == [(1, ["id"])]
    assert desk.rows("select status from drop_dataset(?)", name) == [("dropped",)]


def test_the_case_of_a_name_is_ignored(desk: Desk) -> None:
    desk.write("case.csv", DATA)
    assert desk.ingest("case.csv", "CaseOf")["dataset"] == "CaseOf"
    assert desk.ingest("case.csv", "caseof") == {
        **desk.ingest("case.csv", "CaseOf"),
        "seconds": pytest.approx(0, abs=60),
    }


WRONG = ["", "  ", " x", "x ", "lake", "PRIMARY", "fn", "lakehouse", "x" * (LONGEST_NAME + 1), "a\nb", "a\0b", "\x7f"]


@pytest.mark.parametrize("name", WRONG)
def test_names_that_may_not_be(desk: Desk, name: str) -> None:
    desk.write("named.csv", DATA)
    desk.fails("[INVALID]", "named.csv", name)


def test_other_wrong_arguments(desk: Desk) -> None:
    path = desk.write("args.csv", DATA)
    desk.fails("[NOT_FOUND] bucket 'primry' does not exist; did you mean 'primary'", "args.csv", "x", bucket="primry")
    assert desk.ingest("args.csv", desk.new(), bucket="primary")["bucket"] == "primary"
    desk.session.run("create view seen as select 1 as a")
    desk.fails("[CONFLICT] 'seen' is a view", "args.csv", "seen")
    for sql in ("ingest(null, 'x')", f"ingest('{path}', null)"):
        with pytest.raises(Exception, match=r"^\[INVALID\] ingest needs a uri and a dataset"):
            desk.session.run(f"select * from {sql}")
    with pytest.raises(Exception, match=r"has no argument 'keys'; did you mean 'key'"):
        desk.session.run(f"select * from ingest('{path}', 'x', keys := 'a')")
