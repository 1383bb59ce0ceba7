"""Collapse: of the documents with one value in a column of their metadata, the best stands for all."""

import numpy as np

from engine.errors import Invalid, nearest
from engine.search import filters
from engine.search.entries import Entries
from engine.search.metadata import Metadata
from engine.search.retrieval import Scope
from engine.search.vectors.protocol import Rows

DEEPER, DEEPEST = 4, 1600  # a list that has too few different values is made longer, up to so many documents


def check(scope: Scope, column: str) -> None:
    """Raise Invalid when no corpus of the scope shows such a column."""
    known = set()
    for generation in scope.generations:
        grant = scope.shown[generation.corpus].grant if generation.corpus in scope.shown else None
        if not filters.missing([column], generation, grant):
            return
        known.update(filters.columns(generation, grant))
    if scope.generations:
        raise Invalid(f"no corpus has a column {column!r} to collapse", nearest(column, ["id", *sorted(known)]))


class Collapse:
    """The groups that a column makes of documents, for one caller."""

    def __init__(self, metadata: Metadata, column: str) -> None:
        """Raises Invalid when no corpus shows such a column."""
        check(metadata.scope, column)
        self._metadata, self._column = metadata, column
        self._numbers: dict[str, int] = {}  # of the values
        self._groups: dict[int, int] = {}  # of the documents that were asked for

    def groups(self, documents: Rows) -> Rows:
        """A number for each document, equal for those of one value; one without a value is alone."""
        different, of = np.unique(documents, return_inverse=True)
        unknown = different[[one not in self._groups for one in different.tolist()]]
        for document, value in zip(unknown.tolist(), self._metadata.values(unknown, self._column), strict=True):
            number = self._numbers.setdefault(repr(value), len(self._numbers))
            self._groups[document] = document if value is None else ~number
        groups: Rows = np.array([self._groups[one] for one in different.tolist()], np.int64)[of]
        return groups

    def counts(self, entries: Entries, questions: int) -> Rows:
        """In how many groups the scored documents of each question are."""
        scored = entries.at(~np.isnan(entries.score))
        pairs = np.stack([scored.question, self.groups(scored.document)])
        return np.bincount(np.unique(pairs, axis=1)[0], minlength=questions)
