"""Odd files of pathways: keys of a state that hold no traces, and replays of a log that say how they went."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session


@pytest.fixture
def inbox(tmp_path: Path, lake: Lake) -> Path:
    return tmp_path / "in"


def run(session: Session, sql: str, *params: object) -> list[dict[str, Any]]:
    return session.run(sql, list(params)).rows()


def taken(session: Session, path: Path, text: str) -> list[tuple[object, ...]]:
    path.write_text(text, encoding="utf-8")
    return [(row["uid"], row["status"], row["line"]) for row in run(session, "from import_pathways(?)", str(path))]


@pytest.mark.parametrize(
    ("text", "reports"),
    [
        ('{"pathways": {"x": [{"trace_uid": "a"}], "y": null}}', [("a", "added", 1)]),
        ('{"x": [{"trace_uid": "a"}], "y": null}', [("a", "added", 1)]),
        (
            '{"pathways": {"x": 5, "y": [{"trace_uid": "a"}], "z": "text", "n": null}}',
            [(None, "corrupt", 1), ("a", "added", 2), (None, "corrupt", 3)],
        ),
        ('{"pathways": [null, {"trace_uid": "a"}]}', [(None, "corrupt", 1), ("a", "added", 2)]),
        ('{"pathways": null, "traces": [{"trace_uid": "a"}]}', [("a", "added", 1)]),
        ('{"pathways": null}', []),
        ('{"pathways": {"x": null}}', []),
    ],
)
def test_an_odd_key_stops_nothing(session: Session, inbox: Path, text: str, reports: list[tuple[object, ...]]) -> None:
    assert taken(session, inbox / "state.json", text) == reports


@pytest.mark.parametrize(
    "text",
    [
        '{"pathways": {"x": 5, "y": "text"}}',
        '{"pathways": "text"}',
        '{"a": 1, "b": null}',
        '{"task_class": "review", "ladder_attempts": [{"model": "m"}]}',
        '{"uid": "a", "content": {}}',
    ],
)
def test_a_file_of_something_else_is_refused_whole(session: Session, inbox: Path, text: str) -> None:
    with pytest.raises(LakehouseError, match=r"^\[INVALID\] the file holds no pathways; a state is"):
        taken(session, inbox / "state.json", text)
    assert run(session, "from lake.pathways") == []


def log(*outcomes: bool | None) -> str:
    """A log of one pathway and its replays; None: it does not say how the replay went."""
    trace = {"uid": "u", "content": {}, "created_at_ns": 10**18}
    replays = [{"op": "replay", "uid": "u"} | ({} if one is None else {"succeeded": one}) for one in outcomes]
    return "\n".join(json.dumps(event) for event in ({"op": "add", "trace": trace}, *replays))


@pytest.mark.parametrize(
    ("outcomes", "status", "counts", "reason"),
    [
        ([False] * 3, "retired", (3, 0, 3), "0 of 3 replays succeeded, less than 80%"),
        ([True, True, False, *[True] * 9], "retired", (3, 2, 1), "2 of 3 replays succeeded, less than 80%"),
        ([False, False], "live", (2, 0, 2), None),
        ([True] * 4 + [False], "live", (5, 4, 1), None),
        ([None] * 5 + [False, False], "live", (7, 0, 2), None),
        ([None, False, False, False, None], "retired", (5, 0, 3), "0 of 3 replays succeeded, less than 80%"),
    ],
)
def test_judged_replays_of_a_log_retire_as_pathway_replay_does(
    session: Session,
    inbox: Path,
    outcomes: list[bool | None],
    status: str,
    counts: tuple[int, int, int],
    reason: str | None,
) -> None:
    taken(session, inbox / "events.jsonl", log(*outcomes))
    (row,) = run(session, "from lake.pathways")
    assert (row["status"], row["retirement_reason"]) == (status, reason)
    assert (row["replay_count"], row["replays_succeeded"], row["replays_failed"]) == counts
    if None not in outcomes:
        run(session, "from pathway_record({'uid': 'told'})")
        run(session, "from pathway_replay('told', ?)", outcomes)
        sql = "select status, replay_count, replays_failed, retirement_reason from lake.pathways"
        assert len(run(session, f"select distinct * from ({sql})")) == 1
