"""Long work: it says how far it is, it can be cancelled, and a full disk leaves nothing behind."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import duck
from engine.errors import Busy, Conflict, LakehouseError, TimedOut
from engine.statement import Statement
from engine.storage.files import Location, digest
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.storage.desk import Desk


def rows(count: int) -> str:
    return "id,text,n\n" + "".join(f"{i},text number {i},{i * 7}\n" for i in range(count))


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


@pytest.mark.parametrize("wanted", ["bytes", "rows"])
def test_cancel(own_desk: Desk, wanted: str) -> None:
    desk = own_desk
    path = desk.write("long.csv", rows(2_000_000))
    session, caught = desk.session, list[LakehouseError]()

    def call() -> None:
        try:
            session.run("select * from ingest(?, 'long')", [str(path)])
        except LakehouseError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    seen: set[str] = set()

    def reached() -> bool:
        for statement in desk.lake.statements(session):
            if statement.progress:
                seen.add(statement.progress[2])
        return wanted in seen or not thread.is_alive()

    until(reached)
    (statement,) = desk.lake.statements(session)
    assert session.cancel(statement.statement_id)
    began = time.monotonic()
    thread.join()
    assert time.monotonic() - began < 20
    assert [type(error) for error in caught] == [TimedOut]
    assert desk.rows("select count(*) from lake.datasets") == [(0,)]
    assert desk.ingest(path, "long")["rows_added"] == 2_000_000  # the lock is free, and nothing is half there


def test_sql_of_a_kernel_is_interrupted(own_desk: Desk) -> None:
    statement = Statement("nested", own_desk.session, "", None, lambda: None)
    cursor, caught = own_desk.lake.cursor(), list[duck.Error]()

    def work() -> None:
        try:
            with statement.interrupting(cursor.interrupt):
                statement.progress = (0, 1, "started")
                cursor.execute(
                    "select count(*) from range(10_000_000) a, range(10_000_000) b where a.range % 7 = b.range % 5"
                )
        except duck.Error as error:
            caught.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: statement.progress is not None)

    def ended() -> bool:
        statement.cancel()  # again and again: the query may not have begun at the first call
        return not thread.is_alive()

    until(ended, 20)
    thread.join()
    assert "INTERRUPT" in str(caught[0])
    with pytest.raises(TimedOut), statement.interrupting(cursor.interrupt):
        pytest.fail("a cancelled statement does not begin")
    cursor.close()


def test_a_statement_that_was_cancelled_before_does_nothing(own_desk: Desk) -> None:
    desk = own_desk
    path = desk.write("early.csv", rows(10))
    session = desk.session
    run = desk.lake.running
    original = run.__class__.__setitem__

    class Cancelling(dict[str, object]):
        def __setitem__(self, token: str, statement: object) -> None:
            original(self, token, statement)  # type: ignore[arg-type]
            statement.cancel()  # type: ignore[attr-defined]

    desk.lake.running = Cancelling()  # type: ignore[assignment]
    with pytest.raises(TimedOut):
        session.run("select * from ingest(?, 'early')", [str(path)])
    desk.lake.running = run
    assert desk.rows("select count(*) from lake.datasets") == [(0,)]


def test_a_file_that_changes_is_refused(own_desk: Desk) -> None:
    path = own_desk.write("moving.csv", rows(10))
    (source,) = digest([Location(path, "moving.csv", "csv", None)], lambda done, total: None)
    source.check_unchanged()
    path.write_text(rows(11))
    with pytest.raises(Conflict, match=r"moving\.csv changed while it was read"):
        source.check_unchanged()
    path.unlink()
    with pytest.raises(Conflict):
        source.check_unchanged()


def test_a_full_disk_leaves_nothing_behind(small_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "small.csv").write_text(rows(100))
    noise = "".join(f"{i},{os.urandom(60).hex()}\n" for i in range(400_000))
    (folder / "large.csv").write_text("id,noise\n" + noise)
    lake = open_lake(small_disk / "home", settings=FAST, allowed=[folder])
    try:
        session = lake.session()
        session.run("select * from ingest(?, 'kept')", [str(folder / "small.csv")])
        with pytest.raises(Busy, match="the disk is full"):
            session.run("select * from ingest(?, 'large')", [str(folder / "large.csv")])
        found = session.run("select dataset, rows from lake.datasets").rows()
        assert found == [{"dataset": "kept", "rows": 100}]
        (folder / "more.csv").write_text(rows(200))
        session.run("select * from ingest(?, 'kept')", [str(folder / "more.csv")])
    finally:
        lake.close()
    lake = open_lake(small_disk / "home", settings=FAST)
    try:
        assert lake.session().run("select count(*) as n from kept").rows() == [{"n": 300}]
    finally:
        lake.close()
