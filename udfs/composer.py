"""Kernels of the composer: what goes into a prompt, and which mode runs."""

from typing import Any

from engine.errors import Invalid
from engine.memory import downgrade as gate
from engine.search.relevance import filter as relevance_filter
from udfs.kernel import Call, kernel


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
    return relevance_filter.relevance(focus, chunks, least, filtering=settings.filter)


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


KERNELS = [relevance, downgrade]
