"""What is new and dead is folded into a new base behind what is live, with its index, through the gate."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.lake import Lake
from engine.search import folding, indexing, indexwork, recall
from engine.search.generation import Generation
from engine.search.recall import Recall
from engine.session import Session
from tests.engine.search.indexed import build, corpus, open_small, settle, table

ROWS = 400


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_small(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    """With a corpus that has an index."""
    made = lake.session()
    corpus(made, "docs", ROWS)
    build(made, "docs", engine="usearch", m=8)
    return made


def refresh(session: Session) -> str:
    return str(session.run("select status from refresh_corpus('docs')").rows()[0]["status"])


def found(session: Session, generation: str = "null") -> list[tuple[object, object, object]]:
    sql = "select id, content, _score from vector_search('forklift night', corpora := ['docs'], k := 30, exact := true"
    rows = session.run(f"{sql}, generation := {generation})").rows()
    return [(row["id"], row["content"], row["_score"]) for row in rows]


def swaps(session: Session) -> list[str]:
    return [str(row["why"]) for row in session.run("select why from lake.swaps order by ts").rows()]


def test_a_large_delta_is_folded_behind_and_the_index_never_goes(session: Session, lake: Lake) -> None:
    table(session, "docs", ROWS, ROWS + 200)
    assert refresh(session) == "refreshed"  # not rebuilt: the index stays until the fold has one
    settle(lake)
    live = lake.corpora.live("docs")
    assert live.manifest.graph is not None
    assert (len(live.segments), live.manifest.documents) == (1, ROWS + 200)
    assert (live.manifest.engine, live.manifest.graph.parameters["m"]) == ("usearch", 8)
    assert live.indexed(0) is not None
    assert swaps(session) == ["created", "built", "refreshed", "folded"]
    shown = session.run("select generation, status, segments from lake.generations where status = 'live'").rows()
    assert shown == [{"generation": live.name, "status": "live", "segments": 1}]
    assert session.run("select build_seconds > 0 as told from measure_recall('docs')").rows() == [{"told": True}]


def test_a_fold_answers_as_what_it_folds(session: Session, lake: Lake) -> None:
    session.run("update docs set text = text || ' crane' where part = 3")
    session.run("delete from docs where part = 4")
    table(session, "docs", ROWS, ROWS + 150)
    refresh(session)
    before = found(session)
    settle(lake)
    assert lake.corpora.live("docs").manifest.parts[0].folder != "g000001"
    assert found(session) == before
    words = "select count(*) as n from text_search('crane', corpora := ['docs'], k := 1000)"
    known = session.run("select count(*) as n from docs where text like '%crane%'").rows()
    assert session.run(words).rows() == known


def test_many_dead_documents_are_folded(session: Session, lake: Lake) -> None:
    session.run("delete from docs where part < 4")
    assert refresh(session) == "refreshed"
    settle(lake)
    live = lake.corpora.live("docs").manifest
    assert [len(part.dead) for part in live.parts] == [0]
    assert live.documents == ROWS * 6 // 10


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home", **{"search.fold": False})
    try:
        session = lake.session()
        corpus(session, "docs", ROWS)
        build(session, "docs", engine="usearch")
        table(session, "docs", ROWS, ROWS + 200)
        assert refresh(session) == "rebuilt"
        settle(lake)
        assert lake.corpora.live("docs").manifest.engine == "exact"
        assert "folded" not in swaps(session)
    finally:
        lake.close()


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A fold stops when its base is written: (it has begun, it may go on)."""
    begun, go_on = threading.Event(), threading.Event()
    original = indexwork.IndexWork.make

    def make(self: indexwork.IndexWork, *arguments: object) -> object:
        if arguments[-1] == folding.INDEX:
            begun.set()
            while not go_on.wait(0.01):
                self._check()
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexwork.IndexWork, "make", make)
    yield begun, go_on
    go_on.set()


