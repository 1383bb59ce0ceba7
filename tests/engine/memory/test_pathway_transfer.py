"""Files of the original: read as they lie, whatever is corrupt in them, and written so that nothing is lost."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST

ALL = "select * exclude (trace), trace::varchar as trace from lake.pathways order by created_at, uid"


@pytest.fixture
def inbox(tmp_path: Path, lake: Lake) -> Path:
    return tmp_path / "in"


def run(session: Session, sql: str, *params: object) -> list[dict[str, Any]]:
    return session.run(sql, list(params)).rows()


def refused(session: Session, sql: str, *params: object) -> str:
    with pytest.raises(LakehouseError) as caught:
        session.run(sql, list(params)).read_all()
    return str(caught.value)


def put(path: Path, value: object) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return str(path)


OLD = {"task_class": "review", "file_path": "a/b/c.rs", "signal_class": "s"}  # a file without any of the later fields
FULL = {
    **OLD,
    "trace_uid": "full",
    "pathway_id": "computed elsewhere",
    "pathway_vec": [0.5] * 32,
    "created_at": "2026-04-24T10:00:00.5Z",
    "ladder_attempts": [{"model": "m", "accepted": True, "latency": 3}],
    "replay_count": 4,
    "replays_succeeded": 3,
    "audit_consensus": None,
    "observer_signals": {"any": ["thing"]},
    "version": 2,
    "parent_trace_uid": "gone",
    "retired": False,
}
OTHER = {"task_class": "audit", "file_prefix": "x/y", "retired": True, "retirement_reason": "why", "trace_uid": "other"}


@pytest.mark.parametrize(
    "state",
    [
        {"pathways": {"id1": [OLD, FULL], "id2": [OTHER]}, "last_updated_at": 5},
        {"pathways": [OLD, FULL, OTHER]},
        {"traces": [OLD, FULL, OTHER]},
        {"id1": [OLD, FULL], "id2": [OTHER]},
        {"full": OLD, "b": FULL, "c": OTHER},
        [OLD, FULL, OTHER],
    ],
)
def test_a_state_is_read_as_it_lies(session: Session, inbox: Path, state: object) -> None:
    uri = put(inbox / "state.json", state)
    reports = run(session, "from import_pathways(?)", uri)
    assert [(row["status"], row["line"]) for row in reports] == [("added", 1), ("added", 2), ("added", 3)]
    assert [row["uid"] for row in reports[1:]] == ["full", "other"]
    rows = {row["uid"]: row for row in run(session, "from lake.pathways")}
    full, old = rows["full"], rows[str(reports[0]["uid"])]
    assert (full["replay_count"], full["success_rate"], full["version"], full["predecessor_uid"]) == (
        4,
        0.75,
        2,
        "gone",
    )
    assert full["created_at"].isoformat() == "2026-04-24T10:00:00.500000+00:00"
    assert full["pathway_id"] == old["pathway_id"], "computed here, whatever the file has"
    assert (old["replay_count"], old["success_rate"], old["status"], old["version"]) == (0, None, "live", 1)
    assert (rows["other"]["status"], rows["other"]["retirement_reason"]) == ("retired", "why")
    kept = json.loads(str(full["trace"]))
    assert (kept["observer_signals"], kept["pathway_id"]) == ({"any": ["thing"]}, "computed elsewhere")
    again = run(session, "from import_pathways(?)", uri)
    assert [(row["uid"], row["status"]) for row in again] == [(row["uid"], "exists") for row in reports]


def test_what_is_corrupt_in_a_state_is_reported_and_stops_nothing(session: Session, inbox: Path) -> None:
    traces = [
        5,
        OLD,
        {"task_class": 7},
        {**FULL, "replays_succeeded": 9},
        {**OLD, "created_at": "soon"},
        FULL,
        FULL,
        OLD,
    ]
    reports = run(session, "from import_pathways(?)", put(inbox / "state.json", {"pathways": traces}))
    assert [(row["line"], row["status"]) for row in reports] == [
        (1, "corrupt"), (2, "added"), (3, "corrupt"), (4, "corrupt"), (5, "corrupt"), (6, "added"), (7, "corrupt"),
        (8, "added"),
    ]  # fmt: skip
    assert [row["detail"] for row in reports if row["status"] == "corrupt"] == [
        "the trace is not a JSON object",
        "the trace is wrong: task_class: Input should be a valid string",
        "the trace is wrong: replays_succeeded: is more than replay_count",
        "the trace is wrong: created_at: is no time",
        "the uid 'full' was there before",
    ]
    assert reports[1]["uid"] != reports[7]["uid"], "equal traces without a uid are two"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("created_at", "9999-12-31T23:59:59Z", "is not within 1677-09-21 and 2262-04-11"),
        ("created_at", "2263-01-01", "is not within 1677-09-21 and 2262-04-11"),
        ("created_at", "0001-01-02T00:00:00Z", "is not within 1677-09-21 and 2262-04-11"),
        ("created_at", 5e10, "is not within 1677-09-21 and 2262-04-11"),
        ("created_at", 99_999_999_999, "is not within 1677-09-21 and 2262-04-11"),
        ("superseded_at", "9999-12-31", "is not within 1677-09-21 and 2262-04-11"),
        ("updated_at_ns", 2**63, "Input should be less than or equal to 9223372036854775807"),
        ("replay_count", 2**62, "Input should be less than or equal to 9007199254740992"),
        ("replays_succeeded", 2**62, "Input should be less than or equal to 9007199254740992"),
        ("replays_failed", 2**62, "Input should be less than or equal to 9007199254740992"),
        ("replays_failed", 100, "with replays_succeeded it is more than replay_count"),
        ("version", 2**31 - 1, "Input should be less than or equal to 1000000000"),
        ("trace_uid", " ", "is no text of 1 to 200 characters"),
        ("pathway_vec", [10**400] * 32, None),
    ],
)
def test_what_cannot_be_counted_stops_nothing(
    session: Session, inbox: Path, field: str, value: object, said: str | None
) -> None:
    traces = [{"trace_uid": "first"}, {**OLD, field: value}, {"trace_uid": "last"}]
    reports = run(session, "from import_pathways(?)", put(inbox / "state.json", {"pathways": traces}))
    status = "corrupt" if said else "added"
    assert [(row["status"], row["line"]) for row in reports] == [("added", 1), (status, 2), ("added", 3)]
    assert reports[1]["detail"] == (f"the trace is wrong: {field}: {said}" if said else None)
    assert len(run(session, "select success_rate from lake.pathways")) == (2 if said else 3)


def test_a_time_of_go_that_is_not_set_is_none(session: Session, inbox: Path) -> None:
    zero = "0001-01-01T00:00:00Z"
    trace = {"trace_uid": "a", "created_at": zero, "superseded_at": zero, "superseded_by_trace_uid": ""}
    (report,) = run(session, "from import_pathways(?)", put(inbox / "state.json", [trace]))
    assert report["status"] == "added"
    (row,) = run(
        session, "select status, superseded_by, created_at > now() - interval 1 hour as new from lake.pathways"
    )
    assert row == {"status": "live", "superseded_by": None, "new": True}


def test_counts_that_are_there_already_break_no_view(session: Session, lake: Lake) -> None:
    run(session, "from pathway_record({'uid': 'a'})")
    with lake.control() as cursor:
        cursor.execute(f"update control.pathway set replays_succeeded = {2**62}, replays_failed = {2**62}")
    assert run(session, "select success_rate from lake.pathways") == [{"success_rate": 0.5}]


def test_what_is_superseded_by_nobody_names_nobody(session: Session, inbox: Path) -> None:
    trace = {"trace_uid": "a", "superseded_at": "2026-04-24", "final_verdict": "v"}
    run(session, "from import_pathways(?)", put(inbox / "state.json", [trace]))
    assert refused(session, "from pathway_revise('a', '{}')").endswith("and cannot be revised; record a new one")
    (row,) = run(session, "from pathway_record(?)", json.dumps({"uid": "a"}))
    assert (row["status"], row["reason"]) == ("noop", "superseded")


def test_a_trace_that_nests_deep_does_not_stop_the_others(session: Session, inbox: Path) -> None:
    deep = '{"trace_uid": "deep", "s": "a \\" [[", "x": ' + "[" * 5000 + "]" * 5000 + "}"
    long = '{"trace_uid": "long", "n": [-' + "9" * 5000 + "]}"
    for name, middle, said in (
        ("deep.json", deep, "the trace is not JSON: it nests more than 200 deep"),
        ("long.json", long, "the trace is not JSON: a number is too large, or none"),
    ):
        text = (
            f'{{"pathways": {{"id": [{{"trace_uid": "{name}1"}}, {middle}, {{"trace_uid": "{name}2", "y": [[1]]}}]}}}}'
        )
        reports = run(session, "from import_pathways(?)", put(inbox / name, text))
        assert [row["uid"] for row in reports] == [f"{name}1", None, f"{name}2"]
        assert reports[1]["detail"] == said


def test_a_state_that_was_cut_off_is_told_once(session: Session, inbox: Path) -> None:
    text = json.dumps({"pathways": [OLD, FULL]}, indent=2)
    (report,) = run(session, "from import_pathways(?)", put(inbox / "state.json", text[:200]))
    assert (report["status"], report["line"]) == ("corrupt", text[:200].count("\n") + 1)
    assert str(report["detail"]).startswith("the file is not JSON: ")
    log = ["{ half a line", event("add", trace=log_trace("a", {})), "{", ""]
    reports = run(session, "from import_pathways(?)", put(inbox / "events.jsonl", "\n".join(log)))
    assert [row["status"] for row in reports] == ["corrupt", "added", "corrupt"]


def event(op: str, **fields: object) -> str:
    return json.dumps({"op": op, **fields})


def log_trace(uid: str, content: object, **fields: object) -> dict[str, object]:
    return {
        "uid": uid,
        "content": content,
        "created_at_ns": 10**18,
        "updated_at_ns": 10**18,
        "retired": False,
        **fields,
    }


def test_an_event_log_is_replayed_with_whatever_is_corrupt(session: Session, inbox: Path) -> None:
    lines = [
        event("add", trace=log_trace("a", {"n": 1}, tags=["t"], later_field="kept")),
        "{ half a line",
        event("add", trace=log_trace("b", OLD, replay_count=2)),
        "",
        event("update", uid="a", content={"n": 2}),
        event("revise", trace=log_trace("c", [1, "opaque"], predecessor_uid="a")),
        event("revise", trace=log_trace("d", {}, predecessor_uid="nobody")),
        event("replay", uid="c"),
        event("replay", uid="nobody"),
        event("retire", uid="b"),
        event("explode", uid="b"),
        event("add", trace=log_trace("a", {"n": 3})),
        event("add", trace={"content": 5}),
        event("update", uid="a"),
        "7",
        event("add", trace=log_trace("long", {"blob": "y" * 1_000_000})) + "\r",
        '{"op": "add", "trace": {"uid": "e", "content": {"x": ',
    ]
    reports = run(session, "from import_pathways(?)", put(inbox / "events.jsonl", "\n".join(lines)))
    assert {str(row["uid"]): row["line"] for row in reports if row["status"] == "added"} == {
        "a": 1, "b": 3, "c": 6, "long": 16,
    }  # fmt: skip
    corrupt = {row["line"]: row["detail"] for row in reports if row["status"] == "corrupt"}
    assert list(corrupt) == [2, 7, 9, 11, 12, 13, 14, 15, 17]
    assert corrupt[7] == "revise of an unknown predecessor 'nobody'"
    assert corrupt[9] == "replay of an unknown uid 'nobody'"
    rows = {row["uid"]: row for row in run(session, ALL)}
    assert (rows["a"]["status"], rows["a"]["superseded_by"], rows["a"]["tags"]) == ("superseded", "c", ["t"])
    assert json.loads(rows["a"]["trace"]) == {"n": 2}
    assert (rows["b"]["status"], rows["b"]["replay_count"], rows["b"]["success_rate"]) == ("retired", 2, None)
    assert (rows["c"]["version"], rows["c"]["replay_count"], json.loads(rows["c"]["trace"])) == (2, 1, [1, "opaque"])
    history = run(session, "select uid from pathway_history('c')")
    assert [row["uid"] for row in history] == ["a", "c"]


def test_a_circle_in_a_file_is_an_error_of_the_history_only(session: Session, inbox: Path) -> None:
    circle = [
        {"trace_uid": "a", "parent_trace_uid": "b"},
        {"trace_uid": "b", "parent_trace_uid": "a"},
        {"trace_uid": "self", "parent_trace_uid": "self"},
        {"trace_uid": "forth", "superseded_by_trace_uid": "back"},
        {"trace_uid": "back", "superseded_by_trace_uid": "forth"},
        {"trace_uid": "orphan", "parent_trace_uid": "missing"},
    ]
    run(session, "from import_pathways(?)", put(inbox / "state.json", {"pathways": circle}))
    for uid in ("a", "b", "self", "forth", "back"):
        assert refused(session, "from pathway_history(?)", uid).startswith(
            f"[CONFLICT] the history of '{uid}' runs in a c"
        )
    (row,) = run(session, "select uid, predecessor_uid from pathway_history('orphan')")
    assert row == {"uid": "orphan", "predecessor_uid": "missing"}
    assert len(run(session, "from lake.pathways")) == 6


def made(session: Session) -> None:
    """Pathways of every kind."""
    run(session, "from pathway_record(?)", json.dumps({**OLD, "uid": "one", "tags": ["x", "ü"], "f": [1.5, None, "ß"]}))
    run(session, "from pathway_revise('one', ?)", json.dumps({**OLD, "uid": "two", "semantic_flags": ["DeadCode"]}))
    run(session, "from pathway_revise('two', ?)", json.dumps({"uid": "three", "opaque": True}))
    run(session, "from pathway_record(?)", json.dumps({"uid": "failed", "task_class": "t", "file_path": "p"}))
    for succeeded in (True, False, False):
        run(session, "from pathway_replay('failed', ?)", succeeded)
    run(session, "from pathway_replay('three', true)")
    run(session, "from pathway_record(?)", json.dumps({"uid": "three"}))


@pytest.mark.parametrize("name", ["state.json", "events.jsonl"])
def test_what_goes_out_comes_back_the_same(session: Session, inbox: Path, tmp_path: Path, name: str) -> None:
    made(session)
    log = [
        event("add", trace=log_trace("plain", "a text", other=[1])),
        event("add", trace=log_trace("clash", {"version": 7, "uid": "inner", "retired": "maybe"})),
        event("add", trace=log_trace("plain child", {}, predecessor_uid="plain")),
        event("add", trace=log_trace("early", {}, created_at_ns=-(10**18) - 1, superseded_at="2200-01-01")),
    ]
    run(session, "from import_pathways(?)", put(inbox / "more.jsonl", "\n".join(log)))
    own = {"trace_uid": "own", "note": 1, "created_at": "1969-12-31T23:59:59Z", "pathway_id": "own"}
    run(session, "from import_pathways(?)", put(inbox / "own.json", [own]))
    (told,) = run(session, "from export_pathways(?)", str(inbox / name))
    assert (told["status"], told["pathways"], told["bytes"]) == ("written", 9, (inbox / name).stat().st_size)
    other = open_lake(tmp_path / "other", settings=FAST, allowed=[inbox])
    try:
        reports = run(other.session(), "from import_pathways(?)", str(inbox / name))
        assert {row["status"] for row in reports} == {"added"}
        assert run(other.session(), ALL) == run(session, ALL)
        assert run(session, "select status from lake.pathways where uid = 'plain'") == [{"status": "live"}]
        run(other.session(), "from export_pathways(?)", str(inbox / f"again_{name}"))
        assert (inbox / f"again_{name}").read_bytes() == (inbox / name).read_bytes()
        assert [row["uid"] for row in run(other.session(), "from pathway_history('one')")] == ["one", "two", "three"]
    finally:
        other.close()


def test_a_state_of_ours_has_the_fields_of_the_original(session: Session, inbox: Path) -> None:
    made(session)
    run(session, "from export_pathways(?)", str(inbox / "state.json"))
    state = json.loads((inbox / "state.json").read_text(encoding="utf-8"))
    traces = {trace["trace_uid"]: (id, trace) for id, group in state["pathways"].items() for trace in group}
    id, two = traces["two"]
    assert (two["pathway_id"], two["parent_trace_uid"], two["superseded_by_trace_uid"]) == (id, "one", "three")
    assert (two["version"], two["retired"], two["replay_count"], len(two["pathway_vec"])) == (2, False, 0, 32)
    assert traces["failed"][1]["retirement_reason"] == "1 of 3 replays succeeded, less than 80%"


def test_a_file_is_replaced_whole_or_not_at_all(session: Session, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(session)
    target = inbox / "state.json"
    target.write_text("precious", encoding="utf-8")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert refused(session, "from export_pathways(?)", str(target)).startswith(
        "[INVALID] 'state.json' cannot be written"
    )
    monkeypatch.undo()
    assert target.read_text(encoding="utf-8") == "precious"
    assert [path.name for path in inbox.iterdir()] == ["state.json"]
    run(session, "from export_pathways(?)", str(target))
    assert [path.name for path in inbox.iterdir()] == ["state.json"]
    assert len(json.loads(target.read_text(encoding="utf-8"))["pathways"]) == 3


def test_places_that_may_not_be_read_or_written(session: Session, inbox: Path, lake: Lake, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside / "state.json", [])
    (inbox / "link.json").symlink_to(outside / "state.json")
    (inbox / "folder.json").mkdir()
    for act in ("import", "export"):
        for place in (outside / "state.json", inbox / "link.json", inbox / ".." / "outside" / "state.json"):
            assert refused(session, f"from {act}_pathways(?)", str(place)).startswith("[FORBIDDEN]"), place
        assert refused(session, f"from {act}_pathways('')").startswith("[INVALID]")
        assert refused(session, f"from {act}_pathways('s3://a/state.json')").startswith("[INVALID] the scheme")
    home = lake.home / "buckets" / "state.json"
    assert refused(session, "from export_pathways(?)", str(home)).startswith("[FORBIDDEN]")
    assert refused(session, "from export_pathways(?)", str(inbox / "x.csv")).startswith("[INVALID] the name 'x.csv'")
    assert refused(session, "from export_pathways(?)", str(inbox / "no" / "x.json")).startswith("[NOT_FOUND]")
    assert refused(session, "from export_pathways(?)", str(inbox / "folder.json")).startswith("[INVALID]")
    assert refused(session, "from import_pathways(?)", str(inbox / "no.json")).startswith("[NOT_FOUND]")
    assert (outside / "state.json").read_text(encoding="utf-8") == "[]"


@pytest.mark.parametrize("content", ['{"pathways": 5}', '{"a": 1}', '"text"', "[1, 2"])
def test_a_file_without_pathways(session: Session, inbox: Path, content: str) -> None:
    uri = put(inbox / "state.json", content)
    if content[0] == "{":
        assert refused(session, "from import_pathways(?)", uri).startswith("[INVALID] the file holds no pathways")
    else:
        assert [row["status"] for row in run(session, "from import_pathways(?)", uri)] == ["corrupt"]


def test_an_empty_file_and_an_empty_state(session: Session, inbox: Path) -> None:
    for name, content in (("a.jsonl", ""), ("b.json", "{}"), ("c.json", '{"pathways": {}}')):
        assert run(session, "from import_pathways(?)", put(inbox / name, content)) == []


def test_a_file_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lake = open_lake(tmp_path / "home", settings=FAST | {"pathway.file_bytes": 1000}, allowed=[tmp_path / "in"])
    try:
        uri = put(tmp_path / "in" / "state.json", [OLD] * 100)
        assert "longer than 1000 bytes" in refused(lake.session(), "from import_pathways(?)", uri)
    finally:
        lake.close()
