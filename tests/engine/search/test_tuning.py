"""tune_index: every trial is measured alike and kept, the champion passes the gate, and nothing else changes."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import Busy, Conflict, Forbidden, Invalid, LakehouseError, TimedOut
from engine.lake import Lake
from engine.search import grid, indexwork, recall
from engine.search.builds import Build
from engine.search.grid import Point
from engine.search.recall import Recall
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Choice
from engine.session import Session
from tests.engine.search.indexed import GRAPH, build, corpus, open_small, settle

ROWS = 1500
TWO = "[{'ef_construction': 20, 'ef': 30}, {'ef_construction': 40, 'ef': 60}]"
Rows = list[dict[str, object]]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_small(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    made = lake.session()
    corpus(made, "docs", ROWS)
    return made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let each measurement answer with the next of some (recall, p50_ms)."""

    def tell(*figures: tuple[float, float]) -> None:
        left = iter([Recall(found, p50, 2 * p50) for found, p50 in figures])
        monkeypatch.setattr(recall.Exam, "take", lambda self, check, ef=None: next(left))

    return tell


def tune(session: Session, extra: str = f", grid := {TWO}") -> Rows:
    return session.run(f"select * from tune_index('docs'{extra})").rows()


def states(session: Session) -> dict[str, str]:
    rows = session.run("select generation, status from lake.generations where corpus = 'docs'").rows()
    return {str(row["generation"]): str(row["status"]) for row in rows}


def test_trials_are_measured_kept_and_the_winner_is_live(session: Session, lake: Lake) -> None:
    build(session, "docs", m=4)
    rows = tune(session, f", grid := {TWO}, min_recall := 0.5, queries := 20")
    assert [row["engine"] for row in rows] == [GRAPH] * 3
    assert all(float(str(row[name])) > 0 for row in rows for name in ("recall", "p50_ms", "p95_ms", "build_seconds"))
    assert sum(bool(row["promoted"]) for row in rows) == 1
    kept = session.run(
        "select trial, origin, engine, parameters ->> 'ef_construction' as built, parameters ->> 'ef' as ef, "
        "queries, min_recall, recall, actor from lake.trials order by trial"
    ).rows()
    alike = {"origin": "tune_index", "engine": GRAPH, "queries": 20, "min_recall": 0.5, "actor": "admin"}
    assert kept == [
        {"trial": 1, **alike, "built": "20", "ef": "30", "recall": rows[1]["recall"]},
        {"trial": 2, **alike, "built": "40", "ef": "60", "recall": rows[2]["recall"]},
    ]


def test_the_fastest_that_finds_enough_is_promoted_and_can_be_taken_back(
    session: Session, lake: Lake, told: Callable[..., None]
) -> None:
    told((1, 9.0), (0.94, 1.0), (0.97, 2.0), (0.99, 4.0), (0.96, 2.0))  # the last one is the gate's own
    points = "[{'ef': 30}, {'ef': 60}, {'ef': 90}]"
    rows = tune(session, f", grid := {points}")
    assert [row["promoted"] for row in rows] == [False, False, True, False]
    assert [row["reason"] for row in rows] == [
        "it was live before",
        "recall is below 0.95",
        "the fastest with recall of at least 0.95; live as g000002",
        "another one is faster",
    ]
    live = lake.corpora.live("docs").manifest
    assert live.graph is not None
    assert (live.graph.folder, live.graph.parameters["ef"]) == ("g000002", 60)
    assert [path.is_file() for path in (lake.corpora.folder("docs") / "g000002").iterdir()] == [True, True]
    shown = session.run("select recall, reason from lake.generations where generation = 'g000002'").rows()
    assert shown == [{"recall": 0.96, "reason": "tuned: recall=0.9700 p50=2.000 ms"}]
    assert session.run("select trial, generation from lake.trials where promoted").rows() == [
        {"trial": 2, "generation": "g000002"}
    ]
    assert session.run("select why from lake.swaps order by ts desc limit 1").rows() == [{"why": "tuned"}]
    assert session.run("select generation from rollback_index('docs')").rows() == [{"generation": "g000001"}]


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ([(1, 9.0), (0.9, 1.0), (0.94, 2.0)], "stays live: no trial reached a recall of 0.95"),
        ([(0.96, 1.0), (0.99, 0.96), (0.99, 2.0)], "stays live: no trial that finds enough is 5 % faster"),
    ],
)
def test_otherwise_nothing_changes_and_the_reason_says_so(
    session: Session, lake: Lake, told: Callable[..., None], figures: list[tuple[float, float]], reason: str
) -> None:
    told(*figures)
    rows = tune(session)
    assert [row["promoted"] for row in rows] == [True, False, False]
    assert rows[0]["reason"] == reason
    assert states(session) == {"g000001": "live"}
    assert [path.name for path in lake.corpora.folder("docs").iterdir()] == ["g000001"]


