"""What the views of storage show, versions and roll-backs, drops and deletions."""

import datetime

import pytest

from engine.errors import LakehouseError, NotFound
from engine.storage.datasets import dataset_table
from engine.storage.ledger import Entry, in_force
from tests.engine.storage.desk import Desk


def test_time_travel_and_rollback(own_desk: Desk) -> None:
    desk = own_desk
    dataset = desk.taken("id,v\n1,a\n2,b\n", key="id")
    (first,) = desk.rows("select version from lake.versions where dataset = ?", dataset)[0]
    desk.write("more.csv", "id,v\n2,B\n3,c\n")
    second = desk.ingest("more.csv", dataset)["version"]
    assert desk.rows(f"from {dataset} at (version => {first}) order by id") == [(1, "a"), (2, "b")]
    assert desk.rows("select * from rollback_dataset(?, ?)", dataset, first) == [(dataset, "restored", second + 1, 2)]
    assert desk.rows("select status from rollback_dataset(?, ?)", dataset, first) == [("unchanged",)]
    assert desk.rows(f"from {dataset} order by id") == [(1, "a"), (2, "b")]
    assert desk.rows("select status, rows from rollback_dataset(?, ?)", dataset, second) == [("restored", 3)]
    desk.session.run(f"update {dataset} set v = 'x'")
    desk.session.run(f"insert into {dataset} values (9, 'y')")
    desk.session.run(f"alter table {dataset} add column more integer")
    changes = desk.rows("select change from lake.versions where dataset = ? order by version", dataset)
    expected = ["created", "merged", "rolled_back", "rolled_back", "updated", "inserted", "altered"]
    assert [change for (change,) in changes] == expected
    assert desk.rows("select key from lake.datasets where dataset = ?", dataset) == [(["id"],)]


def test_versions_that_are_not_there(own_desk: Desk) -> None:
    dataset = own_desk.taken("a\n1\n")
    for wrong in (0, -1, 999_999):
        with pytest.raises(NotFound, match=f"has no version {wrong}|no version"):
            own_desk.rows("select * from rollback_dataset(?, ?)", dataset, wrong)
    with pytest.raises(NotFound, match=rf"dataset '{dataset}x' does not exist; did you mean '{dataset}'"):
        own_desk.rows("select * from rollback_dataset(?, 3)", dataset + "x")
    with pytest.raises(LakehouseError, match=r"^\[INVALID\] a dataset and a version are needed"):
        own_desk.rows("select * from rollback_dataset(?, null)", dataset)


def test_drop_and_back(own_desk: Desk) -> None:
    desk = own_desk
    dataset = desk.taken("a\n1\n", key="a")
    version = desk.rows("select version from lake.datasets")[0][0]
    assert desk.rows("select status from drop_dataset(?)", dataset.upper()) == [("dropped",)]
    assert desk.rows("select status from drop_dataset(?)", dataset) == [("absent",)]
    with pytest.raises(NotFound, match="dataset 'never' does not exist"):
        desk.rows("select * from drop_dataset('never')")
    assert desk.rows("select count(*) from lake.datasets") == [(0,)]
    assert desk.rows("select status, rows from rollback_dataset(?, ?)", dataset, version) == [("restored", 1)]
    assert desk.ingest(f"{dataset}.csv", dataset)["status"] == "unchanged"


def test_delete_rows(own_desk: Desk) -> None:
    desk = own_desk
    dataset = desk.taken(
        "country,id,v\n" + "".join(f"{c},{i},x\n" for c in ("US", "DE") for i in range(5)), key="country,id"
    )
    call = f"select status, rows_deleted from delete_rows('{dataset}', ?, ?)"
    assert desk.rows(call, [{"country": "US", "id": 1}, {"id": 9, "country": "US"}], "asked") == [("deleted", 1)]
    assert desk.rows(call, [{"country": "US", "id": 1}], "asked") == [("unchanged", 0)]
    assert desk.rows("select note, rows from lake.ingests where status = 'deleted'") == [("asked", 1)]
    assert desk.ingest(f"{dataset}.csv", dataset)["status"] == "unchanged"  # what was deleted stays deleted
    for keys, reason, error in (
        ("US", "r", "the key has the columns country, id"),
        ([{"country": "US"}], "r", "a key is NULL or not whole"),
        ([{"country": "US", "id": "x"}], "r", "a key is not of the type of its column"),
        ([{"country": "US", "nr": 1}], "r", "keys: there is no column 'nr'"),
        ([{"country": "US", "id": 2}], " ", "a reason is needed"),
    ):
        with pytest.raises(LakehouseError, match=error):
            desk.rows(call, keys, reason)
    single = desk.taken('"odd ""key",v\nW-1,a\nW-2,b\n', key='odd "key')
    assert desk.rows(f"select rows_deleted from delete_rows('{single}', 'W-1', 'asked')") == [(1,)]
    keyless = desk.taken("a\n1\n")
    with pytest.raises(LakehouseError, match="has no key"):
        desk.rows(f"select * from delete_rows('{keyless}', 1, 'asked')")


