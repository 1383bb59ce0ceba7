"""Exactly once by content: the same bytes never count twice, whatever they are called and whoever sends them."""

import threading
from pathlib import Path

import pytest

from engine.errors import LakehouseError
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST
from tests.engine.storage.desk import Desk


def test_the_same_bytes_are_unchanged_under_any_name(desk: Desk) -> None:
    dataset = desk.new()
    desk.write("once.csv", "a\n1\n2\n")
    first = desk.ingest("once.csv", dataset)
    assert (first["status"], first["rows_read"], first["rows_added"]) == ("created", 2, 2)
    desk.write("copy.csv", "a\n1\n2\n")
    for name in ("once.csv", "copy.csv"):
        again = desk.ingest(name, dataset)
        assert (again["status"], again["rows_added"], again["version"]) == ("unchanged", 0, first["version"])
        assert again["fingerprint"] == first["fingerprint"]
    assert desk.ingest("copy.csv", desk.new())["status"] == "created"  # another dataset
    assert desk.rows(f"select count(*) from {dataset}") == [(2,)]


def test_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "once.csv"
    file.write_text("a\n1\n")
    for expected in ("created", "unchanged"):
        lake = open_lake(tmp_path / "home", settings=FAST, allowed=[tmp_path])
        try:
            (row,) = lake.session().run("select status, version from ingest(?, 'once')", [str(file)]).rows()
            assert row["status"] == expected
        finally:
            lake.close()


def test_files_of_a_folder_count_one_by_one(desk: Desk) -> None:
    for day in (1, 2):
        desk.write(f"days/2024/day{day}.csv", f"day,n\n{day},1\n{day},2\n")
    desk.write("days/.hidden.csv", "other\n1\n")
    desk.write("days/readme.txt", "not data")
    assert desk.ingest("days", "days")["rows_added"] == 4
    assert desk.ingest("days", "days")["status"] == "unchanged"
    desk.write("days/2024/day3.csv", "day,n\n3,1\n")
    desk.write("days/2024/copy_of_day1.csv", "day,n\n1,1\n1,2\n")
    more = desk.ingest("days", "days")
    assert (more["status"], more["rows_read"], more["rows_added"]) == ("appended", 1, 1)
    assert desk.ingest("days/*/day?.csv", "days")["status"] == "unchanged"
    assert desk.rows("select day, count(*) from days group by all order by all") == [(1, 2), (2, 2), (3, 1)]
    ledger = desk.rows("select file, rows, status from lake.ingests where dataset = 'days' order by version, file")
    assert ledger == [
        ("2024/day1.csv", 2, "created"),
        ("2024/day2.csv", 2, "created"),
        ("2024/day3.csv", 1, "appended"),
    ]


def test_twins_in_one_folder_count_once(desk: Desk) -> None:
    for name in ("x", "y"):
        desk.write(f"twins/{name}.csv", "a\n1\n")
    assert desk.ingest("twins", "twins")["rows_added"] == 1


def test_a_set_of_files_is_all_or_nothing(desk: Desk) -> None:
    desk.write("set/a.csv", "a,b\n1,2\n")
    desk.write("set/b.csv", "a,b\n1\n")
    desk.fails("[INVALID] b.csv line 2: expected 2 columns, found 1", "set", "set_of_files")
    desk.write("set/b.csv", "a,c\n1,2\n")
    desk.fails("[CONFLICT] b.csv and a.csv differ in the column 'b'", "set", "set_of_files")
    assert desk.rows("select * from lake.datasets where dataset = 'set_of_files'") == []
    desk.write("set/b.csv", "b;a\nx;3\n")  # another order, another delimiter, a type that makes the column text
    assert desk.ingest("set", "set_of_files")["rows_added"] == 2
    assert desk.rows("select a, b from set_of_files order by a") == [(1, "2"), (3, "x")]


def test_what_was_taken_out_can_come_again(desk: Desk) -> None:
    dataset = desk.new()
    desk.write("one.csv", "a\n1\n")
    desk.write("two.csv", "a\n2\n")
    first = desk.ingest("one.csv", dataset)["version"]
    assert desk.ingest("two.csv", dataset)["status"] == "appended"
    desk.rows("select * from rollback_dataset(?, ?)", dataset, first)
    assert desk.ingest("one.csv", dataset)["status"] == "unchanged"
    assert desk.ingest("two.csv", dataset)["status"] == "appended"
    desk.rows("select * from drop_dataset(?)", dataset)
    assert desk.ingest("one.csv", dataset)["status"] == "created"
    desk.session.run(f"drop table {dataset}")
    assert desk.ingest("one.csv", dataset)["status"] == "created"
    desk.session.run(f"create or replace table {dataset} as select 5::bigint as a")
    assert desk.ingest("one.csv", dataset)["status"] == "appended"
    assert desk.rows(f"select a from {dataset} order by a") == [(1,), (5,)]


