"""Traces of a file that follow pathways of the lake: a pathway has one successor, and a chain one live tip."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST

TIME = 10**18
Event = tuple[str, str] | tuple[str, str, str]  # op, uid, predecessor
Reports = list[tuple[object, object, object]]


@pytest.fixture
def inbox(tmp_path: Path, lake: Lake) -> Path:
    return tmp_path / "in"


def run(session: Session, sql: str, *params: object) -> list[dict[str, Any]]:
    return session.run(sql, list(params)).rows()


def state(*traces: Mapping[str, object]) -> str:
    return json.dumps({"pathways": [{"created_at_ns": TIME, **trace} for trace in traces]})


def log(*events: Event) -> str:
    """Lines of an event log."""
    return "\n".join(
        json.dumps(
            {"op": op, "uid": uid}
            if op in ("retire", "replay")
            else {"op": op, "trace": {"uid": uid, "content": {}, "created_at_ns": TIME, **_after(*after)}}
        )
        for op, uid, *after in events
    )


def _after(predecessor: str | None = None) -> dict[str, str]:
    return {"predecessor_uid": predecessor} if predecessor else {}


def taken(session: Session, inbox: Path, text: str) -> Reports:
    path = inbox / ("state.json" if text.startswith('{"pathways"') else "events.jsonl")
    path.write_text(text, encoding="utf-8")
    return [(row["uid"], row["status"], row["detail"]) for row in run(session, "from import_pathways(?)", str(path))]


def chain(session: Session) -> dict[str, tuple[str, str | None]]:
    """What is there: the status and the successor of each."""
    rows = run(session, "select uid, status, superseded_by from lake.pathways")
    return {row["uid"]: (row["status"], row["superseded_by"]) for row in rows}


LOGS = log(("add", "q1"), ("revise", "q2", "q1"))
STATES = state(
    {"trace_uid": "q1", "superseded_by_trace_uid": "q2", "superseded_at_ns": TIME},
    {"trace_uid": "q2", "parent_trace_uid": "q1", "version": 2},
)
CHILD = state({"trace_uid": "q2", "parent_trace_uid": "q1", "version": 2})  # a file without the parent


@pytest.mark.parametrize("text", [LOGS, STATES, CHILD])
def test_what_follows_a_live_pathway_supersedes_it(session: Session, inbox: Path, text: str) -> None:
    assert taken(session, inbox, log(("add", "q1"))) == [("q1", "added", None)]
    assert taken(session, inbox, text)[-1] == ("q2", "added", None)
    assert chain(session) == {"q1": ("superseded", "q2"), "q2": ("live", None)}
    told = "select body ->> 'action' as action, body ->> 'by' as by from lake.journal where kind = 'pathway'"
    steps = [(row["action"], row["by"]) for row in run(session, f"{told} order by entry")]
    assert steps == [("imported", None), ("superseded", "q2"), ("imported", None)]
    assert [row["uid"] for row in run(session, "select uid from pathway_history('q1')")] == ["q1", "q2"]
    with pytest.raises(LakehouseError, match="superseded and cannot be revised; take 'q2'"):
        run(session, "from pathway_revise('q1', '{}')")
    before = run(session, "from lake.pathways order by uid")
    assert {status for _, status, _ in taken(session, inbox, text)} == {"exists"}
    assert run(session, "from lake.pathways order by uid") == before


def test_a_log_that_grew_gives_what_it_gives_at_once(session: Session, inbox: Path, tmp_path: Path) -> None:
    grown: list[Event] = [("add", "q1"), ("revise", "q2", "q1"), ("revise", "q3", "q2"), ("retire", "q3")]
    for end in (1, 2, 4):
        taken(session, inbox, log(*grown[:end]))
    other = open_lake(tmp_path / "other", settings=FAST, allowed=[inbox])
    try:
        taken(other.session(), inbox, log(*grown))
        assert run(other.session(), "from lake.pathways order by uid") == run(
            session, "from lake.pathways order by uid"
        )
    finally:
        other.close()


def test_a_place_that_another_has_is_not_taken(session: Session, inbox: Path) -> None:
    taken(session, inbox, log(("add", "q1")))
    run(session, "from pathway_revise('q1', {'uid': 'ours'})")
    before = chain(session)
    for _ in range(2):
        reports = taken(
            session, inbox, log(("add", "q1"), ("revise", "q2", "q1"), ("revise", "q3", "q2"), ("add", "n"))
        )
        assert reports[:3] == [
            ("q1", "exists", None),
            ("q2", "conflict", "its predecessor 'q1' has another successor, 'ours'"),
            ("q3", "conflict", "its predecessor 'q2' is left out"),
        ]
    assert chain(session) == before | {"n": ("live", None)}
    run(session, "from pathway_revise('ours', {'uid': 'q2'})")  # what the report advises
    assert taken(session, inbox, LOGS) == [("q1", "exists", None), ("q2", "exists", None)]


def test_a_retired_pathway_stays_retired_and_has_one_successor(session: Session, inbox: Path) -> None:
    taken(session, inbox, log(("add", "q1")))
    run(session, "from pathway_retire('q1', 'it broke the build')")
    assert taken(session, inbox, CHILD) == [("q2", "added", None)]
    assert taken(session, inbox, state({"trace_uid": "q3", "parent_trace_uid": "q1"})) == [
        ("q3", "conflict", "its predecessor 'q1' has another successor, 'q2'")
    ]
    assert chain(session) == {"q1": ("retired", "q2"), "q2": ("live", None)}


def test_of_two_that_follow_one_pathway_the_file_says_which(session: Session, inbox: Path) -> None:
    taken(session, inbox, log(("add", "q1")))
    two = [{"trace_uid": uid, "parent_trace_uid": "q1"} for uid in ("q2", "q3")]
    reports = taken(session, inbox, state(*two, {"trace_uid": "q1", "superseded_by_trace_uid": "q3"}))
    assert [status for _, status, _ in reports] == ["conflict", "added", "exists"]
    assert chain(session) == {"q1": ("superseded", "q3"), "q3": ("live", None)}


def test_what_was_retired_elsewhere_retires_nothing_here(session: Session, inbox: Path) -> None:
    taken(session, inbox, log(("add", "q1")))
    gone = {"trace_uid": "q2", "parent_trace_uid": "q1", "retired": True}
    assert taken(session, inbox, state(gone)) == [("q2", "added", None)]
    assert chain(session) == {"q1": ("live", None), "q2": ("retired", None)}
    after = {"trace_uid": "q4", "parent_trace_uid": "q3"}
    between = {"trace_uid": "q3", "parent_trace_uid": "q1", "retired": True}
    assert [status for _, status, _ in taken(session, inbox, state(after, between))] == ["added", "added"]
    assert chain(session)["q1"] == ("superseded", "q3"), "what lives on has its place"


def test_a_pathway_that_comes_after_its_successor_is_superseded(session: Session, inbox: Path) -> None:
    taken(session, inbox, log(("add", "q0")))
    taken(session, inbox, state({"trace_uid": "q2", "parent_trace_uid": "q1"}))
    middle = [{"trace_uid": "q1", "parent_trace_uid": "q0"}, {"trace_uid": "other", "parent_trace_uid": "q1"}]
    reports = taken(session, inbox, state(*middle))
    assert reports == [
        ("q1", "added", None), ("other", "conflict", "its predecessor 'q1' has another successor, 'q2'"),
    ]  # fmt: skip
    assert chain(session) == {"q0": ("superseded", "q1"), "q1": ("superseded", "q2"), "q2": ("live", None)}


def test_a_circle_through_the_lake_is_left_out(session: Session, inbox: Path) -> None:
    taken(session, inbox, state({"trace_uid": "a", "parent_trace_uid": "c"}))
    run(session, "from pathway_revise('a', {'uid': 'b'})")
    circle = [{"trace_uid": "c", "parent_trace_uid": "x"}, {"trace_uid": "x", "parent_trace_uid": "b"}]
    assert taken(session, inbox, state(*circle)) == [
        ("c", "conflict", "its predecessor 'x' is left out"),
        ("x", "conflict", "its predecessors run in a circle"),
    ]
    assert chain(session) == {"a": ("superseded", "b"), "b": ("live", None)}


def test_what_follows_a_pathway_of_another_is_that_ones(lake: Lake, session: Session, inbox: Path) -> None:
    run(session, "from create_profile('ana', 'contributor')")
    run(lake.session("ana"), "from pathway_record({'uid': 'q1'})")
    taken(session, inbox, log(("add", "q1"), ("revise", "q2", "q1"), ("revise", "q3", "q2")))
    assert chain(lake.session("ana")) == {"q1": ("superseded", "q2"), "q2": ("superseded", "q3"), "q3": ("live", None)}
