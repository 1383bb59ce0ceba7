"""The background tuner: off unless wanted, one trial at a time while nothing runs, within its cap, replayable."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.lake import Lake
from engine.search import grid, tuner
from engine.search.generation import Graph, Manifest
from engine.search.grid import Point
from engine.session import Session
from tests.engine.search.indexed import build, corpus, open_small, settle

PATIENCE = 30.0
ON = {"tuner.enabled": True, "tuner.per_hour": 2, "tuner.min_recall": 0.5, "search.recall_floor": 0.5}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not happen"
        threading.Event().wait(0.02)


def with_index(lake: Lake) -> Session:
    session = lake.session()
    corpus(session, "docs", 600)
    build(session, "docs", engine="usearch")
    return session


def trials(session: Session) -> list[dict[str, object]]:
    return session.run("select origin, engine, actor from lake.trials").rows()


def turn(lake: Lake) -> float | None:
    lake.corpora.upkeep._tuner._next = 0.0  # as if the time had come
    pause = lake.corpora.upkeep._tuner.turn()
    settle(lake)
    return pause


def test_it_is_off_unless_it_is_wanted(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home")
    try:
        session = with_index(lake)
        assert turn(lake) is None
        assert trials(session) == []
    finally:
        lake.close()


def test_it_tries_one_at_a_time_up_to_its_cap(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home", **ON)
    try:
        lake.corpora.upkeep.close()  # so that only this test gives it turns
        session = with_index(lake)
        for expected in (1, 2, 2):
            assert turn(lake) == 1800
            assert len(trials(session)) == expected
        assert trials(session)[0] == {"origin": "background", "engine": "usearch", "actor": None}
        points = session.run("select distinct parameters from lake.trials").rows()
        assert len(points) == 2
        lake.corpora.upkeep._tuner._next = time.monotonic() + 100
        assert 0 < (lake.corpora.upkeep._tuner.turn() or 0) <= 100
    finally:
        lake.close()


def test_it_waits_while_something_runs(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home", **ON)
    try:
        lake.corpora.upkeep.close()
        session = with_index(lake)
        lake.corpora.upkeep._tuner._next = 0.0
        with session.run("select * from range(10_000_000)") as result:
            batches = result.batches()
            next(batches)
            assert lake.corpora.upkeep._tuner.turn() == tuner.BUSY_SECONDS
        assert trials(session) == []
    finally:
        lake.close()


def test_it_runs_by_itself_and_ends_with_the_lake(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home")
    with_index(lake)
    lake.close()
    again = open_small(tmp_path / "home", **ON)
    session = again.session()
    try:
        # every look is a statement, and while one runs there is no trial
        until(lambda: bool(again.corpora.builds.running()) or bool(trials(session)))
        settle(again)
        assert {row["origin"] for row in trials(session)} == {"background"}
    finally:
        again.close()
    assert again.corpora.upkeep._thread is not None
    assert not again.corpora.upkeep._thread.is_alive()


def live_at(construction: int, ef: int) -> Manifest:
    graph = {"m": 16, "ef_construction": construction, "ef": ef, "seed": 1}
    return Manifest(
        "docs", "g000001", "hash", "00", 8, 256, 0.3, [], engine="usearch",
        graph=tuner_graph(graph),
    )  # fmt: skip


def tuner_graph(parameters: dict[str, int]) -> Graph:
    return Graph("usearch", parameters, "g000001", "g000001", {})


def replay(construction: int, ef: int, count: int) -> list[Point]:
    history: list[Point] = []
    for _ in range(count):
        point = tuner.propose(live_at(construction, ef), history)
        assert point is not None
        history.append(point)
    return history


def test_what_is_tried_depends_on_the_history_alone() -> None:
    tried = replay(80, 60, 40)
    assert tried == replay(80, 60, 40)
    assert len(set(tried)) == 40
    assert Point("usearch", 16, 80, 60) not in tried
    near = [one for one in tried if 56 <= one.ef_construction <= 114 and 42 <= one.ef <= 86]
    assert 0.5 < len(near) / len(tried) < 0.95
    for name, (least, most) in grid.RANGES.items():
        assert all(least <= getattr(one, name) <= most for one in tried)


def test_nothing_is_proposed_twice_even_when_little_is_left() -> None:
    every = [Point("compact", 0, 0, ef) for ef in range(*grid.COMPACT_RANGES["ef"])]
    manifest = live_at(80, 60)
    compact = Manifest(**{**vars(manifest), "engine": "compact", "graph": Graph("compact", {}, "a", "a", {})})
    assert tuner.propose(compact, [*every, Point("compact", 0, 0, 1000)]) is None