def test_a_live_index_that_finds_too_little_gives_way_to_a_slower_one(
    session: Session, told: Callable[..., None]
) -> None:
    told((0.9, 1.0), (0.97, 5.0), (0.98, 6.0), (0.97, 5.0))
    assert [row["promoted"] for row in tune(session)] == [False, True, False]


def test_the_gate_holds_back_what_finds_too_little_for_the_lake(session: Session, told: Callable[..., None]) -> None:
    told((1, 9.0), (0.8, 1.0), (0.9, 2.0), (0.8, 1.0))
    rows = tune(session, f", grid := {TWO}, min_recall := 0.7")
    assert [row["promoted"] for row in rows] == [True, False, False]
    assert rows[0]["reason"] == "stays live: the gate held the fastest one back"
    held = "held back as g000002: recall@10 is 0.8000, below the floor 0.95; promote_index() makes it live anyway"
    assert rows[1]["reason"] == held
    assert states(session) == {"g000002": "built", "g000001": "live"}
    assert session.run("select status from promote_index('docs', 'g000002')").rows() == [{"status": "promoted"}]


def test_a_small_corpus_is_exact_and_that_is_said(session: Session, lake: Lake) -> None:
    rows = tune(session, "")
    assert [(row["engine"], row["recall"], row["promoted"]) for row in rows] == [("exact", 1.0, True)]
    assert f"with {ROWS} chunks it is compared exactly" in str(rows[0]["reason"])
    assert states(session) == {"g000001": "live"}


