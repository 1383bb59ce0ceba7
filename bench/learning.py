"""Does retrieval get better from outcomes, and does it do harm? Measured through SQL, on labelled collections.

python -m bench.learning [--part tune|report] [--only NAME …] [--mode robust|classic] [--write docs/learning.md]
"""

import argparse
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.collection import Collection, Question
from bench.labelled import collections
from engine.session import Session
from lakehouse import open_lake

CRANFIELD = Path(os.environ.get("CRANFIELD", Path(__file__).parents[2] / "shared" / "data" / "cranfield"))
SHOWN = 10
SEARCH = (
    "select q.n, h.id, h._score from asked as q, lateral hybrid_search(q.text, corpora := ['{}'], k := {}, "
    "playbook := '{}') as h order by q.n, h._rank"
)
Found = list[list[tuple[str, float]]]


@dataclass(frozen=True)
class Outcomes:
    """How the outcomes of a run are made from the judgements of what was shown."""

    name: str
    flipped: float = 0.0
    share: float = 1.0
    shuffled: bool = False
    draws: int = 3  # of which the mean is taken


RUNS = (
    Outcomes("right", draws=1),
    Outcomes("10 % flipped", flipped=0.1),
    Outcomes("20 % flipped", flipped=0.2),
    Outcomes("50 % flipped", flipped=0.5),
    Outcomes("shuffled", shuffled=True),
    Outcomes("10 % of them", share=0.1),
    Outcomes("25 % of them", share=0.25),
    Outcomes("50 % of them", share=0.5),
)


@dataclass(frozen=True)
class Change:
    """What outcomes change for some questions: means without and with them, and how many lose."""

    questions: int
    ndcg: float
    ndcg_gain: float
    mrr: float
    mrr_gain: float
    hurt: float


def ndcg(found: Sequence[str], relevance: dict[str, int]) -> float:
    """nDCG@10 with linear gain (Järvelin, Kekäläinen 2002)."""
    gained = sum(relevance.get(id, 0) / math.log2(rank + 2) for rank, id in enumerate(found[:SHOWN]))
    best = sorted(relevance.values(), reverse=True)[:SHOWN]
    return gained / sum(value / math.log2(rank + 2) for rank, value in enumerate(best))


def reciprocal(found: Sequence[str], relevance: dict[str, int]) -> float:
    """1 / rank of the first right answer among ten, else 0."""
    return next((1 / rank for rank, id in enumerate(found[:SHOWN], 1) if id in relevance), 0.0)


def change(questions: Sequence[Question], before: Found, after: Found) -> Change:
    """The change between two answers to the same questions."""
    rows = [
        [measure([id for id, _ in found], question.relevance) for measure in (ndcg, reciprocal) for found in pair]
        for question, *pair in zip(questions, before, after, strict=True)
    ]
    if not rows:
        return Change(0, 0, 0, 0, 0, 0)
    off, on, mrr_off, mrr_on = np.array(rows).T
    gains = (float((on - off).mean()), float((mrr_on - mrr_off).mean()))
    return Change(len(rows), float(off.mean()), gains[0], float(mrr_off.mean()), gains[1], int((on < off - 1e-9).sum()))


def mean(changes: Sequence[Change]) -> Change:
    """The mean of the same questions' changes in several draws."""
    rows = np.array([list(vars(one).values()) for one in changes]).mean(axis=0).tolist()
    return Change(int(rows[0]), *rows[1:])


def search(session: Session, corpus: str, questions: Sequence[Question], mode: str, k: int = SHOWN) -> Found:
    """The answers to questions: ids and scores, best first."""
    table = pa.table({"n": range(len(questions)), "text": [question.text for question in questions]})
    session.load(table.to_reader(), "asked", mode="replace")
    found: Found = [[] for _ in questions]
    for row in session.run(SEARCH.format(corpus, k, mode)).rows():
        found[int(str(row["n"]))].append((str(row["id"]), float(str(row["_score"]))))
    return found


def judged(collection: Collection, shown: Found, how: Outcomes, draw: int) -> list[dict[str, object]]:
    """The judgements of what was shown for the recorded questions; no other answer gets one."""
    chance = np.random.default_rng(draw)
    questions = collection.part("record")
    kept = sorted(chance.permutation(len(questions))[: round(len(questions) * how.share)].tolist())
    told = dict(zip(kept, chance.permutation(kept).tolist() if how.shuffled else kept, strict=True))
    rows: list[dict[str, object]] = []
    for at in kept:
        for id, _ in shown[at]:
            right = (id in questions[at].relevance) != (chance.random() < how.flipped)
            rows.append(
                {"query": questions[told[at]].text, "corpus": collection.corpus, "id": id, "score": float(right)}
            )
    return rows


