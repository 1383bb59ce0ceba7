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
from typing import Any, NamedTuple

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


Clause = tuple[tantivy.Occur, tantivy.Query]


class Best(NamedTuple):
    """Rows of a segment with their BM25 scores, best first."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


NONE = Best(np.empty(0, np.int64), np.empty(0, np.float64))


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


class Term(NamedTuple):
    """A term of a question: its inverse document frequency, and how often the question has it."""

    idf: float
    term: str
    times: int


def heaviest(question: Sequence[str], statistics: Statistics) -> list[Term]:
    """The terms of a question that are searched, the rarest first."""
    known = [Term(statistics.idf(term), term, count) for term, count in Counter(question).items()]
    return sorted(known, key=lambda one: (-one.idf, one.term))[:MOST_TERMS]


def ceiling(asked: Sequence[Term]) -> float:
    """What BM25 comes to for a text with every term of a question without end: Σ idf · (k1 + 1)."""
    return (K1 + 1) * sum(one.idf * one.times for one in asked)


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
        with room.permitted(folder):  # it makes a file there, that others see it open
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

    def searching(self, allowed: NDArray[np.bool_] | None = None) -> "Searching":
        """What finds rows for some questions; `allowed` (one bool a row) is applied before the top k.

        So the answer is exact under any filter. All its questions have their frequencies from the same statistics.
        """
        return Searching(self, allowed)

    def clause(self, asked: Term) -> Clause | None:
        """The part of a query that finds one term; None where no row has it."""
        local = self._of_all(asked.term)
        if not local:
            return None
        boost = asked.times * asked.idf / _idf(self._searcher.num_docs, local)
        one = tantivy.Query.term_query(self._index.schema, CONTENT, asked.term, "freq")
        return tantivy.Occur.Should, tantivy.Query.boost_query(one, boost)

    def best(self, query: tantivy.Query, k: int, allowed: NDArray[np.bool_] | None = None) -> Best:
        """The best `k` rows for a query, best first, of those `allowed`."""
        if allowed is not None:
            query = self._among(query, allowed)
        hits = self._searcher.search(query, limit=min(k, max(self._searcher.num_docs, 1)), count=False).hits
        if not hits:
            return NONE
        scores, addresses = zip(*hits, strict=True)
        found = self._searcher.fast_field_values(ROW, list(addresses))
        return Best(np.array(found, np.int64), np.array(scores, np.float64))


class Searching:
    """A search of one segment by the words of some questions, which have many words in common."""

    def __init__(self, index: TextIndex, allowed: NDArray[np.bool_] | None) -> None:
        """Made by the index."""
        self._index = index
        self._share = 1.0 if allowed is None or not len(allowed) else np.count_nonzero(allowed) / len(allowed)
        self._allowed = None if self._share == 1 else allowed
        self._clauses: dict[Term, Clause | None] = {}

    def best(self, asked: Sequence[Term], k: int) -> Best:
        """The best `k` rows for the terms of a question with their BM25 scores, best first."""
        query = self._query(asked) if k > 0 and self._share else None
        if query is None:
            return NONE
        if self._allowed is None:
            return self._index.best(query, k)
        if self._share >= MOST:
            wider = math.ceil(2 * k / self._share)
            rows, scores = self._index.best(query, wider)
            kept = np.flatnonzero(self._allowed[rows])[:k]
            if len(kept) == k or len(rows) < wider:
                return Best(rows[kept], scores[kept])
        return self._index.best(query, k, self._allowed)

    def _query(self, asked: Sequence[Term]) -> tantivy.Query | None:
        known = self._clauses
        for one in asked:
            if one not in known:
                known[one] = self._index.clause(one)
        clauses = [clause for one in asked if (clause := known[one])]
        return tantivy.Query.boolean_query(clauses) if clauses else None
