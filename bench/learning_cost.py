"""What memory costs: CPU of a question beside 1,000, 10,000 and 100,000 outcomes, of a fit, of an import.

python -m bench.learning_cost
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.memory.evidence import Asked
from engine.memory.playbooks import Playbooks
from engine.memory.questions import Questions, Vector
from engine.search.fusion import Key
from engine.session import Session
from lakehouse import open_lake

DOCUMENTS = 2000
DIMENSION = 384
INNER = 32
WORDS = np.array(
    [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("ale", "ion", "ork", "ust", "eam", "ift", "and", "ool")]
)


def cpu(work: Callable[[], object], repeat: int = 1) -> float:
    """CPU milliseconds of one call: the middle of `repeat`."""
    taken = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - started))
    return float(np.median(taken))


def said(chance: np.random.Generator, words: int) -> str:
    """A text of random words."""
    return " ".join(chance.choice(WORDS, words))


def near_questions(chance: np.random.Generator, count: int, like: int = 8) -> Vector:
    """Unit vectors of few inner dimensions, as an embedder's are, in groups of `like` whose members are near."""
    within = np.random.default_rng(3).standard_normal((INNER, DIMENSION))
    made = np.repeat(chance.standard_normal((count // like + 1, INNER)) @ within, like, axis=0)[:count]
    made = made + 0.6 * float(made.std()) * chance.standard_normal((count, DIMENSION))
    unit: Vector = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def neighbours(count: int) -> None:
    """Time, and recall of the nearest questions from cosine 0.6 on against looking at all of them."""
    chance = np.random.default_rng(7)
    vectors = near_questions(chance, count)
    questions = Questions()
    for at, vector in enumerate(vectors):
        questions.add(f"question {at}", vector)
    asked = vectors[:400:2] + 0.3 * chance.standard_normal((200, DIMENSION)) / 19.6
    asked = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
    started = time.process_time()
    questions.near(asked[0], 0.35, 64)
    first = time.process_time() - started
    found = wanted = 0
    for one in asked:
        right = {f"question {at}" for at in np.flatnonzero(vectors @ one >= 0.6).tolist()}
        found += len(right & {text for text, _ in questions.near(one, 0.35, 64)})
        wanted += len(right)
    taken = cpu(lambda: [questions.near(one, 0.35, 64) for one in asked], 3) / len(asked)
    recall = found / wanted
    print(f"{count:>7} questions: {taken:.2f} ms CPU each, first {first:.2f} s, recall of cosine ≥ 0.6 {recall:.3f}")


def lake_of(folder: Path, embedder: str) -> Session:
    """A lake with a corpus of random texts."""
    chance = np.random.default_rng(1)
    session = open_lake(folder / embedder.replace(":", "-"), settings={"models.embedder": embedder}).session()
    texts = [said(chance, 40) for _ in range(DOCUMENTS)]
    table = pa.table({"id": [f"d{n:04}" for n in range(DOCUMENTS)], "text": texts})
    session.load(table.to_reader(), "texts", mode="create")
    session.run("select * from create_corpus('texts', source := 'texts', id := 'id', text := 'text')")
    return session


def outcomes(session: Session, playbooks: Playbooks, count: int, each: int) -> None:
    """Import outcomes, `each` for a question, and ask with and without them."""
    chance = np.random.default_rng(count)
    rows = [
        {"query": text, "corpus": "texts", "id": f"d{id:04}", "score": float(chance.random() < 0.3)}
        for text in (said(chance, 12) for _ in range(count // each))
        for id in chance.choice(DOCUMENTS, each, replace=False).tolist()
    ]
    session.load(pa.Table.from_pylist(rows).to_reader(), "judged", mode="replace")
    started, used = time.monotonic(), time.process_time()
    session.run("select count(*) from playbook_import('from judged')").rows()
    wall, used = time.monotonic() - started, time.process_time() - used
    search = "select * from hybrid_search(?, playbook := '{}')"
    asked = [str(row["query"]) for row in rows[:: each * 7][:60]]
    first = cpu(lambda: session.run(search.format("robust"), [asked[0]]).rows())
    for mode in ("off", "robust"):  # the questions' vectors are known then
        [session.run(search.format(mode), [text]).rows() for text in asked]
    times = {
        mode: cpu(lambda mode=mode: [session.run(search.format(mode), [text]).rows() for text in asked], 3) / len(asked)  # type: ignore[misc]
        for mode in ("off", "robust")
    }
    print(
        f"{count:>7} outcomes, {each} a question: import {len(rows) / wall:,.0f} rows/s "
        f"({len(rows) / used:,.0f} of CPU), "
        f"first question {first:.0f} ms, then off {times['off']:.2f} ms, robust {times['robust']:.2f} ms"
    )
    session.run("select * from playbook_record('one more', 'texts', 'd0001', 1.0)")
    after = cpu(lambda: session.run(search.format("robust"), [asked[0]]).rows())
    wanted = {Key("texts", f"d{n:04}") for n in range(200)}
    generations = [session._lake.corpora.live("texts")]
    text, vector, _ = playbooks.held(generations[0])[0]
    alone = cpu(lambda: playbooks.recall(Asked(vector, text), generations, None, wanted), 50)
    print(f"        question after one more outcome {after:.1f} ms, recall alone {alone:.2f} ms CPU")


def main() -> None:
    """Run everything in a temporary home."""
    for count in (1000, 10_000, 100_000):
        neighbours(count)
    with tempfile.TemporaryDirectory() as name:
        for embedder, sizes in (("minilm", ((1000, 10), (10_000, 10), (100_000, 10))), ("hash:384", ((100_000, 1),))):
            for count, each in sizes:
                session = lake_of(Path(name) / f"{count}", embedder)
                outcomes(session, session._lake.playbooks, count, each)
                session._lake.close()


if __name__ == "__main__":
    main()
