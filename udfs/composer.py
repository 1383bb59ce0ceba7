"""Kernels of the composer: what goes into a prompt, which mode runs, and the run itself."""

from typing import Any

from engine.errors import Invalid
from engine.memory import downgrade as gate
from engine.memory.modes.registry import Mode, TaskClass
from engine.memory.modes.run import Run
from engine.search.relevance import filter as relevance_filter
from udfs.kernel import Call, kernel

MODE = "STRUCT(mode VARCHAR, status VARCHAR)[]"
TASK_CLASS = "STRUCT(task_class VARCHAR, status VARCHAR, mode VARCHAR)[]"


@kernel(
    "_relevance",
    "VARCHAR, VARCHAR, DOUBLE",
    "STRUCT(chunk VARCHAR, score DOUBLE, kept BOOLEAN, signals VARCHAR)[]",
    "reads",
)
def relevance(call: Call, focus: str | None, chunks: str | None, threshold: float | None) -> list[dict[str, Any]]:
    """Score chunks against a focus; one row a chunk, none for NULL."""
    if focus is None or chunks is None:
        return []
    settings = call.lake.config.relevance
    least = settings.threshold if threshold is None else threshold
    if least != least:
        raise Invalid("the threshold is not a number", "the usual one is 0.3")
    return relevance_filter.relevance(focus, chunks, least, filtering=settings.filter, check=call.check)


@kernel(
    "_downgrade",
    "VARCHAR, VARCHAR, VARCHAR, BOOLEAN",
    "STRUCT(mode VARCHAR, downgraded_from VARCHAR, weak BOOLEAN, reason VARCHAR)[]",
    "reads",
)
def downgrade(
    call: Call, mode: str | None, model: str | None, force_mode: str | None, force_full_enrichment: bool | None
) -> list[dict[str, Any]]:
    """Which mode a model runs; one row."""
    settings = call.lake.config.downgrade
    full = settings.force_full_enrichment if force_full_enrichment is None else force_full_enrichment
    decision = gate.decide(
        mode, model, force_mode=force_mode, force_full_enrichment=full, weak=frozenset(settings.weak)
    )
    return [vars(decision)]


@kernel(
    "_run_mode",
    "VARCHAR, VARCHAR, VARCHAR, VARCHAR",
    "STRUCT(answer VARCHAR, mode VARCHAR, downgraded_from VARCHAR, corpora VARCHAR[], chunks BIGINT, seconds DOUBLE, "
    "model VARCHAR)[]",
    "records",
)
def run_mode(
    call: Call, task_class: str | None, prompt: str | None, model: str | None, force_mode: str | None
) -> list[dict[str, Any]]:
    """Run the mode of a task class; one row."""
    run = Run(call.lake, call.session.reach, call.statement.statement_id, call.check, call.cancelled)
    return [run.run(task_class, prompt, model, force_mode)]


@kernel("_create_mode", "VARCHAR, VARCHAR[], VARCHAR, VARCHAR", MODE, "administers")
def create_mode(
    call: Call, mode: str | None, parts: list[str] | None, instruction: str | None, description: str | None
) -> list[dict[str, Any]]:
    """Make a mode or change it; one row."""
    wanted = Mode(mode or "", tuple(str(part) for part in parts or ()), instruction or "", description)
    return [{"mode": mode, "status": call.lake.modes.create_mode(wanted, call.session.profile)}]


@kernel("_drop_mode", "VARCHAR", MODE, "administers")
def drop_mode(call: Call, mode: str | None) -> list[dict[str, Any]]:
    """Remove a mode; one row."""
    return [{"mode": mode, "status": call.lake.modes.drop_mode(mode, call.session.profile)}]


@kernel("_create_task_class", "VARCHAR, VARCHAR, VARCHAR, VARCHAR[], VARCHAR, VARCHAR", TASK_CLASS, "administers")
def create_task_class(
    call: Call,
    task_class: str | None,
    mode: str | None,
    model: str | None,
    corpora: list[str] | None,
    instruction: str | None,
    description: str | None,
) -> list[dict[str, Any]]:
    """Make a task class or change it; one row."""
    names = tuple(str(name) for name in corpora) if corpora is not None else None
    wanted = TaskClass(task_class or "", mode or "", model, names, instruction, description)
    status = call.lake.modes.create_task_class(wanted, call.session.profile)
    return [{"task_class": task_class, "status": status, "mode": mode}]


@kernel("_drop_task_class", "VARCHAR", TASK_CLASS, "administers")
def drop_task_class(call: Call, task_class: str | None) -> list[dict[str, Any]]:
    """Remove a task class; one row."""
    status = call.lake.modes.drop_task_class(task_class, call.session.profile)
    return [{"task_class": task_class, "status": status, "mode": None}]


KERNELS = [relevance, downgrade, run_mode, create_mode, drop_mode, create_task_class, drop_task_class]
