"""The downgrade gate: a strong model reviews better without the composed corpora.

Measured on the original: a strong model with composed corpora lost 5 of 5 runs to the same model with the file alone
(one-sided sign test, p = 1/32). `engine/memory/paired.py` measures it again for any pair.
"""

from collections.abc import Collection
from dataclasses import dataclass

from engine.errors import Invalid

COMPOSED = "codereview_lakehouse"
ISOLATED = "codereview_isolation"
WEAK = ("qwen3.5:latest", "qwen3:latest")
EXTRACTIVE = "extractive"  # quotes what was found: without corpora it has nothing to say
NOT_FORCED = ("", "false")
FORCED_AS_IT_IS = "true"


@dataclass(frozen=True)
class Decision:
    """The mode to run, and why."""

    mode: str
    downgraded_from: str | None
    weak: bool
    reason: str


def is_weak(model: str, weak: Collection[str] = WEAK) -> bool:
    """Whether a model is a weak one: free of charge by its name, in the list `weak`, or none. All others are strong."""
    return model.endswith(":free") or ":free/" in model or model in weak or model == EXTRACTIVE


def decide(
    mode: str | None,
    model: str | None,
    *,
    force_mode: str | None = None,
    force_full_enrichment: bool = False,
    weak: Collection[str] = WEAK,
) -> Decision:
    """Turn `codereview_lakehouse` into `codereview_isolation` for a strong model; all else passes.

    `force_mode`: a mode that is run whatever the gate says; `true` forces the one that was asked for. Raises Invalid
    for an empty mode or model.
    """
    if not mode or not mode.strip():
        raise Invalid("the mode is empty", f"name one, such as {COMPOSED!r}")
    if not model or not model.strip():
        raise Invalid("the model is empty", "name it: the gate depends on whether it is weak")
    is_weak_model = is_weak(model, weak)
    forced = (force_mode or "").strip()
    if forced.lower() not in NOT_FORCED:
        chosen = mode if forced.lower() == FORCED_AS_IT_IS else forced
        return Decision(chosen, None, is_weak_model, "the mode is forced")
    if mode != COMPOSED:
        return Decision(mode, None, is_weak_model, f"only {COMPOSED} is downgraded")
    if force_full_enrichment:
        return Decision(mode, None, is_weak_model, "full enrichment is forced")
    if is_weak_model:
        return Decision(mode, None, True, "a weak model needs the corpora")
    return Decision(ISOLATED, mode, False, "a strong model reviews better in isolation")
