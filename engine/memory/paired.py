"""Paired runs: does one way of working beat another? Decided from data, by a one-sided sign test.

Every case is run under both conditions, several times; each pair says which was better. The chance that a fair coin
gives at least so many wins is p = Σ_{i ≥ wins} C(n, i) / 2ⁿ over the n pairs that differ (5 of 5: p = 1/32 = 0.031).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, isfinite
from numbers import Real

from engine.errors import Invalid

Condition = Callable[[str, int], float]  # (case, repetition) -> how good it was; more is better
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Verdict:
    """What the pairs say of `challenger` against `baseline`."""

    baseline: str
    challenger: str
    wins: int  # pairs in which the challenger was better
    losses: int
    ties: int
    mean_difference: float
    p: float  # one-sided: how likely so many wins are when neither is better
    repeats: bool  # whether any case differed between its repetitions

    @property
    def better(self) -> bool:
        """Whether the challenger is better, beyond chance."""
        return self.p < SIGNIFICANT

    def __str__(self) -> str:
        """One line for people."""
        told = "" if self.repeats else "; each case gave the same every time and counts once"
        return (
            f"{self.challenger} against {self.baseline}: {self.wins} won, {self.losses} lost, {self.ties} tied, "
            f"mean difference {self.mean_difference:+.3f}, p = {self.p:.3f} (one-sided sign test{told}): "
            f"{'better' if self.better else 'not shown to be better'}"
        )


def sign_test(wins: int, losses: int) -> float:
    """The one-sided p of `wins` against `losses`; ties are left out before. 1 when there is no pair."""
    pairs = wins + losses
    return float(sum(comb(pairs, at) for at in range(wins, pairs + 1)) / 2**pairs)


def compare(
    conditions: Mapping[str, Condition], baseline: str, cases: Sequence[str], repetitions: int = 5
) -> list[Verdict]:
    """Run every case under every condition and hold each condition against `baseline`, in their order.

    Repetitions of a case that never differ under either condition are one observation, not several: counting them all
    would make any difference significant. Raises Invalid for an unknown baseline, no case, no repetition, and no score.
    """
    if baseline not in conditions or len(conditions) < 2:
        raise Invalid(f"the baseline {baseline!r} is not one of two or more conditions", "name one of them")
    if not cases or repetitions < 1:
        raise Invalid("a comparison needs at least one case and one repetition", "add some")
    scores = {
        name: [[_scored(name, condition, case, repetition) for repetition in range(repetitions)] for case in cases]
        for name, condition in conditions.items()
    }
    return [_verdict(baseline, name, scores[baseline], scores[name]) for name in conditions if name != baseline]


def _scored(name: str, condition: Condition, case: str, repetition: int) -> float:
    score = condition(case, repetition)
    if not isinstance(score, Real) or not isfinite(score):
        raise Invalid(f"{name} gave {str(score)[:80]} for the case {case[:80]!r}", "a score is a finite number")
    return score


def _verdict(baseline: str, challenger: str, ours: list[list[float]], theirs: list[list[float]]) -> Verdict:
    pairs: list[tuple[float, float]] = []
    repeats = False
    for one, other in zip(ours, theirs, strict=True):
        differs = len(set(one)) > 1 or len(set(other)) > 1
        repeats = repeats or differs
        pairs += list(zip(one, other, strict=True)) if differs else [(one[0], other[0])]
    wins, losses = sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)
    difference = sum(b - a for a, b in pairs) / len(pairs)
    ties = len(pairs) - wins - losses
    return Verdict(baseline, challenger, wins, losses, ties, difference, sign_test(wins, losses), repeats)