def record(session: Session, rows: list[dict[str, object]]) -> None:
    """Record outcomes in one statement; every one of them must be taken."""
    session.load(pa.Table.from_pylist(rows).to_reader(), "judged", mode="replace")
    counted = session.run("select status, count(*) as n from playbook_import('from judged') group by 1").rows()
    assert "failed" not in {row["status"] for row in counted}, counted


@contextmanager
def prepared(made: Sequence[Collection], folder: Path) -> Iterator[Path]:
    """A home with the corpora of the collections, to be copied for each run."""
    home = folder / "prepared"
    lake = open_lake(home)
    session = lake.session()
    for collection in {one.corpus: one for one in made}.values():
        ids, texts = zip(*collection.documents, strict=True)
        session.load(pa.table({"id": ids, "text": texts}).to_reader(), f"of_{collection.corpus}", mode="create")
        session.run(
            f"select * from create_corpus('{collection.corpus}', source := 'of_{collection.corpus}', id := 'id', "
            "text := 'text')"
        )
    lake.close()
    yield home


@dataclass
class Measured:
    """All figures of one collection."""

    collection: Collection
    base: Found
    related: dict[str, Change]
    unrelated: dict[str, Change]
    undone: bool  # off, and all retracted, are what they were, to the last bit


def measure(collection: Collection, part: str, mode: str, home: Path, runs: Sequence[Outcomes] = RUNS) -> Measured:
    """Every run of one collection, each on its own copy of the prepared home."""
    asked = collection.part(part)
    kinds = {kind: [n for n, one in enumerate(asked) if collection.related(one) is kind] for kind in (True, False)}
    measured = Measured(collection, [], {}, {}, True)
    shown: Found = []
    for how in runs:
        changes: dict[bool, list[Change]] = {True: [], False: []}
        for draw in range(1, how.draws + 1):
            with _copied(home) as session:
                if not measured.base:
                    measured.base = search(session, collection.corpus, asked, "off")
                    shown = search(session, collection.corpus, collection.part("record"), "off")
                record(session, judged(collection, shown, how, draw))
                answers = search(session, collection.corpus, asked, mode)
                for kind, chosen in kinds.items():
                    before, after = ([found[n] for n in chosen] for found in (measured.base, answers))
                    changes[kind].append(change([asked[n] for n in chosen], before, after))
                if how is runs[0] and draw == 1:
                    measured.undone = undone(session, collection, asked, measured.base, mode)
        measured.related[how.name], measured.unrelated[how.name] = mean(changes[True]), mean(changes[False])
    return measured


@contextmanager
def _copied(home: Path) -> Iterator[Session]:
    """A session in a copy of a home, which is gone afterwards."""
    own = home.with_name("run")
    shutil.copytree(home, own)
    lake = open_lake(own)
    try:
        yield lake.session()
    finally:
        lake.close()
        shutil.rmtree(own)


def undone(session: Session, collection: Collection, asked: list[Question], base: Found, mode: str) -> bool:
    """Whether switching off, and retracting everything, gives the very same answers as before."""
    off = search(session, collection.corpus, asked, "off")
    for row in session.run("select query, corpus, id from lake.playbooks").rows():
        session.run("select * from playbook_retract(?, ?, ?)", [row["query"], row["corpus"], row["id"]])
    return off == base and search(session, collection.corpus, asked, mode) == base


def line(one: Measured) -> str:
    """The figures of a collection on a terminal."""
    lines = [f"{one.collection.name}: {len(one.collection.documents)} documents, undone exactly: {one.undone}"]
    for name, related in one.related.items():
        other = one.unrelated[name]
        lines.append(
            f"  {name:14} related {related.questions:4} nDCG {related.ndcg:.4f} {related.ndcg_gain:+.4f}  "
            f"MRR {related.mrr:.4f} {related.mrr_gain:+.4f}  hurt {related.hurt:4.1f}   "
            f"unrelated {other.questions:4} {other.ndcg_gain:+.4f} hurt {other.hurt:.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print; with --write the page, too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("tune", "report"), default="tune")
    parser.add_argument("--mode", choices=("robust", "classic"), default="robust")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    made = [one for one in collections(CRANFIELD) if not given.only or one.name in given.only]
    with tempfile.TemporaryDirectory() as folder, prepared(made, Path(folder)) as home:
        results = []
        for one in made:
            results.append(measure(one, given.part, given.mode, home))
            print(line(results[-1]), flush=True)
    if given.write:
        from bench.discoveries import lifts
        from bench.drawings import drawings
        from bench.learning_page import page

        given.write.write_text(page(results, drawings(given.part), lifts(1200)), encoding="utf-8")


if __name__ == "__main__":
    main()
