"""What is aimed at, and how far the figures of a collection reach it: what is required, and the goal beyond that."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.learning import Measured

LITTLE_TO_LEARN = ("cranfield", "sentences", "reference")  # near questions need other documents: harm is looked at
CURVE = ("10 % of them", "25 % of them", "50 % of them", "right")
SMALL = 1e-9


@dataclass(frozen=True)
class Gate:
    """A figure of a collection, of which more is better, with the least that is required and the goal."""

    name: str
    required: float
    goal: float
    figure: Callable[["Measured"], float]
    learning: bool = False  # only where there is something to learn
    shown: Callable[[float], str] = "{:+.3f}".format

    def reached(self, one: "Measured") -> str:
        """How far a collection reaches it: goal, required, or the figure that misses it."""
        if self.learning and one.collection.name in LITTLE_TO_LEARN:
            return ""
        found = self.figure(one)
        if found >= self.goal - SMALL:
            return "goal"
        return "required" if found >= self.required - SMALL else f"**{self.shown(found)}**"


def _gain(run: str, name: str) -> Callable[["Measured"], float]:
    return lambda one: float(getattr(one.related[run], f"{name}_gain"))


def _unhurt(one: "Measured") -> float:
    right = one.unrelated["right"]
    return -right.hurt / right.questions


def _shuffled(one: "Measured") -> float:
    return -max(abs(of["shuffled"].ndcg_gain) for of in (one.related, one.unrelated))


def _monotone(one: "Measured") -> float:
    gains = [one.related[run].ndcg_gain for run in CURVE]
    return float(gains == sorted(gains))


def _share(less: float) -> str:
    return f"{abs(less):.1%}"


def _within(less: float) -> str:
    return f"±{-less:.3f}"


def _yes(holds: float) -> str:
    return "yes" if holds else "no"


GATES = (
    Gate("related, right: nDCG", 0.08, 0.124, _gain("right", "ndcg"), learning=True),
    Gate("related, right: MRR", 0.10, 0.161, _gain("right", "mrr"), learning=True),
    Gate("10 % flipped: nDCG", 0.04, 0.08, _gain("10 % flipped", "ndcg"), learning=True),
    Gate("20 % flipped: nDCG", 0.0, 0.02, _gain("20 % flipped", "ndcg"), learning=True),
    Gate("unrelated: nDCG", -0.003, 0.0, lambda one: one.unrelated["right"].ndcg_gain),
    Gate("unrelated: hurt", -0.02, 0.0, _unhurt, shown=_share),
    Gate("shuffled: nDCG", -0.007, -0.007, _shuffled, shown=_within),
    Gate("more outcomes, more gain", 1.0, 1.0, _monotone, learning=True, shown=_yes),
    Gate("off and retracted: the same bits", 1.0, 1.0, lambda one: float(one.undone), shown=_yes),
)


def table(results: Sequence["Measured"]) -> Iterable[str]:
    """The gates as rows of Markdown, a column a collection."""
    names = [one.collection.name for one in results]
    yield f"| gate | required | goal | {' | '.join(names)} |"
    yield "|" + " --- |" * (3 + len(names))
    for gate in GATES:
        cells = [gate.name, gate.shown(gate.required), gate.shown(gate.goal), *(gate.reached(one) for one in results)]
        yield f"| {' | '.join(cells)} |"