def test_the_views(own_desk: Desk) -> None:
    desk = own_desk
    assert desk.rows("from lake.datasets") == desk.rows("from lake.columns") == desk.rows("from lake.ingests") == []
    dataset = desk.taken("id,v\n" + "".join(f"{i},x\n" for i in range(1000)), key="id")
    session = desk.session
    session.run("create table by_sql (a integer not null, b varchar[])")
    session.run("create schema other")
    session.run("create table other.elsewhere as select 1 as x")
    found = desk.rows("select dataset, schema, rows, columns, key, files from lake.datasets order by dataset")
    assert found == [
        ("by_sql", "main", 0, 2, None, 0),
        (dataset, "main", 1000, 2, ["id"], 1),
        ("elsewhere", "other", 1, 1, None, 0),
    ]
    session.run(f"delete from {dataset} where id < 10")
    session.run(f"insert into {dataset} values (-1, 'y')")
    assert desk.rows("select rows from lake.datasets where dataset = ?", dataset) == [(991,)]
    shown = desk.rows(
        "select position, column_name, type, nullable from lake.columns where dataset = 'by_sql' order by 1"
    )
    assert shown == [(1, "a", "INTEGER", False), (2, "b", "VARCHAR[]", True)]
    assert desk.rows("select bucket, kind, uri, datasets from lake.buckets") == [
        ("primary", "ducklake", "buckets/primary", 3)
    ]
    created, updated = desk.rows("select created_at, updated_at from lake.datasets where dataset = ?", dataset)[0]
    assert isinstance(created, datetime.datetime)
    assert created < updated
    everything = str(
        [desk.rows(f"from lake.{view}") for view in ("datasets", "columns", "versions", "ingests", "buckets")]
    )
    assert "ingests" not in everything
    assert str(desk.folder.parent / "home") not in everything


def test_a_dataset_by_its_names(own_desk: Desk) -> None:
    lake = own_desk.lake
    session = own_desk.session
    session.run('create table "a.b" as select 1 as x')
    session.run('create table "Mixed" as select 1 as x')
    session.run("create schema other")
    session.run("create table other.elsewhere as select 1 as x")
    for name, expected in (
        ("a.b", '"primary"."main"."a.b"'),
        ("mixed", '"primary"."main"."Mixed"'),
        ("primary.Mixed", '"primary"."main"."Mixed"'),
        ("primary.main.Mixed", '"primary"."main"."Mixed"'),
        ("other.elsewhere", '"primary"."other"."elsewhere"'),
        ("primary.other.elsewhere", '"primary"."other"."elsewhere"'),
    ):
        assert dataset_table(lake, name) == expected
    for name in ("elsewhere", "nothing", "", "lakehouse.ingests", "primary.lakehouse.ingests"):
        with pytest.raises(NotFound, match=f"dataset '{name}' does not exist"):
            dataset_table(lake, name)


def entry(version: int, status: str, sha: str | None = None, restored: int | None = None) -> Entry:
    return Entry(0, "d", version, status, sha256=sha, restored=restored)


HISTORIES: list[tuple[str, list[Entry], list[int], str]] = [
    ("appended", [entry(3, "created", "a"), entry(4, "appended", "b")], [3], "ab"),
    ("replaced", [entry(3, "created", "a"), entry(4, "replaced", "b"), entry(5, "appended", "c")], [3, 4], "bc"),
    ("made anew by SQL", [entry(3, "created", "a"), entry(9, "appended", "b")], [3, 7], "b"),
    ("dropped", [entry(3, "created", "a"), entry(4, "dropped"), entry(5, "created", "b")], [3, 5], "b"),
    (
        "rolled back before a replacement",
        [
            entry(3, "created", "a"),
            entry(4, "appended", "b"),
            entry(5, "replaced", "c"),
            entry(6, "rolled_back", None, 4),
        ],
        [3, 5, 6],
        "ab",
    ),
    (
        "rolled back, then on",
        [
            entry(3, "created", "a"),
            entry(4, "appended", "b"),
            entry(5, "rolled_back", None, 3),
            entry(6, "appended", "c"),
        ],
        [3, 5],
        "ac",
    ),
    (
        "rolled back to before a roll-back",
        [
            entry(3, "created", "a"),
            entry(4, "appended", "b"),
            entry(5, "rolled_back", None, 3),
            entry(6, "appended", "c"),
            entry(7, "rolled_back", None, 4),
        ],
        [3, 5, 7],
        "ab",
    ),
    (
        "back after a drop by SQL",
        [entry(3, "created", "a"), entry(9, "rolled_back", None, 3)],
        [3, 9],
        "a",
    ),
]


@pytest.mark.parametrize(("name", "history", "begins", "expected"), HISTORIES, ids=[one[0] for one in HISTORIES])
def test_what_is_in_a_dataset(name: str, history: list[Entry], begins: list[int], expected: str) -> None:
    assert "".join(str(one.sha256) for one in in_force(history, begins)) == expected
