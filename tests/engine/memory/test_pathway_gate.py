"""The hot-swap gate, one condition at a time, and the retirement that is for good."""

from dataclasses import replace

import pytest

from engine.memory.pathways.entry import Entry, new
from engine.memory.pathways.gate import failing, hot_swap, rejected

TRACE = {"task_class": "review", "file_path": "a/b/c.rs", "signal_class": "s"}
GOOD = replace(new("u", TRACE, 1), replay_count=5, replays_succeeded=4, replays_failed=1)


def judged(succeeded: int, failed: int) -> Entry:
    return replace(GOOD, replay_count=succeeded + failed, replays_succeeded=succeeded, replays_failed=failed)


def audited(audit: object) -> Entry:
    entry = new("u", {**TRACE, "audit_consensus": audit}, 1)
    return replace(entry, replay_count=5, replays_succeeded=5)


@pytest.mark.parametrize(
    ("entry", "similarity", "missing"),
    [
        (GOOD, 0.90, None),
        (GOOD, 0.899999, "similarity"),
        (replace(GOOD, pathway_id="other"), 1.0, "same_fingerprint"),
        (replace(GOOD, pathway_id=None), 1.0, "same_fingerprint"),
        (judged(2, 0), 1.0, "replays"),
        (judged(3, 0), 1.0, None),
        (judged(3, 1), 1.0, "success"),  # 0.75
        (judged(4, 1), 1.0, None),  # 0.80 exactly
        (judged(79, 21), 1.0, "success"),
        (replace(GOOD, retired=True), 1.0, "live"),
        (replace(GOOD, superseded_by="v"), 1.0, "live"),
        (replace(GOOD, superseded_at_ns=1), 1.0, "live"),
        (audited(None), 1.0, None),
        (audited({"passed": True, "models": 3}), 1.0, None),
        (audited(True), 1.0, None),
        (audited({"passed": False}), 1.0, "audit"),
        (audited({"verdict": "fine"}), 1.0, "audit"),  # what cannot be read has not passed
    ],
)
def test_every_condition_alone_closes_the_gate(entry: Entry, similarity: float, missing: str | None) -> None:
    gate = hot_swap(entry, str(GOOD.pathway_id), similarity)
    assert [name for name, holds in vars(gate).items() if not holds] == ([missing] if missing else [])
    assert gate.eligible is (missing is None)


def test_a_repetition_that_nobody_judged_is_no_failure() -> None:
    entry = replace(GOOD, replay_count=100, replays_succeeded=3, replays_failed=0)
    assert entry.success_rate == 1.0
    assert failing(entry) is None


@pytest.mark.parametrize(
    ("succeeded", "failed", "retires"),
    [
        (0, 2, False),
        (0, 3, True),
        (2, 1, True),
        (3, 0, False),
        (4, 1, False),
        (3, 1, True),
        (8, 2, False),
        (7, 2, True),
    ],
)
def test_below_eighty_percent_after_three_replays_it_retires(succeeded: int, failed: int, retires: bool) -> None:
    assert (failing(judged(succeeded, failed)) is not None) is retires


@pytest.mark.parametrize(
    ("verdict", "confidence", "retires"),
    [
        ("reject", 0.7, True),
        ("reject", 0.69, False),
        ("reject", None, False),
        ("cycle", 1.0, False),
        ("accept", 1.0, False),
        (None, None, False),
    ],
)
def test_only_an_outright_rejection_retires(verdict: str | None, confidence: float | None, retires: bool) -> None:
    assert (rejected(verdict, confidence) is not None) is retires
