"""Full text of one segment: a tantivy index with English stemming, scored by BM25 (k1 1.2, b 0.75).

Inverse document frequencies may come from all searched corpora (`Statistics`), so that one term weighs the same in
each: tantivy scores with its own, and a boost of `idf_global / idf_local` on each term corrects it before the top k.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from engine.search import room

ANALYZER = "english"
CONTENT, ROW = "content", "row"
LONGEST_WORD = 40
K1 = 1.2
MOST = 0.2  # share of allowed rows from which on a longer list is made first, instead of one among these rows only
WRITER_BYTES = 64_000_000
KNOWN_TERMS = 4096  # whose frequencies are remembered
MOST_TERMS = 256  # distinct terms of a question that are searched; a longer one keeps its rarest


@cache
def _analyzer() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(LONGEST_WORD))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stopword("english"))
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


@cache
def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(CONTENT, stored=False, tokenizer_name=ANALYZER, index_option="freq")
    builder.add_integer_field(ROW, stored=False, indexed=True, fast=True)
    return builder.build()


def terms(text: str) -> list[str]:
    """The stemmed terms of `text`, without stop words, in order."""
    return list(_analyzer().analyze(text))


@dataclass
class Statistics:
    """Document frequencies of some terms over all searched segments."""

    documents: int = 0
    frequency: Counter[str] = field(default_factory=Counter)

    def idf(self, term: str) -> float:
        """ln(1 + (N − df + 0.5) / (df + 0.5)), as Lucene and tantivy have it."""
        return _idf(self.documents, self.frequency[term])


def _idf(documents: int, frequency: int) -> float:
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def ceiling(question: Sequence[str], statistics: Statistics) -> float:
    """What BM25 comes to for a text with every term of `question` without end: Σ idf · (k1 + 1)."""
    known = [(statistics.idf(term), term, count) for term, count in Counter(question).items()]
    return (K1 + 1) * sum(idf * count for idf, _, count in _heaviest(known))


def _heaviest(known: list[tuple[float, str, int]]) -> list[tuple[float, str, int]]:
    """The terms of a question (idf, term, count) that are searched, the rarest first."""
    return sorted(known, key=lambda entry: (-entry[0], entry[1]))[:MOST_TERMS]


def write(folder: Path, contents: Sequence[str]) -> None:
    """Build the index of `contents` (row i = contents[i]) in `folder`, as one tantivy segment."""
    folder.mkdir(parents=True)
    with room.on_disk(folder):
        index = tantivy.Index(_schema(), path=str(folder))
        index.register_tokenizer(ANALYZER, _analyzer())
        writer = index.writer(heap_size=WRITER_BYTES, num_threads=1)
        for row, content in enumerate(contents):
            writer.add_document(tantivy.Document(content=content, row=row))
        writer.commit()
        writer.wait_merging_threads()


class TextIndex:
    """The open index of one segment."""

    def __init__(self, folder: Path) -> None:
        """Open what `write` made."""
        self._index = tantivy.Index.open(str(folder))
        self._index.register_tokenizer(ANALYZER, _analyzer())
        self._searcher = self._index.searcher()
        # Of a whole segment, which never changes: the questions of a batch have many words in common.
        self._of_all = lru_cache(KNOWN_TERMS)(lambda term: int(self._searcher.doc_freq(CONTENT, term)))

    def count(self, question: Sequence[str], statistics: Statistics, allowed: NDArray[np.bool_] | None = None) -> None:
        """Add this segment's document frequencies of the terms `question` to `statistics`.

        `allowed` (one bool a row): count these rows only, so that a hidden row does not show in a score.
        """
        statistics.documents += self._searcher.num_docs if allowed is None else int(allowed.sum())
        for term in dict.fromkeys(question):
            statistics.frequency[term] += self._frequency(term, allowed)

    def _frequency(self, term: str, allowed: NDArray[np.bool_] | None) -> int:
        if allowed is None:
            return self._of_all(term)
        query = self._among(tantivy.Query.term_query(self._index.schema, CONTENT, term, "basic"), allowed)
        found: Any = self._searcher.search(query, limit=1, count=True)  # its type knows no count
        return int(found.count or 0)

    def _among(self, query: tantivy.Query, allowed: NDArray[np.bool_]) -> tantivy.Query:
        rows = tantivy.Query.term_set_query(self._index.schema, ROW, np.flatnonzero(allowed).tolist())
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, query), (tantivy.Occur.Must, tantivy.Query.const_score_query(rows, 0.0))]
        )

    def search(
        self, question: Sequence[str], k: int, statistics: Statistics, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best `k` rows for the terms `question`: (rows, BM25 scores), best first.

        `allowed` (one bool a row) is applied before the top k, so the answer is exact under any filter.
        """
        query = self._query(question, statistics)
        if query is None or k <= 0 or (allowed is not None and not allowed.any()):
            return np.empty(0, np.int64), np.empty(0, np.float64)
        if allowed is None or allowed.all():
            return self._found(query, k)
        share = np.count_nonzero(allowed) / len(allowed)
        if share >= MOST:
            wider = math.ceil(2 * k / share)
            rows, scores = self._found(query, wider)
            kept = np.flatnonzero(allowed[rows])[:k]
            if len(kept) == k or len(rows) < wider:
                return rows[kept], scores[kept]
        return self._found(self._among(query, allowed), k)

    def _found(self, query: tantivy.Query, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        hits = self._searcher.search(query, limit=min(k, max(self._searcher.num_docs, 1)), count=False).hits
        found = self._searcher.fast_field_values(ROW, [address for _, address in hits])
        return np.asarray(found, np.int64), np.asarray([score for score, _ in hits], np.float64)

    def _query(self, question: Sequence[str], statistics: Statistics) -> tantivy.Query | None:
        known = [(statistics.idf(term), term, count) for term, count in Counter(question).items()]
        clauses = []
        for idf, term, count in _heaviest(known):
            local = self._of_all(term)
            if local:
                boost = count * idf / _idf(self._searcher.num_docs, local)
                one = tantivy.Query.term_query(self._index.schema, CONTENT, term, "freq")
                clauses.append((tantivy.Occur.Should, tantivy.Query.boost_query(one, boost)))
        return tantivy.Query.boolean_query(clauses) if clauses else None