def test_without_a_grid_the_usual_points_are_tried_each_index_made_once(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original = indexwork.IndexWork.make

    def make(self: indexwork.IndexWork, *arguments: object) -> object:
        made.append(str(arguments[-1]))
        return original(self, *arguments)  # type: ignore[arg-type]

    build(session, "docs", engine="usearch")
    monkeypatch.setattr(indexwork.IndexWork, "make", make)
    rows = tune(session, ", queries := 5")
    assert len(rows) == 1 + len(grid.USUAL)
    assert {row["engine"] for row in rows} == {"usearch"}
    assert made == ["0", "1", "2", "3"]


def test_binary_codes_are_tried_at_more_depths(session: Session) -> None:
    build(session, "docs", engine="compact")
    rows = tune(session, ", queries := 5")
    assert [row["parameters"] for row in rows] == ["{}", '{"ef": 200}', '{"ef": 400}']


def test_recorded_questions_come_first(session: Session, lake: Lake) -> None:
    for question in ("night forklift", "crane safety"):
        session.run(f"select * from playbook_record('{question}', 'docs', 'd000001', 1.0)").read_all()
    live = lake.corpora.live("docs")
    recorded = [vector for _, vector, _ in lake.playbooks.held(live)]
    exam = recall.set_exam(live, live.alive, 10, 5, lambda: None, recorded=recorded)
    assert exam.own[:2] == [None, None]
    assert None not in exam.own[2:]
    expected = lake.models.embedder().embed(["crane safety", "night forklift"])
    assert np.allclose(exam.questions[:2], expected)
    assert len(recall.set_exam(live, live.alive, 10, 1, lambda: None, recorded=recorded).questions) == 1


def test_a_tuning_can_be_cancelled_between_and_inside_trials(
    session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    original = recall.Exam.take
    times = iter(range(100))

    def take(self: recall.Exam, check: Callable[[], None], ef: int | None = None) -> Recall:
        if next(times) == 2:  # of the live index, of the first trial, of the second
            asked.set()
            assert go_on.wait(20)
        return original(self, check, ef)

    monkeypatch.setattr(recall.Exam, "take", take)
    failures: list[LakehouseError] = []

    def run() -> None:
        try:
            tune(lake.session())
        except LakehouseError as error:
            failures.append(error)

    tuning = threading.Thread(target=run)
    tuning.start()
    assert asked.wait(20)
    progress = session.run("select progress from lake.generations where status = 'building'").rows()
    assert 0.4 < float(str(progress[0]["progress"])) < 1
    with pytest.raises(Busy):
        tune(session)
    for statement in lake.statements():
        if "tune_index" in statement.sql:
            statement.cancel()
    tuning.join(20)
    go_on.set()
    assert isinstance(failures[0], TimedOut)
    settle(lake)
    assert states(session) == {"g000001": "live"}
    assert [path.name for path in lake.corpora.folder("docs").iterdir()] == ["g000001"]
    assert session.run("select count(*) as n from lake.trials").rows() == [{"n": 1}]


def test_a_tuning_that_a_kill_ended_leaves_nothing(tmp_path: Path, session: Session, lake: Lake) -> None:
    def make(build: Build) -> None:
        assert build.cancelled.wait(20)
        raise OSError("the process ends here")

    lake.corpora.builds.begin(lake.corpora.live("docs").manifest, Choice("usearch", {}), None, make)
    (lake.corpora.folder("docs") / "g000002" / "0").mkdir(parents=True)
    lake.close()
    again = open_small(tmp_path / "home")
    try:
        settle(again)
        assert states(again.session()) == {"g000001": "live"}
        assert [path.name for path in again.corpora.folder("docs").iterdir()] == ["g000001"]
    finally:
        again.close()


def test_who_may_not_change_a_corpus_does_not_tune_it(session: Session, lake: Lake) -> None:
    session.run("select * from create_profile('ann', role := 'editor')")
    session.run("select * from grant_access('ann', 'docs', filter := $$part = 3$$)")
    with pytest.raises(Forbidden, match="shown to your profile in part"):
        tune(lake.session("ann"))
    assert lake.session("ann").run("from lake.trials").rows() == []


def test_a_grid_is_read_as_structs_or_as_json() -> None:
    point = Point("usearch", 16, 80, 60)
    assert grid.read('[{"ef_construction": 80, "ef": 60, "m": null}]', "usearch") == [point]
    assert grid.read('"[{\\"ef_construction\\": 80, \\"ef\\": 60}]"', "usearch") == [point]
    assert grid.read('{"engine": "usearch", "ef_construction": 80, "ef": 60}', "compact") == [point]
    assert grid.read('[{"ef": 60}, {"ef": 60}]', "usearch") == [Point("usearch", 16, 100, 60)]


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ("[]", "neither a list of points nor JSON"),
        ('"[{"', "the grid is not JSON"),
        ("[1]", "entry 1 of the grid is not a point"),
        ('[{"ef": 60}, {"ef": 201}]', "entry 2 of the grid: ef is 201; it must be a whole number within 10 and 200"),
        ('[{"ef_construction": 9}]', "ef_construction is 9; it must be a whole number within 10 and 400"),
        ('[{"m": 3}]', "m is 3; it must be a whole number within 4 and 64"),
        ('[{"ef": true}]', "ef is True"),
        ('[{"ef": 20.5}]', "ef is 20.5"),
        ('[{"efc": 20}]', "unknown key 'efc'; did you mean 'ef'"),
        ('[{"engine": "exact"}]', "unknown engine 'exact'"),
        ('[{"engine": "compact", "m": 8}]', "compact has no m"),
        ("[" + ", ".join(['{"ef": 60}'] * 51) + "]", "the grid has 51 points; try at most 50"),
    ],
)
def test_a_wrong_grid_names_what_is_wrong(encoded: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        grid.read(encoded, "usearch")
    assert message in str(caught.value)


def test_an_engine_that_does_not_work_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "failure", lambda name: "no compiler")
    with pytest.raises(Conflict, match="the engine hnswlib does not work here: no compiler"):
        grid.read('[{"engine": "hnswlib"}]', "usearch")


@pytest.mark.parametrize("extra", ["min_recall := 0", "min_recall := 1.1", "queries := 0", "queries := 10001"])
def test_numbers_outside_their_range_are_refused(session: Session, extra: str) -> None:
    with pytest.raises(Invalid, match="it must be"):
        tune(session, f", {extra}")
