"""What a trace may leave out: parts that are null, as in structs of one list, and the file of a task without one."""

import json
from typing import Any

import pytest

from engine.errors import LakehouseError
from engine.session import Session


def run(session: Session, sql: str) -> list[dict[str, Any]]:
    return session.run(sql).rows()


@pytest.mark.parametrize(
    "parts",
    [
        "'bug_fingerprints': [{'flag': 'OffByOne', 'pattern_key': 'a', 'example': 'x', 'occurrences': 3}, "
        "{'flag': 'DeadCode', 'pattern_key': 'b'}]",
        "'bug_fingerprints': [{'flag': {'kind': 'OffByOne', 'x': null}, 'pattern_key': 'a', 'example': null}]",
        "'type_hints_used': [{'source': 's', 'symbol': 'a', 'type_repr': 'int'}, {'symbol': 'b'}]",
        "'ladder_attempts': [{'model': 'a', 'accepted': true}, {'model': 'b', 'reject_reason': 'thin'}]",
        "'kb_chunks': [{'provenance': 'p', 'cosine': 0.5, 'rank': 1}, {'provenance': 'q'}]",
        "'semantic_flags': [{'kind': 'OffByOne', 'line': 5}, {'kind': 'DeadCode'}]",
    ],
)
def test_a_member_that_only_another_of_its_list_has_is_missing(session: Session, parts: str) -> None:
    sql = f"select status from pathway_record({{'uid': 'u', 'task_class': 't', {parts}}})"
    assert run(session, sql) == [{"status": "added"}]


def test_what_is_null_has_its_default(session: Session) -> None:
    bugs = "[{'flag': 'OffByOne', 'pattern_key': 'a', 'example': 'x', 'occurrences': 3}, "
    bugs += "{'flag': 'DeadCode', 'pattern_key': 'b'}]"
    run(session, f"from pathway_record({{'task_class': 't', 'file_path': 'a/b/c', 'bug_fingerprints': {bugs}}})")
    found = run(session, "select pattern_key, occurrences, example from bug_fingerprints('t', 'a/b/c', '')")
    assert [tuple(row.values()) for row in found] == [("a", 3, "x"), ("b", 1, "")]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ("'bug_fingerprints': [{'flag': 'DeadCode', 'pattern_key': null}]", "bug_fingerprints.0.pattern_key"),
        ("'bug_fingerprints': [{'flag': {'kind': null}, 'pattern_key': 'a'}]", "bug_fingerprints.0.flag.kind"),
        ("'ladder_attempts': [{'model': null}]", "ladder_attempts.0.model"),
    ],
)
def test_what_must_be_there_is_missing_when_it_is_null(session: Session, parts: str, field: str) -> None:
    with pytest.raises(LakehouseError) as caught:
        run(session, f"from pathway_record({{{parts}}})")
    assert str(caught.value).startswith(f"[INVALID] the trace is wrong: {field}: Field required")


def test_old_type_hints_lack_what_came_later(session: Session) -> None:
    text = json.dumps({"type_hints_used": [{"symbol": "a"}]})
    assert session.run("select status from pathway_record(?)", [text]).rows() == [{"status": "added"}]


@pytest.mark.parametrize("file", ["''", "null"])
def test_a_task_without_a_file_is_looked_up_without_one(session: Session, file: str) -> None:
    bugs = "[{'flag': 'OffByOne', 'pattern_key': 'a'}]"
    fields = f"'task_class': 'staffing', 'signal_class': 'x', 'bug_fingerprints': {bugs}"
    (made,) = run(session, f"select uid, pathway_id from pathway_record({{{fields}}})")
    run(session, "from pathway_record({'task_class': 'staffing', 'signal_class': 'x', 'file_path': 'a/b/c'})")
    assert run(session, "select pathway_id('staffing', '', 'x') as id") == [{"id": made["pathway_id"]}]
    run(session, f"from pathway_replay('{made['uid']}', [true, true, true])")
    looked_up = run(session, f"select uid, eligible, similarity from pathway_lookup('staffing', {file}, 'x')")
    assert looked_up == [{"uid": made["uid"], "eligible": True, "similarity": 1.0}]
    found = run(session, f"select pattern_key, occurrences from bug_fingerprints('staffing', {file}, 'x')")
    assert found == [{"pattern_key": "a", "occurrences": 1}]