def test_what_comes_meanwhile_is_laid_over_the_fold(
    session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    table(session, "docs", ROWS, ROWS + 150)
    refresh(session)
    assert paused[0].wait(20)
    session.run("delete from docs where id in ('d000007', 'd000450')")
    session.run("update docs set text = 'forklift night crane' where id in ('d000008', 'd000451')")
    session.run("insert into docs values ('new', 'forklift night', 1)")
    assert refresh(session) == "refreshed"
    before = found(session)
    paused[1].set()
    settle(lake)
    live = lake.corpora.live("docs")
    assert [len(part.dead) for part in live.manifest.parts] == [4, 0]
    assert live.manifest.documents == ROWS + 150 - 2 + 1
    assert found(session) == before


def test_a_fold_that_a_restart_ended_begins_again(
    tmp_path: Path, session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    table(session, "docs", ROWS, ROWS + 150)
    refresh(session)
    assert paused[0].wait(20)
    lake.close()
    paused[1].set()
    again = open_small(tmp_path / "home")
    try:
        settle(again)
        live = again.corpora.live("docs")
        assert (len(live.segments), live.manifest.documents) == (1, ROWS + 150)
        assert sorted(path.name for path in again.corpora.folder("docs").iterdir()) == sorted(
            {"g000001", "g000002", "g000003", live.name}
        )
    finally:
        again.close()


def test_what_was_left_to_the_background_stays_when_it_is_switched_off(
    tmp_path: Path, session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    table(session, "docs", ROWS, ROWS + 150)
    refresh(session)
    assert paused[0].wait(20)
    lake.close()
    paused[1].set()
    again = open_small(tmp_path / "home", **{"search.fold": False})
    try:
        settle(again)
        assert len(again.corpora.live("docs").segments) == 2
    finally:
        again.close()


def test_the_gate_holds_a_fold_back_and_it_is_not_tried_again_and_again(
    session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall.Exam, "take", lambda self, check, ef=None: Recall(0.9, 1.0, 1.0))
    table(session, "docs", ROWS, ROWS + 150)
    refresh(session)
    settle(lake)
    assert swaps(session)[-1] == "refreshed"
    held = "select count(*) as n from lake.generations where status = 'built' and reason like '%below the floor%'"
    assert session.run(held).rows() == [{"n": 1}]
    table(session, "docs", ROWS + 150, ROWS + 160)
    refresh(session)
    settle(lake)
    assert session.run(held).rows() == [{"n": 1}]


def test_a_fold_can_be_taken_back(session: Session, lake: Lake) -> None:
    table(session, "docs", ROWS, ROWS + 150)
    refresh(session)
    settle(lake)
    assert session.run("select status, generation from rollback_index('docs')").rows() == [
        {"status": "rolled_back", "generation": "g000003"}
    ]
    assert len(lake.corpora.live("docs").segments) == 2
    assert len(found(session)) > 0


def test_many_small_refreshes_leave_few_segments(session: Session, lake: Lake) -> None:
    for number in range(indexing.MOST_DELTAS + 4):
        session.run(f"insert into docs values ('n{number:02}', 'forklift night {number}', 1)")
        if number % 5 == 4:
            session.run(f"update docs set text = 'crane {number}' where id = 'n{number - 1:02}'")
        assert refresh(session) == "refreshed"
    live = lake.corpora.live("docs")
    assert live.manifest.graph is not None
    assert len(live.segments) <= indexing.MOST_DELTAS + 1
    assert live.manifest.documents == ROWS + indexing.MOST_DELTAS + 4
    assert live.manifest.parts[0].folder == "g000001"
    texts = session.run("select id, text from docs order by id").rows()
    assert texts == [{"id": id, "text": text} for id, text in sorted(contents(live))]


def contents(live: Generation) -> list[tuple[str, str]]:
    """Every living document with its text: each is one chunk here."""
    rows = []
    for position, segment, _ in live.each_alive():
        for row, document in enumerate(segment.document_of.tolist()):
            if live.alive[position][document]:
                rows.append((segment.ids[document], str(segment.chunk(row)["content"])))
    return rows


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["insert", "delete", "update"]), min_size=1, max_size=6), st.integers(0, 1000))
def test_the_contents_of_a_fold_are_those_of_its_parts(
    session: Session, lake: Lake, acts: list[str], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    for number, act in enumerate(acts):
        some = int(chance.integers(0, ROWS))
        if act == "insert":
            id = f"x{seed}-{number}-{some}"  # an example may be repeated
            session.run(f"delete from docs where id = '{id}'")
            session.run(f"insert into docs values ('{id}', 'crane {some}', 1)")
        elif act == "delete":
            session.run(f"delete from docs where id = 'd{some:06}'")
        else:
            session.run(f"update docs set text = 'changed {seed} {number}' where id = 'd{some:06}'")
        refresh(session)
    live = lake.corpora.live("docs")
    written = folding.contents(live, lambda: None)
    ids = written.documents.column("_id").to_pylist()
    assert ids == sorted(ids)
    rows = written.chunks.column("document").to_pylist()
    made = list(zip((ids[row] for row in rows), written.chunks.column("content").to_pylist(), strict=True))
    assert made == sorted(contents(live))
    for position, segment, _ in live.each_alive():
        for row, document in enumerate(segment.document_of.tolist()):
            if live.alive[position][document]:
                assert np.array_equal(written.vectors[ids.index(segment.ids[document])], segment.vectors[row])
