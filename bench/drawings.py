"""How far a gain is chance: `reworded` drawn anew, other questions recorded and other words for all that is asked.

python -m bench.drawings [--part tune|report]
"""

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.cranfield import reworded
from bench.learning import CRANFIELD, RUNS, Change, Measured, line, measure, prepared

DRAWINGS = ("", "1", "2", "3", "4", "5")  # the first is the one that stands among all collections
SHOWN = RUNS[:3]  # right, and 10 and 20 % flipped


def drawings(part: str) -> list[Measured]:
    """All drawings, with memory as it is by default."""
    made = [reworded(CRANFIELD, one) for one in DRAWINGS]
    with tempfile.TemporaryDirectory() as folder, prepared(made[:1], Path(folder)) as home:
        return [measure(one, part, "robust", home, SHOWN) for one in made]


def together(changes: Sequence[Change]) -> Change:
    """The change of all questions of several drawings: means weigh by questions, hurt ones add up."""
    questions = sum(one.questions for one in changes)
    means = {
        name: sum(getattr(one, name) * one.questions for one in changes) / questions
        for name in ("ndcg", "ndcg_gain", "mrr", "mrr_gain")
    }
    return Change(questions=questions, hurt=sum(one.hurt for one in changes), **means)


def table(results: Sequence[Measured]) -> Iterable[str]:
    """The drawings as rows of Markdown, and all their questions together."""
    names = [run.name for run in SHOWN]
    kinds = [f"related, {name}" for name in names] + [f"unrelated, {name}" for name in names]
    yield f"| drawing | {' | '.join(['related', 'without memory', *kinds])} |"
    yield "|" + " --- |" * (3 + len(kinds))
    every = results[0]
    every = replace(
        every,
        related={name: together([one.related[name] for one in results]) for name in names},
        unrelated={name: together([one.unrelated[name] for one in results]) for name in names},
    )
    for name, one in [*((one.collection.name, one) for one in results), ("all", every)]:
        first = one.related[names[0]]
        related = [f"{one.related[run].ndcg_gain:+.3f} / {one.related[run].mrr_gain:+.3f}" for run in names]
        unrelated = [_unrelated(one.unrelated[run]) for run in names]
        cells = [name, str(first.questions), f"{first.ndcg:.3f} / {first.mrr:.3f}", *related, *unrelated]
        yield f"| {' | '.join(cells)} |"


def _unrelated(change: Change) -> str:
    return f"{change.ndcg_gain:+.4f}, {change.hurt:.1f} of {change.questions}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("tune", "report"), default="tune")
    results = drawings(parser.parse_args().part)
    print("\n".join([*map(line, results), "", *table(results)]))


if __name__ == "__main__":
    main()
