"""Kernels of the pathways: how tasks were solved, and which of it is worth doing again."""

from collections.abc import Sequence
from typing import Any

from engine.memory.pathways import fingerprint, incoming, outgoing, reading, review
from engine.memory.pathways.operations import Done, Operations, Replays
from udfs.kernel import Call, Row, batch_kernel, kernel

DONE = (
    "STRUCT(uid VARCHAR, status VARCHAR, pathway_id VARCHAR, version INTEGER, replay_count BIGINT, "
    "replays_succeeded BIGINT, success_rate DOUBLE, predecessor_uid VARCHAR, reason VARCHAR)[]"
)


def _operations(call: Call) -> Operations:
    return Operations(call.lake, call.session.profile, check=call.check)


def _rows(done: list[Done]) -> list[list[dict[str, Any]]]:
    return [[one.row()] for one in done]


@batch_kernel("_pathway_record", "VARCHAR", DONE, "records")
def pathway_record(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Record traces; one row each."""
    done = _operations(call).record([trace or "null" for (trace,) in rows])
    return [[one.row() for one in group] for group in done]


@batch_kernel("_pathway_update", "VARCHAR, VARCHAR", DONE, "records")
def pathway_update(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Replace contents; one row each."""
    return _rows(_operations(call).update([(uid, trace or "null") for uid, trace in rows]))


@batch_kernel("_pathway_revise", "VARCHAR, VARCHAR", DONE, "records")
def pathway_revise(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Revise pathways; one row each, of the new one."""
    return _rows(_operations(call).revise([(uid, trace or "null") for uid, trace in rows]))


@batch_kernel("_pathway_retire", "VARCHAR, VARCHAR", DONE, "records")
def pathway_retire(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Retire pathways; one row each."""
    return _rows(_operations(call).retire([(uid, reason) for uid, reason in rows]))


@batch_kernel("_pathway_replay", "VARCHAR, BOOLEAN[], VARCHAR, DOUBLE", DONE, "records")
def pathway_replay(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Count replays; one row a pathway that is told of."""
    return _rows(_operations(call).replay([Replays(uid, succeeded or (), *said) for uid, succeeded, *said in rows]))


@kernel(
    "_pathway_lookup",
    "VARCHAR, VARCHAR, VARCHAR, VARCHAR[], BIGINT",
    "STRUCT(uid VARCHAR, eligible BOOLEAN, model VARCHAR, similarity DOUBLE, replay_count BIGINT, "
    "success_rate DOUBLE, gate VARCHAR, trace VARCHAR)[]",
    "reads",
)
def pathway_lookup(
    call: Call,
    task_class: str | None,
    file: str | None,
    signal_class: str | None,
    tokens: list[str | None] | None,
    k: int | None,
) -> list[dict[str, Any]]:
    """The pathways for a task, the one to take first."""
    given = None if tokens is None else [token for token in tokens if token is not None]
    return reading.lookup(call.lake, task_class, file, signal_class, given, 10 if k is None else k, call.session.reach)


@kernel(
    "_pathway_history",
    "VARCHAR",
    "STRUCT(position INTEGER, uid VARCHAR, status VARCHAR, version INTEGER, predecessor_uid VARCHAR, "
    "replay_count BIGINT, success_rate DOUBLE, reason VARCHAR, created_at TIMESTAMPTZ, trace VARCHAR)[]",
    "reads",
)
def pathway_history(call: Call, uid: str | None) -> list[dict[str, Any]]:
    """The revisions of a pathway, root first."""
    return reading.history(call.lake, uid, call.check, call.session.reach)


@kernel(
    "_bug_fingerprints",
    "VARCHAR, VARCHAR, VARCHAR, BIGINT",
    "STRUCT(flag VARCHAR, pattern_key VARCHAR, occurrences BIGINT, pathways BIGINT, example VARCHAR)[]",
    "reads",
)
def bug_fingerprints(
    call: Call, task_class: str | None, file: str | None, signal_class: str | None, k: int | None
) -> list[dict[str, Any]]:
    """The bugs met in an area."""
    return reading.bug_fingerprints(
        call.lake, task_class, file, signal_class, 10 if k is None else k, call.session.reach
    )


@kernel(
    "_review_flags",
    "VARCHAR",
    "STRUCT(flag VARCHAR, pattern_key VARCHAR, occurrences BIGINT, confidence DOUBLE, example VARCHAR)[]",
    "reads",
)
def review_flags(call: Call, text: str | None) -> list[dict[str, Any]]:
    """What a review says of mistakes."""
    return [vars(found) for found in review.findings(text or "")]


@kernel("_pathway_id", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR", "reads")
def pathway_id(call: Call, task_class: str | None, file: str | None, signal_class: str | None) -> str | None:
    """The narrow fingerprint; NULL without a task class or a file."""
    if task_class is None or file is None:
        return None
    return fingerprint.pathway_id(task_class, file, signal_class or "")


@kernel("_pathway_vector", "VARCHAR[]", "FLOAT[32]", "reads")
def pathway_vector(call: Call, tokens: list[str | None] | None) -> list[float] | None:
    """The vector of tokens; NULL for NULL."""
    return None if tokens is None else fingerprint.vector(token for token in tokens if token is not None).tolist()


@kernel(
    "_import_pathways",
    "VARCHAR",
    "STRUCT(uid VARCHAR, status VARCHAR, line BIGINT, detail VARCHAR)[]",
    "administers",
)
def import_pathways(call: Call, uri: str | None) -> list[dict[str, Any]]:
    """Import a file; one row a trace, and one for what is corrupt."""
    return [vars(report) for report in incoming.read(call.lake, uri, call.session.profile, call.check)]


@kernel(
    "_export_pathways",
    "VARCHAR",
    "STRUCT(uri VARCHAR, status VARCHAR, pathways BIGINT, bytes BIGINT)[]",
    "administers",
)
def export_pathways(call: Call, uri: str | None) -> list[dict[str, Any]]:
    """Write every pathway into a file; one row."""
    return [outgoing.write(call.lake, uri, call.session.reach)]


KERNELS = [
    pathway_record, pathway_update, pathway_revise, pathway_retire, pathway_replay, pathway_lookup, pathway_history,
    bug_fingerprints, review_flags, pathway_id, pathway_vector, import_pathways, export_pathways,
]  # fmt: skip
