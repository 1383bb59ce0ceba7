"""The experiment of the original system: is what was judged best in a cold search first in a warm one?

python -m bench.discoveries [--workers 1200]

Every request "Need N role in city" of the staffing collection is asked of a lake without outcomes (cold). Among the ten
that are shown, the one of the highest grade is the best; where it does not stand first, that is a discovery, and it is
recorded with score 1, nothing else. Then the same request is asked again (warm), another way to say it (paraphrase) and
questions about something else. The grades are those of the collection: no language model judges.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bench.collection import Collection, Question
from bench.learning import Found, prepared, search
from bench.staffing import staffing
from engine.session import Session
from lakehouse import open_lake

MODES = ("classic", "robust")
ELSEWHERE = (
    "how does a boundary layer separate from a curved wall?", "flutter of a thin panel in supersonic flow",
    "compute the singular values of a matrix", "bit-wise exclusive or of two arrays", "a recipe for sourdough bread",
    "when was the printing press invented?", "symptoms of a vitamin D deficiency", "how do tides depend on the moon?",
    "translate good morning into Portuguese", "the rules of offside in football",
)  # fmt: skip


@dataclass(frozen=True)
class Lift:
    """What one mode made of the discoveries."""

    mode: str
    questions: int
    discoveries: int
    verbatim: int  # discoveries that stand first when the same is asked again
    paraphrase: int  # … when it is asked in other words
    better: int  # questions, asked again, whose first answer has a higher grade than before
    worse: int
    elsewhere: int  # questions about something else whose answer changed in any way

    @property
    def share(self) -> float:
        """Verbatim lifts of the discoveries."""
        return self.verbatim / max(1, self.discoveries)

    @property
    def paraphrase_share(self) -> float:
        """Paraphrase lifts of the discoveries."""
        return self.paraphrase / max(1, self.discoveries)


def pairs(collection: Collection) -> list[tuple[Question, Question]]:
    """Each need that is asked as "Need N …", and another way to say it."""
    needs: dict[str, list[Question]] = {}
    for question in collection.questions:
        needs.setdefault(question.need, []).append(question)
    found = []
    for asked in needs.values():
        first = next((one for one in asked if one.text.startswith("Need ")), None)
        other = next((one for one in asked if not one.text.startswith("Need ")), None)
        if first is not None and other is not None:
            found.append((first, other))
    return found


def measure(asked: Sequence[tuple[Question, Question]], corpus: str, mode: str, home: Path) -> Lift:
    """One mode on its own copy of the prepared home."""
    own = home.with_name("run")
    shutil.copytree(home, own)
    lake = open_lake(own)
    try:
        return _measured(lake.session(), asked, corpus, mode)
    finally:
        lake.close()
        shutil.rmtree(own)


def _measured(session: Session, asked: Sequence[tuple[Question, Question]], corpus: str, mode: str) -> Lift:
    first, other = [one for one, _ in asked], [one for _, one in asked]
    elsewhere = [Question(text, "report", {}) for text in ELSEWHERE]
    cold = search(session, corpus, first, "off")
    apart = search(session, corpus, elsewhere, "off")
    best = [_best(question, found) for question, found in zip(first, cold, strict=True)]
    discovered = [at for at, id in enumerate(best) if id is not None]
    rows = [{"query": first[at].text, "corpus": corpus, "id": best[at], "score": 1.0} for at in discovered]
    session.load(pa.Table.from_pylist(rows).to_reader(), "discovered", mode="replace")
    session.run("select * from playbook_import('from discovered')").read_all()
    warm = search(session, corpus, first, mode)
    said = search(session, corpus, other, mode)
    before, after = _first_grades(first, cold), _first_grades(first, warm)
    return Lift(
        mode,
        len(first),
        len(discovered),
        sum(_leads(warm[at], best[at]) for at in discovered),
        sum(_leads(said[at], best[at]) for at in discovered),
        sum(now > then for then, now in zip(before, after, strict=True)),
        sum(now < then for then, now in zip(before, after, strict=True)),
        sum(now != then for then, now in zip(apart, search(session, corpus, elsewhere, mode), strict=True)),
    )


def _best(question: Question, found: list[tuple[str, float]]) -> str | None:
    """The shown document of the highest grade where it is not the first; None where there is nothing to discover."""
    grades = [question.relevance.get(id, 0) for id, _ in found]
    at = grades.index(max(grades)) if grades else 0
    return found[at][0] if at else None


def _leads(found: list[tuple[str, float]], id: str | None) -> bool:
    return bool(found) and found[0][0] == id


def _first_grades(questions: Sequence[Question], found: Found) -> Iterable[int]:
    return [
        one.relevance.get(answers[0][0], 0) if answers else 0 for one, answers in zip(questions, found, strict=True)
    ]


def lifts(workers: int) -> list[Lift]:
    """Both modes."""
    collection = staffing(workers, every_form=True)
    asked = pairs(collection)
    with tempfile.TemporaryDirectory() as folder, prepared([collection], Path(folder)) as home:
        return [measure(asked, collection.corpus, mode, home) for mode in MODES]


def line(one: Lift) -> str:
    """The figures of a mode on a terminal."""
    return (
        f"{one.mode:8} {one.questions} requests, {one.discoveries} discoveries: verbatim {one.verbatim} "
        f"({one.share:.0%}), paraphrase {one.paraphrase} ({one.paraphrase_share:.0%}), first answer better "
        f"{one.better}, worse {one.worse}; {one.elsewhere} of {len(ELSEWHERE)} other questions changed"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1200)
    for one in lifts(parser.parse_args().workers):
        print(line(one), flush=True)


if __name__ == "__main__":
    main()
