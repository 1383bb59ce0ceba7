"""Questions from a table in one statement, beside the same questions one by one: what a second answers.

A question alone is prepared once and asked again with another value, which is the fastest way to ask; the vectors of
all questions are known. What the statement uses of the cores is a part of its throughput: CPU time is told beside it.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from bench.figures import Figures
from bench.search_lake import Real, create, lake_of

ROWS, QUESTIONS, ALONE = 20_000, 10_000, 500
TIMES = 5.0
FUNCTIONS = ("vector_search", "text_search", "hybrid_search", "matrix_search")


def batches(figures: Figures, given: Real, kept: Path) -> None:
    """Each search over a corpus of 20,000 sentences; the questions are others."""
    asked = slice(len(given.texts) - QUESTIONS, len(given.texts))
    if len(given.texts) < ROWS + QUESTIONS:
        raise SystemExit(f"batches need {ROWS + QUESTIONS:,} sentences: --rows")
    some = Real(given.texts[:ROWS], given.vectors[:ROWS], given.texts[asked], given.vectors[asked])
    with tempfile.TemporaryDirectory() as folder, lake_of(Path(folder) / "home", kept, some) as lake:
        session = lake.session()
        create(lake, "sentences", some)
        table = pa.table({"number": range(QUESTIONS), "text": some.questions})
        session.load(table.to_reader(), "questions", mode="create")
        for function in FUNCTIONS:
            single = f"select * from {function}(?)"
            several = f"select q.number, r.* from questions as q, lateral {function}(q.text) as r"

            def alone(single: str = single) -> None:
                for text in some.questions[:ALONE]:
                    session.run(single, [text]).read_all()

            def together(several: str = several) -> None:
                session.run(several).read_all()

            alone()
            one, many = _least(alone, ALONE), _least(together, QUESTIONS)
            figures.add(
                f"`{function}`, {QUESTIONS:,} questions in one statement",
                f"{1 / many[0]:,.0f} / s = {one[0] / many[0]:.1f} × (CPU {one[1] / many[1]:.1f} ×)",
                f"≥ {TIMES:g} × {1 / one[0]:,.0f} / s one by one",
                one[0] >= TIMES * many[0],
            )


def _least(work: Callable[[], object], questions: int) -> tuple[float, float]:
    """Seconds and CPU seconds of a question: the best of three."""
    taken = []
    for _ in range(3):
        began = time.monotonic(), time.process_time()
        work()
        taken.append(((time.monotonic() - began[0]) / questions, (time.process_time() - began[1]) / questions))
    return min(wall for wall, _ in taken), min(used for _, used in taken)
