"""A lake whose corpora hold real sentences with embeddings made before, and the same vectors for bare libraries."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.search_texts import embedded, real
from engine.lake import Lake
from engine.models.embedder import Embedder, Means, open_embedder
from engine.models.vector_cache import VectorCache
from engine.search.vectors.protocol import Vectors
from lakehouse import open_lake

QUESTIONS, K = 200, 10
ASIDE = 1000  # sentences that are in no corpus; questions are among them
QUIET = {"search.engine": "exact"}  # an index is built where the benchmark says so


@dataclass(frozen=True)
class Real:
    """Sentences, their unit vectors, and questions that are not among them."""

    texts: list[str]
    vectors: Vectors
    questions: list[str]
    asked: Vectors

    def first(self, rows: int) -> "Real":
        """The first of the sentences, with the same questions."""
        return Real(self.texts[:rows], self.vectors[:rows], self.questions, self.asked)

    def truth(self) -> list[set[int]]:
        """The nearest of all rows for each question, by brute force."""
        scores = self.asked @ self.vectors.T
        return [set(np.argpartition(-row, K)[:K].tolist()) for row in scores]


def opened(kept: Path) -> Embedder:
    """The bundled embedder, with its graph in the folder `kept`."""
    return open_embedder("minilm", Means(kept))


def sentences(kept: Path, rows: int) -> Real:
    """`rows` sentences and their vectors; what the folder `kept` has is not made again."""
    kept.mkdir(parents=True, exist_ok=True)
    path = kept / "sentences.json"
    texts = json.loads(path.read_text(encoding="utf-8"))[: rows + ASIDE] if path.exists() else []
    if len(texts) < rows + ASIDE:
        texts = real(rows + ASIDE)
        path.write_text(json.dumps(texts), encoding="utf-8")
    if len(texts) < rows + ASIDE:
        raise SystemExit(f"the installed packages have {len(texts)} sentences, {rows + ASIDE} are needed: --rows")
    vectors = embedded(opened(kept), texts, kept / "vectors")
    last = rows + QUESTIONS
    return Real(texts[:rows], vectors[:rows], texts[rows:last], vectors[rows:last])


@contextmanager
def lake_of(home: Path, kept: Path, given: Real) -> Iterator[Lake]:
    """An open lake that need not embed what is given: its cache has the vectors."""
    cache = VectorCache(home / "cache" / "vectors.sqlite3", 1 << 30)
    sha = opened(kept).sha256
    texts, rows = [*given.texts, *given.questions], np.concatenate([given.vectors, given.asked])
    for start in range(0, len(texts), 10_000):
        some = texts[start : start + 10_000]
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in some]
        cache.keep(sha, dict(zip(digests, rows[start : start + 10_000], strict=True)))
    cache.close()
    lake = open_lake(home, settings=QUIET)
    try:
        yield lake
    finally:
        lake.close()


def create(lake: Lake, corpus: str, given: Real, start: int = 0) -> float:
    """Make a corpus of the sentences; wall seconds from the last vector to the corpus that answers."""
    table = pa.table({"id": [f"d{start + at:06d}" for at in range(len(given.texts))], "text": given.texts})
    session = lake.session()
    session.load(table.to_reader(), f"source_{corpus}", mode="replace")
    embedder = lake.models.embedder()
    with noting(embedder) as last:
        made = session.run(
            f"select * from create_corpus('{corpus}', source := 'source_{corpus}', id := 'id', text := 'text')"
        ).rows()[0]
        session.run(f"select id from vector_search(?, corpora := ['{corpus}'])", [given.questions[0]]).read_all()
        ended = time.monotonic()
    assert made["rows"] == len(given.texts), made
    return ended - last()


@contextmanager
def noting(embedder: Embedder) -> Iterator[Callable[[], float]]:
    """When the embedder gave its last vectors of many texts (calibration and questions ask for few)."""
    plain, times = embedder.embed, [time.monotonic()]

    def embed(texts: Sequence[str], **options: object) -> Vectors:
        made: Vectors = plain(texts, **options)  # type: ignore[arg-type]
        if len(texts) > QUESTIONS:
            times.append(time.monotonic())
        return made

    embedder.embed = embed  # type: ignore[method-assign]
    try:
        yield lambda: times[-1]
    finally:
        embedder.embed = plain  # type: ignore[method-assign]
