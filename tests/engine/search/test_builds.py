"""Indexes are built behind what is live, pass a gate, swap in by one row, and survive a kill."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import Busy, Conflict, Forbidden, Invalid, LakehouseError, NotFound, TimedOut
from engine.lake import Lake
from engine.search import generation, indexwork, recall
from engine.search.digests import Digests
from engine.search.recall import Recall
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Wish
from engine.search.vectors.protocol import Parameters, VectorIndex, Vectors, Work
from engine.session import Session
from tests.engine.search.indexed import GRAPH, build, corpus, open_small, settle, table

ROWS = 600


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_small(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    """With a corpus that has no index."""
    made = lake.session()
    corpus(made, "docs", ROWS)
    return made


def states(session: Session) -> dict[str, str]:
    rows = session.run("select generation, status from lake.generations where corpus = 'docs'").rows()
    return {str(row["generation"]): str(row["status"]) for row in rows}


def found(session: Session, extra: str = "") -> list[dict[str, object]]:
    sql = f"select id, _score, _generation from vector_search('forklift night', corpora := ['docs'], k := 5{extra})"
    return session.run(sql).rows()


def test_a_built_index_becomes_live_and_answers_alike(session: Session, lake: Lake) -> None:
    before = [(row["id"], row["_score"]) for row in found(session)]
    made = build(session, "docs")
    assert (made["status"], made["generation"], made["engine"]) == ("live", "g000002", GRAPH)
    assert float(str(made["recall"])) >= 0.95
    assert states(session) == {"g000002": "live", "g000001": "retired"}
    assert [(row["id"], row["_score"]) for row in found(session)] == before
    assert {row["_generation"] for row in found(session)} == {"g000002"}
    again = build(session, "docs")
    assert (again["status"], again["generation"]) == ("unchanged", "g000002")


def test_the_manifest_names_engine_parameters_and_files(session: Session, lake: Lake) -> None:
    build(session, "docs", engine="usearch", m=8, ef_construction=50)
    folder = lake.corpora.folder("docs") / "g000002"
    manifest = generation.parse((folder / "manifest.json").read_text())
    assert manifest.engine == "usearch"
    assert manifest.graph is not None
    assert (manifest.graph.part, manifest.graph.folder) == ("g000001", "g000002")
    assert (manifest.graph.parameters["m"], manifest.graph.parameters["ef_construction"]) == (8, 50)
    assert Digests().check(folder, "g000002", manifest.graph.files, deep=True) == []


def test_a_corpus_that_grows_gets_its_index_by_itself(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home", **{"search.exact_rows": 500})
    try:
        session = lake.session()
        corpus(session, "docs", 450)
        settle(lake)
        assert lake.corpora.live("docs").manifest.engine == "exact"
        table(session, "docs", 450, ROWS)
        assert session.run("select status from refresh_corpus('docs')").rows() == [{"status": "rebuilt"}]
        assert len(found(session)) == 5  # searchable at once
        settle(lake)
        assert lake.corpora.live("docs").manifest.engine == GRAPH
        table(session, "docs", ROWS, ROWS + 20)  # a delta keeps the index of the base
        session.run("select * from refresh_corpus('docs')")
        settle(lake)
        live = lake.corpora.live("docs")
        assert (live.manifest.engine, len(live.segments)) == (GRAPH, 2)
        assert live.indexed(0) is not None
    finally:
        lake.close()


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Builds stop before they add rows: (one has begun, it may go on)."""
    begun, go_on = threading.Event(), threading.Event()
    original = indexwork.IndexWork.make

    def make(self: indexwork.IndexWork, *arguments: object) -> object:
        begun.set()
        while not go_on.wait(0.01):
            self._check()
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexwork.IndexWork, "make", make)
    yield begun, go_on
    go_on.set()


