"""Writers of pathways: who waits for another can be cancelled, and many replays cost little and are told one by one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import LakehouseError, TimedOut
from engine.journal import Journal
from engine.lake import Lake
from engine.memory.pathways.operations import MOST_OUTCOMES, Operations, Replays
from engine.session import Session
from tests.engine.patience import Task, until

STEPS = "select subject, body ->> 'action' as action, body ->> 'replay_count' as n from lake.journal "
STEPS += "where kind = 'pathway' order by entry"


@contextmanager
def another_writes(lake: Lake) -> Iterator[None]:
    """A writer that is at work until the end of the block."""
    begun, goes_on = threading.Event(), threading.Event()

    def check() -> None:
        begun.set()
        goes_on.wait(30)

    writer = Task(lambda: Operations(lake, "slow", check=check).record(["{}"]))
    until(begun.is_set)
    try:
        yield
    finally:
        goes_on.set()
        writer.result()


@pytest.mark.parametrize(
    "sql",
    [
        "from pathway_record('{}')",
        "from pathway_update('u', '{}')",
        "from pathway_revise('u', '{}')",
        "from pathway_retire('u', 'why')",
        "from pathway_replay('u', true)",
        "from import_pathways('$IN/state.json')",
    ],
)
def test_a_writer_that_waits_for_another_is_cancelled_at_once(lake: Lake, tmp_path: Path, sql: str) -> None:
    (tmp_path / "in" / "state.json").write_text("[]", encoding="utf-8")
    session, other = lake.session(), lake.session()
    session.run("from pathway_record({'uid': 'u'})").read_all()
    with another_writes(lake):
        waiting = Task(lambda: session.run(sql.replace("$IN", str(tmp_path / "in")), statement_id="it").rows())
        until(lambda: other.run("from lake.statements where statement_id = 'it'").rows())
        time.sleep(0.2)  # nothing shows that it waits by now; one that is cancelled before stops as well
        started = time.monotonic()
        other.run("from cancel_statement('it')").read_all()
        with pytest.raises(TimedOut):
            waiting.result()
        assert time.monotonic() - started < 2
    assert [row["uid"] for row in other.run("from lake.pathways where recorded_by <> 'slow'").rows()] == ["u"]


def test_who_waits_and_is_not_cancelled_comes_next(lake: Lake) -> None:
    session = lake.session()
    with another_writes(lake):
        waiting = Task(lambda: session.run("select uid from pathway_record({'uid': 'u'})").rows())
        time.sleep(0.2)
    assert waiting.result() == [{"uid": "u"}]


def counting(calls: list[str], method: Callable[..., None]) -> Callable[..., None]:
    def counted(*given: object) -> None:
        calls.append(method.__name__)
        method(*given)

    return counted


def test_many_replays_are_told_one_by_one_in_few_statements(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.run("from pathway_record([{'uid': 'a'}, {'uid': 'b'}])").read_all()
    statements: list[str] = []
    for name in ("record_within", "record_all_within"):
        monkeypatch.setattr(Journal, name, counting(statements, getattr(Journal, name)))
    sql = "from (values ('a'), ('b')) as t(uid), pathway_replay(uid, (select list(true) from range(3000))) as r"
    assert session.run(f"select r.uid, r.replay_count {sql} order by 1").rows() == [
        {"uid": "a", "replay_count": 3000},
        {"uid": "b", "replay_count": 3000},
    ]
    steps = [(row["subject"], row["n"]) for row in session.run(STEPS).rows() if row["action"] == "replayed"]
    for uid in ("a", "b"):
        assert [n for subject, n in steps if subject == uid] == [str(n + 1) for n in range(3000)]
    assert len(statements) < 10


def test_a_list_that_is_cancelled_half_way_is_not_counted(lake: Lake) -> None:
    session = lake.session()
    session.run("from pathway_record({'uid': 'u'})").read_all()
    steps = iter(range(100))

    def check() -> None:
        if next(steps) == 50:
            raise TimedOut

    with pytest.raises(TimedOut):
        Operations(lake, "slow", check=check).replay([Replays("u", [True] * 60)])
    assert session.run("select status, replay_count from lake.pathways").rows() == [
        {"status": "live", "replay_count": 0}
    ]
    assert [row["action"] for row in session.run(STEPS).rows()] == ["added"]


def test_a_list_of_outcomes_has_an_end(session: Session) -> None:
    session.run("from pathway_record({'uid': 'u'})").read_all()
    sql = "select replay_count from pathway_replay('u', (select list(true) from range({})))"
    with pytest.raises(LakehouseError) as caught:
        session.run(sql.format(MOST_OUTCOMES + 1)).read_all()
    assert str(caught.value) == "[INVALID] succeeded has more than 100000 outcomes; tell them in several calls"
    assert session.run("select replay_count from lake.pathways").rows() == [{"replay_count": 0}]
    assert session.run(sql.format(MOST_OUTCOMES)).rows() == [{"replay_count": MOST_OUTCOMES}]
