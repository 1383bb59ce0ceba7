"""Kernels of the area memory: outcomes that are recorded and taken back, and what they are worth."""

from collections.abc import Sequence
from typing import Any

from engine.errors import Invalid
from engine.memory.imports import Import
from engine.memory.lift import lift
from engine.memory.switches import Switched
from udfs.kernel import Call, Row, batch_kernel, kernel

DONE = "STRUCT(playbook_id VARCHAR, status VARCHAR)[]"


@kernel("_playbook_record", "VARCHAR, VARCHAR, VARCHAR, DOUBLE, VARCHAR, VARCHAR, BOOLEAN", DONE, "records")
def playbook_record(
    call: Call,
    query: str | None,
    corpus: str | None,
    id: str | None,
    score: float | None,
    role: str | None,
    note: str | None,
    allow_missing: bool | None,
) -> list[dict[str, Any]]:
    """Record an outcome; one row."""
    given = (query, corpus, id, score, role, note)
    made, status = call.lake.playbooks.record(given, call.session.reach, allow_missing=bool(allow_missing))
    return [{"playbook_id": made, "status": status}]


@kernel("_playbook_retract", "VARCHAR, VARCHAR, VARCHAR", DONE, "records")
def playbook_retract(call: Call, query: str | None, corpus: str | None, id: str | None) -> list[dict[str, Any]]:
    """Take an outcome back; one row."""
    gone, status = call.lake.playbooks.retract(query, corpus, id, call.session.reach)
    return [{"playbook_id": gone, "status": status}]


@kernel("_playbook_supersede", "VARCHAR, VARCHAR, VARCHAR, VARCHAR, DOUBLE", DONE, "records")
def playbook_supersede(
    call: Call, playbook_id: str | None, query: str | None, corpus: str | None, id: str | None, score: float | None
) -> list[dict[str, Any]]:
    """Put an outcome in the place of another; one row."""
    given = (query, corpus, id, score, None, None)
    made, status = call.lake.playbooks.supersede(playbook_id, given, call.session.reach)
    return [{"playbook_id": made, "status": status}]


@kernel(
    "_playbook_import",
    "VARCHAR",
    'STRUCT("index" BIGINT, playbook_id VARCHAR, status VARCHAR, error VARCHAR)[]',
    "records",
)
def playbook_import(call: Call, rows: str | None) -> list[dict[str, Any]]:
    """Record the outcomes that a query selects; one row each."""
    return Import(call.lake, call.session, call.statement).run(rows)


@kernel(
    "_playbook_lift",
    "VARCHAR[], BIGINT",
    "STRUCT(corpus VARCHAR, questions BIGINT, ndcg_off DOUBLE, ndcg_on DOUBLE, mrr_off DOUBLE, mrr_on DOUBLE, "
    "helped BIGINT, hurt BIGINT)[]",
    "reads",
)
def playbook_lift(call: Call, corpora: list[str] | None, sample: int | None) -> list[dict[str, Any]]:
    """What the outcomes of each corpus are worth to each other; one row a corpus that has some."""
    names = [name for name in corpora if name is not None] if corpora is not None else None
    return [vars(one) for one in lift(call.lake, call.session.reach, names, sample, call.cancelled)]


@batch_kernel("_playbook_answer", "VARCHAR, VARCHAR", "VARCHAR", "reads")
def playbook_answer(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Whether the answers of outcomes are there or gone."""
    return call.lake.playbooks.answers(rows)


@kernel(
    "_playbook_check",
    "VARCHAR[], BIGINT",
    "STRUCT(corpus VARCHAR, status VARCHAR, questions BIGINT, ndcg_off DOUBLE, ndcg_on DOUBLE, helped BIGINT, "
    "hurt BIGINT)[]",
    "writes",
)
def playbook_check(call: Call, corpora: list[str] | None, sample: int | None) -> list[dict[str, Any]]:
    """Measure memory, and switch it off where it harms; one row a corpus."""
    lake, reach = call.lake, call.session.reach
    if corpora is None:
        return [vars(one) for one in lake.checks.check_all(reach, sample, call.cancelled)]
    if not corpora:
        raise Invalid("the list of corpora is empty", "leave it out to check all of them")
    names = [lake.corpora.changed_by(name, reach) for name in corpora]
    return [vars(lake.checks.check(name, reach, sample, call.cancelled)) for name in names]


@kernel(
    "_playbook_switch",
    "VARCHAR, BOOLEAN, VARCHAR",
    "STRUCT(corpus VARCHAR, status VARCHAR, enabled BOOLEAN)[]",
    "writes",
)
def playbook_switch(call: Call, corpus: str | None, enabled: bool | None, note: str | None) -> list[dict[str, Any]]:
    """Switch the memory of a corpus on or off; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    if enabled is None:
        raise Invalid("enabled is NULL", "true switches the outcomes of the corpus on, false off")
    off = None if enabled else Switched(note or "switched off by hand", by_check=False)
    status = call.lake.switches.set(name, off, call.session.profile, {"note": note})
    return [{"corpus": name, "status": status, "enabled": enabled}]


KERNELS = [
    playbook_record, playbook_retract, playbook_supersede, playbook_import, playbook_lift, playbook_check,
    playbook_switch, playbook_answer,
]  # fmt: skip
