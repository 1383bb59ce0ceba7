"""A fault that ends the engine: the server goes on with another instance."""

import threading
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from engine.errors import Busy, Internal, LakehouseError, NotFound
from engine.lake import Lake
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST
from tests.engine.patience import Task, until
from udfs import kernels
from udfs.kernel import installable


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose engine can be told to fail: its configuration is not locked."""
    monkeypatch.setattr("engine.duck.seal", lambda root, folders: None)
    lake = open_lake(tmp_path / "home", settings=FAST)
    lake.session().run("create table workers as select 1 as id")
    return lake


def fail(lake: Lake) -> None:
    """Let the engine give the control plane up, as it does when a checkpoint fails half-way."""
    cursor = lake.cursor()
    cursor.execute("set global debug_checkpoint_abort = 'before_truncate'")
    lake.journal.record("note", "before", durable=True)
    with pytest.raises(duckdb.Error):
        cursor.execute("checkpoint control")
    cursor.close()


def until_it_answers(lake: Lake) -> float:
    started = time.monotonic()
    while True:
        try:
            lake.session().run("select count(*) from lake.journal").rows()
            return time.monotonic() - started
        except LakehouseError:
            assert time.monotonic() - started < 20
            time.sleep(0.05)


def test_the_engine_is_reopened_and_others_go_on(fragile: Lake) -> None:
    reader = session_of(fragile, "ann", "reader")
    writer = fragile.session()
    transaction = writer.begin()
    writer.run("insert into workers values (2)", transaction=transaction)
    fail(fragile)
    with pytest.raises(Internal, match=r"invalidated .*; the engine is reopened; repeat the statement"):
        fragile.session().run("select count(*) from lake.journal").rows()
    assert until_it_answers(fragile) < 15
    assert fragile.revival.number == 2
    assert reader.run("from workers").rows() == [{"id": 1}]
    assert fragile.session().run("select subject from lake.journal where kind = 'note'").rows() == [
        {"subject": "before"}
    ]
    with pytest.raises(NotFound, match="the transaction is not open"):
        writer.commit(transaction)
    told = fragile.session().run("select body ->> 'fault' as fault from lake.journal where kind = 'recovery'").rows()
    assert "invalidated" in str(told[0]["fault"])
    assert (
        fragile.session().run("select count(*) as n from lake.errors where message like '%invalidated%'").rows() != []
    )
    fragile.session().run("insert into workers values (3)")
    assert len(reader.run("from workers").rows()) == 2
    fragile.close()


def test_many_at_once_reopen_it_once(fragile: Lake) -> None:
    answers: list[object] = []

    def ask() -> None:
        for _ in range(20):
            try:
                answers.append(fragile.session().run("select count(*) as n from lake.journal").rows()[0]["n"])
            except LakehouseError as error:
                answers.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    fail(fragile)
    for thread in threads:
        thread.join(60)
    until_it_answers(fragile)
    assert fragile.revival.number == 2
    assert set(map(type, answers)) <= {int, str}
    assert {answer for answer in answers if isinstance(answer, str)} <= {"INTERNAL", "TIMEOUT", "BUSY", "CONFLICT"}
    fragile.close()


def test_an_engine_that_cannot_be_reopened_says_so(fragile: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.revival.OPEN_SECONDS", 0.3)

    def broken() -> None:
        raise Internal("the disk is gone")

    monkeypatch.setattr(fragile, "start", broken)
    fail(fragile)
    with pytest.raises(LakehouseError):
        fragile.session().run("select count(*) from lake.journal").rows()
    for sql in ("select 1", "select 40 + 2", "select 40 + 2"):
        with pytest.raises(Internal) as refused:
            fragile.session().run(sql).rows()
        assert str(refused.value) == "[INTERNAL] the engine cannot be reopened: the disk is gone; restart the server"
    fragile.journal.record("note", "after")
    with pytest.raises(Internal, match="the end of the journal is lost: the disk is gone; look at the disk"):
        fragile.close()


def test_a_statement_that_has_not_been_seen_before_waits(fragile: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    start, going_on = fragile.start, threading.Event()

    def slowly() -> None:
        assert going_on.wait(20)
        start()

    monkeypatch.setattr(fragile, "start", slowly)
    fail(fragile)
    with pytest.raises(LakehouseError):
        fragile.session().run("select count(*) from lake.journal").rows()
    until(lambda: closed(fragile))
    asking = Task(lambda: fragile.session().run("select 40 + 2 as n").rows())
    with pytest.MonkeyPatch.context() as patch:  # one that was past the wait when the engine was closed
        patch.setattr(fragile.revival, "wait", lambda: None)
        with pytest.raises(Busy, match="the engine was reopened after a fault; repeat the statement"):
            fragile.session().run("select 40 + 3 as n").rows()
    assert not asking.done
    going_on.set()
    assert asking.result() == [{"n": 42}]
    fragile.close()


def closed(lake: Lake) -> bool:
    with suppress(duckdb.ConnectionException):
        lake.root.execute("select 1")
        return False
    return True


def test_a_lake_that_is_closed_meanwhile_keeps_its_journal(fragile: Lake) -> None:
    fail(fragile)
    with pytest.raises(LakehouseError):
        fragile.session().run("select count(*) from lake.journal").rows()
    fragile.journal.record("note", "late")
    fragile.close()
    again = open_lake(fragile.home, settings=FAST)
    assert again.session().run("select subject from lake.journal where subject = 'late'").rows() == [
        {"subject": "late"}
    ]
    again.close()


def test_kernels_are_installed_again(fragile: Lake) -> None:
    assert installable(fragile, kernels())
    fail(fragile)
    with pytest.raises(LakehouseError):
        fragile.session().run("select count(*) from lake.journal").rows()
    until_it_answers(fragile)
    made = fragile.session().run("select status from create_corpus('w', source := 'workers', id := 'id', text := 'id')")
    assert made.rows() == [{"status": "created"}]
    fragile.close()
