"""Outcomes fade with age and failures, and some never apply; both are off unless the configuration says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST

QUESTION, OTHER = "forklift driver at night", "crane operator by day"
SEARCH = "select * from hybrid_search(?, alpha := 1, playbook := ?)"
DAY = 86_400.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened(home: Path, clock: Callable[[], float], **settings: object) -> Iterator[Lake]:
    given = {**FAST, **{f"memory.{key}": value for key, value in settings.items()}}
    lake = open_lake(home, settings=given, clock=clock)
    try:
        yield lake
    finally:
        lake.close()


def fill(session: Session) -> None:
    session.run(
        "create table workers as select 'W-' || i as id, 'worker number ' || i || ' ' || "
        "if(i % 2 = 0, 'forklift driver at night', 'crane operator by day') as text from range(20) as r(i)"
    )
    session.run("select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text')")


def record(session: Session, query: str, id: str, score: float) -> None:
    session.run("select * from playbook_record(?, 'workers', ?, ?)", [query, id, score])


def search(session: Session, playbook: str, question: str = QUESTION) -> list[dict[str, Any]]:
    return session.run(SEARCH, [question, playbook]).rows()


def factor(session: Session, id: str) -> float:
    """What the classic playbook does to a distance."""
    before = {row["id"]: row["_distance"] for row in search(session, "off")}
    after = {row["id"]: row["_distance"] for row in search(session, "classic")}
    return float(after[id] / before[id])


def test_an_outcome_fades_with_age(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "home", clock, decay_days=30) as lake:
        session = lake.session()
        fill(session)
        record(session, QUESTION, "W-4", 1.0)
        assert factor(session, "W-4") == pytest.approx(0.5)
        clock.now += 30 * DAY
        assert factor(session, "W-4") == pytest.approx(1 - 0.5 * 0.36788, abs=1e-4)
    with opened(tmp_path / "home", clock, decay_days=30) as lake:
        session = lake.session()
        assert factor(session, "W-4") == pytest.approx(1 - 0.5 * 0.36788, abs=1e-4)
        clock.now -= 60 * DAY  # a clock that was set back makes nothing stronger
        assert factor(session, "W-4") == pytest.approx(0.5)
        clock.now += 500 * DAY
        assert search(session, "robust") == search(session, "off")
    with opened(tmp_path / "home", clock) as lake:
        session = lake.session()
        assert factor(session, "W-4") == pytest.approx(0.5)
        assert search(session, "robust") != search(session, "off")


def test_an_outcome_that_is_recorded_again_is_as_new_as_that(tmp_path: Path) -> None:
    clock = Clock()
    again = "select status from playbook_record(?, 'workers', 'W-4', 1.0)"
    with opened(tmp_path / "home", clock, decay_days=30) as lake:
        session = lake.session()
        fill(session)
        assert session.run(again, [QUESTION]).rows() == [{"status": "created"}]
        clock.now += 500 * DAY
        assert session.run(again, [QUESTION]).rows() == [{"status": "replaced"}]
        assert factor(session, "W-4") == pytest.approx(0.5)
    with opened(tmp_path / "home", clock) as lake:
        assert lake.session().run(again, [QUESTION]).rows() == [{"status": "unchanged"}]


def test_each_failure_of_a_document_halves_what_speaks_for_it(tmp_path: Path) -> None:
    with opened(tmp_path / "home", Clock(), failure_factor=0.5) as lake:
        session = lake.session()
        fill(session)
        record(session, QUESTION, "W-4", 1.0)
        moved = {row["id"]: row["_score"] for row in search(session, "robust")}["W-4"]
        for number, expected in enumerate((0.5, 0.75, 0.875)):
            assert factor(session, "W-4") == pytest.approx(expected)
            record(session, f"{OTHER} {number}", "W-4", 0.0)
        assert {row["id"]: row["_score"] for row in search(session, "robust")}["W-4"] < moved
        session.run("select * from playbook_retract(?, 'workers', 'W-4')", [f"{OTHER} 0"])
        assert factor(session, "W-4") == pytest.approx(0.875)


@pytest.mark.parametrize(
    "setting",
    [
        {"exclude_corpora": ["workers"]},
        {"exclude_ids": ["W-4"]},
        {"exclude_questions": ["  FORKLIFT driver  at night"]},
    ],
)
def test_what_is_excluded_never_applies(tmp_path: Path, setting: dict[str, list[str]]) -> None:
    with opened(tmp_path / "home", Clock(), **setting) as lake:
        session = lake.session()
        fill(session)
        untouched = search(session, "off")
        record(session, QUESTION, "W-4", 1.0)
        for playbook in ("robust", "classic", "off"):
            assert search(session, playbook) == untouched
        record(session, OTHER, "W-5", 1.0)
        applies = search(session, "robust", OTHER) != search(session, "off", OTHER)
        assert applies is ("exclude_corpora" not in setting)


def test_off_by_default(tmp_path: Path) -> None:
    with opened(tmp_path / "home", Clock()) as lake:
        rows = lake.session().run("select value from lake.settings where key like 'memory.%' order by key").rows()
        assert [row["value"] for row in rows] == ["0", "0", "100", "0", "[]", "[]", "[]", "1"]