def test_a_roll_back_of_a_roll_back(desk: Desk) -> None:
    dataset = desk.new()
    versions = []
    for n in (1, 2, 3):
        desk.write(f"n{n}.csv", f"a\n{n}\n")
        versions.append(desk.ingest(f"n{n}.csv", dataset)["version"])
    desk.rows("select * from rollback_dataset(?, ?)", dataset, versions[0])
    desk.rows("select * from rollback_dataset(?, ?)", dataset, versions[1])
    assert [desk.ingest(f"n{n}.csv", dataset)["status"] for n in (1, 2, 3)] == ["unchanged", "unchanged", "appended"]
    assert desk.rows(f"select a from {dataset} order by a") == [(1,), (2,), (3,)]


def test_replace(desk: Desk) -> None:
    dataset = desk.taken("a,b\n1,2\n", key="a")
    desk.write("other.csv", "x\ny\n")
    replaced = desk.ingest("other.csv", dataset, mode="replace")
    assert (replaced["status"], replaced["rows_added"]) == ("replaced", 1)
    assert desk.ingest("other.csv", dataset, mode="replace")["status"] == "unchanged"
    desk.session.run(f"insert into {dataset} values ('z')")
    assert desk.ingest("other.csv", dataset, mode="replace")["status"] == "replaced"
    assert desk.ingest("other.csv", dataset, mode="replace", options={"nullstr": "y"})["status"] == "replaced"
    assert desk.rows(f"from {dataset}") == [(None,)]
    assert desk.rows("select key from lake.datasets where dataset = ?", dataset) == [(None,)]


def test_modes(desk: Desk) -> None:
    dataset = desk.new()
    desk.write("m1.csv", "id,v\n1,x\n")
    desk.write("m2.csv", "id,v\n1,y\n2,z\n")
    assert desk.ingest("m1.csv", dataset, mode="error")["status"] == "created"
    desk.fails("[CONFLICT] the dataset", "m2.csv", dataset, mode="error")
    desk.fails("[INVALID] to merge, a key is needed; name it", "m2.csv", dataset, mode="merge")
    assert desk.ingest("m2.csv", dataset, mode="append")["rows_added"] == 2
    assert desk.rows(f"select count(*) from {dataset}") == [(3,)]
    desk.fails("[INVALID] unknown mode 'upsert'", "m2.csv", dataset, mode="upsert")


def test_two_at_once_count_once(desk: Desk) -> None:
    dataset = desk.new()
    desk.write("race.csv", "a\n" + "".join(f"{i}\n" for i in range(20_000)))
    answers: list[str] = []

    def call() -> None:
        answers.append(str(desk.ingest("race.csv", dataset)["status"]))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["created", "unchanged", "unchanged", "unchanged"]
    assert desk.rows(f"select count(*) from {dataset}") == [(20_000,)]


def test_inside_a_transaction_it_commits_on_its_own(desk: Desk) -> None:
    path, dataset = desk.write("tx.csv", "a\n1\n"), desk.new()
    session = desk.session
    transaction = session.begin()
    session.run("select * from ingest(?, ?)", [str(path), dataset], transaction=transaction).rows()
    assert session.run(f"from {dataset}", transaction=transaction).rows() == [{"a": 1}]
    session.rollback(transaction)
    assert desk.rows(f"from {dataset}") == [(1,)]


def test_many_files_in_one_statement(desk: Desk) -> None:
    for n in range(3):
        desk.write(f"each/{n}.csv", f"a\n{n}\n")
    desk.session.run(f"create table each_file as select '{desk.folder}/each/' || i || '.csv' as uri from range(3) r(i)")
    found = desk.rows("select answer.status from each_file, ingest(each_file.uri, 'each') as answer")
    assert sorted(found) == [("appended",), ("appended",), ("created",)]


def test_it_is_in_the_journal(desk: Desk) -> None:
    dataset = desk.taken("a\n1\n")
    (row,) = desk.rows(
        "select subject, body ->> 'status', body ->> 'rows_added' from lake.journal where subject = ?", dataset
    )
    assert row == (dataset, "created", "1")


def test_a_reader_may_not(desk: Desk) -> None:
    path = desk.write("role.csv", "a\n1\n")
    with pytest.raises(LakehouseError, match=r"^\[FORBIDDEN\]"):
        session_of(desk.lake, "guest", "reader").run("select * from ingest(?, 'role')", [str(path)])
