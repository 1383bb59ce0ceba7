"""Kernels of the area access, and those by which the lake shows its own state."""

from typing import Any

from udfs.kernel import Call, kernel


@kernel(
    "_journal_in_memory",
    "",
    "STRUCT(entry BIGINT, ts TIMESTAMPTZ, kind VARCHAR, subject VARCHAR, actor VARCHAR, statement_id VARCHAR, "
    "body VARCHAR)[]",
    "reads",
)
def journal_in_memory(call: Call) -> list[dict[str, Any]]:
    """Entries of the journal that are not on disk yet, or only since a moment."""
    return [{**vars(entry), "ts": int(entry.ts * 1e6)} for entry in call.lake.journal.in_memory()]


@kernel(
    "_running_statements",
    "",
    "STRUCT(ts TIMESTAMPTZ, statement_id VARCHAR, status VARCHAR, kind VARCHAR, sql VARCHAR, rows BIGINT, "
    "milliseconds DOUBLE, outcome VARCHAR, progress VARCHAR, profile VARCHAR, session_id VARCHAR)[]",
    "reads",
)
def running_statements(call: Call) -> list[dict[str, Any]]:
    """The statements that run now, the caller's own left out."""
    return [one.shown(call.lake.clock()) for one in call.lake.statements() if one is not call.statement]


@kernel("_settings", "", "STRUCT(key VARCHAR, value VARCHAR, origin VARCHAR, description VARCHAR)[]", "reads")
def settings(call: Call) -> list[dict[str, str]]:
    """The effective configuration with the origin of each value."""
    return call.lake.loaded.rows()


KERNELS = [journal_in_memory, running_statements, settings]
