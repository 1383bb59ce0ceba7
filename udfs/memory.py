"""Kernels of the area memory: outcomes that are recorded and taken back."""

from typing import Any

from udfs.kernel import Call, kernel

DONE = "STRUCT(playbook_id VARCHAR, status VARCHAR)[]"


@kernel("_playbook_record", "VARCHAR, VARCHAR, VARCHAR, DOUBLE, VARCHAR, VARCHAR", DONE, "records")
def playbook_record(
    call: Call,
    query: str | None,
    corpus: str | None,
    id: str | None,
    score: float | None,
    role: str | None,
    note: str | None,
) -> list[dict[str, Any]]:
    """Record an outcome; one row."""
    made, status = call.lake.playbooks.record(query, corpus, id, score, role, note, call.session.reach)
    return [{"playbook_id": made, "status": status}]


@kernel("_playbook_retract", "VARCHAR, VARCHAR, VARCHAR", DONE, "records")
def playbook_retract(call: Call, query: str | None, corpus: str | None, id: str | None) -> list[dict[str, Any]]:
    """Take an outcome back; one row."""
    gone, status = call.lake.playbooks.retract(query, corpus, id, call.session.reach)
    return [{"playbook_id": gone, "status": status}]


KERNELS = [playbook_record, playbook_retract]