def test_a_refresh_meanwhile_is_not_lost(
    session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    begun = session.run("select status, generation from build_index('docs')").rows()
    assert begun == [{"status": "building", "generation": "g000002"}]
    assert paused[0].wait(10)
    assert states(session) == {"g000002": "building", "g000001": "live"}
    with pytest.raises(Busy, match="is being built"):
        session.run("select * from build_index('docs')").read_all()
    with pytest.raises(Conflict, match="is being built"):
        session.run("select * from promote_index('docs', 'g000002')").read_all()
    session.run("insert into docs values ('new', 'forklift night', 1)")
    session.run("select * from refresh_corpus('docs')")
    paused[1].set()
    settle(lake)
    assert states(session) == {"g000003": "retired", "g000002": "live", "g000001": "retired"}
    assert "new" in [row["id"] for row in found(session)]


def test_a_base_that_is_rewritten_meanwhile_makes_the_build_pointless(
    session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    session.run("select * from build_index('docs')")
    assert paused[0].wait(10)
    session.run("delete from docs where part < 5")
    assert session.run("select status from refresh_corpus('docs')").rows() == [{"status": "rebuilt"}]
    settle(lake)
    assert states(session) == {"g000003": "live", "g000001": "retired"}
    assert not (lake.corpora.folder("docs") / "g000002").exists()


def test_a_build_can_be_cancelled(
    session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    session.run("select * from build_index('docs')")
    assert paused[0].wait(10)
    assert session.run("select status from cancel_build('docs')").rows() == [{"status": "cancelled"}]
    assert states(session) == {"g000001": "live"}
    assert sorted(path.name for path in lake.corpora.folder("docs").iterdir()) == ["g000001"]
    assert session.run("select status from cancel_build('docs')").rows() == [{"status": "unchanged"}]


def test_who_waits_and_is_cancelled_cancels_the_build(
    session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    failures: list[LakehouseError] = []

    def wait() -> None:
        try:
            build(lake.session(), "docs")
        except LakehouseError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert paused[0].wait(10)
    for statement in lake.statements():
        statement.cancel()
    waiting.join(10)
    assert isinstance(failures[0], TimedOut)
    settle(lake)
    assert states(session) == {"g000001": "live"}


def test_who_waits_gets_all_cores_and_others_keep_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    made = choosing.ENGINES[GRAPH].build

    def counting(vectors: Vectors, parameters: Parameters, work: Work) -> VectorIndex:
        until = time.monotonic() + 10
        while work.threads() < 4 and time.monotonic() < until and asked.startswith("wait"):
            time.sleep(0.01)  # the build may begin before its caller waits
        taken.append(work.threads())
        return made(vectors, parameters, work)

    monkeypatch.setattr(choosing.ENGINES[GRAPH], "build", counting)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    lake = open_small(tmp_path / "other", **{"search.build_threads": 0})
    try:
        session = lake.session()
        corpus(session, "docs", ROWS)
        asked = "wait := true"
        session.run(f"select * from build_index('docs', engine := '{GRAPH}', wait := true)").read_all()
        asked = ""
        session.run(f"select * from build_index('docs', engine := '{GRAPH}', m := 24)").read_all()
        settle(lake)
    finally:
        lake.close()
    assert taken == [4, 3]


def test_what_a_kill_left_is_removed_and_begun_anew(
    tmp_path: Path, session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    session.run("select * from build_index('docs', engine := 'usearch', m := 8)")
    assert paused[0].wait(10)
    half = lake.corpora.folder("docs") / "g000002"
    half.mkdir(exist_ok=True)
    (half / "graph.usearch").write_bytes(b"half")
    lake.close()
    paused[1].set()
    again = open_small(tmp_path / "home")
    try:
        settle(again)
        live = again.corpora.live("docs").manifest
        assert live.engine == "usearch"
        assert live.graph is not None
        assert live.graph.parameters["m"] == 8
        assert set(states(again.session()).values()) == {"live", "retired"}
    finally:
        again.close()


def test_an_index_that_finds_too_little_stays_behind(
    session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall.Exam, "take", lambda self, check, ef=None: Recall(0.9, 1.0, 1.0))
    made = build(session, "docs")
    assert made["status"] == "built"
    assert made["reason"] == "recall@10 is 0.9000, below the floor 0.95"
    assert states(session) == {"g000002": "built", "g000001": "live"}
    assert {row["_generation"] for row in found(session, ", generation := 'g000002'")} == {"g000002"}
    promoted = session.run("select * from promote_index('docs', 'g000002', note := 'good enough')").rows()
    assert promoted == [{"corpus": "docs", "status": "promoted", "generation": "g000002", "previous": "g000001"}]
    note = session.run("select body ->> 'note' as note from lake.journal where kind = 'swap' order by entry").rows()
    assert note[-1] == {"note": "good enough"}


def test_an_index_that_is_worse_than_the_live_one_stays_behind(
    session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(session, "docs")
    recalls = iter([Recall(0.96, 1.0, 1.0), Recall(0.98, 1.0, 1.0)])
    monkeypatch.setattr(recall.Exam, "take", lambda self, check, ef=None: next(recalls))
    made = build(session, "docs", m=8)
    assert (made["status"], made["reason"]) == ("built", "recall@10 is 0.9600, that of the live index 0.9800")


def test_rollback_goes_back_step_by_step_and_promotion_forward(session: Session, lake: Lake) -> None:
    build(session, "docs")
    session.run("insert into docs values ('new', 'forklift night', 1)")
    session.run("select * from refresh_corpus('docs')")
    back = "select status, generation, previous from rollback_index('docs')"
    assert session.run(back).rows() == [{"status": "rolled_back", "generation": "g000002", "previous": "g000003"}]
    assert "new" not in [row["id"] for row in found(session)]
    assert session.run(back).rows()[0]["generation"] == "g000001"
    assert session.run(back).rows() == [{"status": "unchanged", "generation": "g000001", "previous": "g000001"}]
    assert session.run("select status from promote_index('docs', 'g000003')").rows() == [{"status": "promoted"}]
    assert session.run("select status from promote_index('docs', 'g000003')").rows() == [{"status": "unchanged"}]
    assert "new" in [row["id"] for row in found(session)]
    with pytest.raises(NotFound, match="has no generation 'g000009'"):
        session.run("select * from promote_index('docs', 'g000009')").read_all()
    with pytest.raises(Invalid, match="a generation is one of one corpus"):
        session.run("select * from vector_search('x', generation := 'g000001')").read_all()


@pytest.mark.skipif(GRAPH != "hnswlib", reason="hnswlib is not here")
def test_where_hnswlib_does_not_work_usearch_does_and_it_is_said_once(
    tmp_path: Path, session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(session, "docs")
    lake.close()
    original = choosing.failure
    monkeypatch.setattr(choosing, "failure", lambda name: "no compiler" if name == "hnswlib" else original(name))
    elsewhere = open_small(tmp_path / "home")
    try:
        session = elsewhere.session()
        assert len(found(session)) == 5
        assert elsewhere.corpora.live("docs").indexed(0) is None
        made = build(session, "docs", m=8)
        assert (made["engine"], made["reason"]) == ("usearch", "hnswlib does not work here: no compiler")
        told = session.run("select body ->> 'reason' as reason from lake.journal where kind = 'fallback'").rows()
        assert sorted(str(row["reason"]) for row in told) == ["hnswlib does not work here: no compiler", "no compiler"]
        with pytest.raises(Conflict, match="the engine hnswlib does not work here: no compiler"):
            session.run("select * from build_index('docs', engine := 'hnswlib')").read_all()
    finally:
        elsewhere.close()


def test_a_library_that_ends_the_process_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(choosing.PROBES, "crashing", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.setitem(choosing.PROBES, "absent", "import a_library_that_is_not_there")
    assert choosing.failure("crashing") == "it ends with signal 4; it was compiled for another processor"
    assert choosing.failure("absent") == "ModuleNotFoundError: No module named 'a_library_that_is_not_there'"
    assert choosing.failure("usearch") is None


@pytest.mark.parametrize(
    ("rows", "wish", "usual", "engine"),
    [
        (1000, Wish(), "auto", GRAPH),
        (1000, Wish("compact"), "auto", "compact"),
        (1000, Wish(), "usearch", "usearch"),
        (5000, Wish(), "auto", "compact"),
        (5000, Wish("usearch"), "auto", "usearch"),
        (1000, Wish("exact"), "usearch", "exact"),
    ],
)
def test_the_engine_suits_the_corpus(rows: int, wish: Wish, usual: str, engine: str) -> None:
    assert choosing.choose(wish, rows, usual, 5000).engine == engine


@pytest.mark.parametrize("wish", [Wish("faiss"), Wish(m=1), Wish(m=500), Wish(ef_construction=5)])
def test_a_wish_outside_the_bounds_is_refused(wish: Wish) -> None:
    with pytest.raises(Invalid):
        wish.check()


def test_a_corpus_that_is_dropped_takes_its_build_along(
    session: Session, lake: Lake, paused: tuple[threading.Event, threading.Event]
) -> None:
    session.run("select * from build_index('docs')")
    assert paused[0].wait(10)
    session.run("select * from drop_corpus('docs')")
    assert lake.corpora.builds.running() == []
    assert not lake.corpora.folder("docs").exists()
    assert session.run("select count(*) as n from lake.generations").rows() == [{"n": 0}]


def test_who_sees_a_part_of_a_corpus_measures_that_part_and_changes_nothing(session: Session, lake: Lake) -> None:
    session.run("select * from create_profile('ann', role := 'editor')")
    session.run("select * from grant_access('ann', 'docs', filter := $$part = 3$$)")
    build(session, "docs", m=8)
    ann = lake.session("ann")
    for sql in ("build_index('docs')", "cancel_build('docs')", "rollback_index('docs')", "promote_index('docs', 'g1')"):
        with pytest.raises(Forbidden, match="shown to your profile in part"):
            ann.run(f"select * from {sql}").read_all()
    with pytest.raises(NotFound):
        ann.run("select * from measure_recall('other')").read_all()
    measured = ann.run("select recall from measure_recall('docs', queries := 1000)").rows()
    assert float(str(measured[0]["recall"])) == 1.0
    seen = [alive & (np.arange(len(alive)) % 10 == 3) for alive in lake.corpora.live("docs").alive]
    exam = recall.set_exam(lake.corpora.live("docs"), seen, 10, 1000, lambda: None)
    assert {int(key.id[1:]) % 10 for key in exam.own if key} == {3}
    assert {int(key.id[1:]) % 10 for truth in exam.truth for key in truth} == {3}
    assert len(found(ann, ", generation := 'g000001'")) == 5
    parts = ann.run("select distinct metadata ->> 'part' as part from vector_search('forklift', k := 100)").rows()
    assert parts == [{"part": "3"}]
