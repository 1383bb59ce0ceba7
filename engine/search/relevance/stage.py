"""The filter as a stage of a search: what is foreign to the file in focus does not reach the best rows."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import Invalid
from engine.search.entries import Entries
from engine.search.metadata import Metadata
from engine.search.relevance import filter as relevance
from engine.search.relevance.score import Chunk, Scored, score
from engine.search.vectors.protocol import Mask, Rows

if TYPE_CHECKING:
    from engine.lake import Lake

PLACES = ("source", "path", "file")  # metadata columns that tell where a chunk is from
REMEMBERED = 50_000  # scores of chunks: many questions find the same


class Stage:
    """The filter for some questions that have one focus."""

    def __init__(self, lake: "Lake", focus: str, metadata: Metadata, check: Callable[[], None]) -> None:
        """`focus`: JSON, as that of `relevance()`. `check` raises when the search is to end.

        Raises Invalid for one without a path that defines no symbols: by words alone nearly all would be foreign.
        """
        self._focus = relevance.parse_focus(relevance.value_of(focus, "the focus"), check)
        if not self._focus.path and not self._focus.symbols.defined:
            raise Invalid("the focus has no path and defines no symbols", "give {'path': …, 'content': …}")
        self._settings, self._metadata, self._check = lake.config.relevance, metadata, check
        self._scored: dict[int, Scored] = {}  # by the number of the chunk

    def kept(self, entries: Entries) -> Entries:
        """The entries with a score that are about the focus; all of those where the filter is off."""
        scored = entries.at(~np.isnan(entries.score))
        return scored.at(self.keeps(scored.document, scored.chunk))

    def keeps(self, documents: Rows, chunks: Rows) -> Mask:
        """Which chunks are about the focus, by their numbers and those of their documents."""
        if not self._settings.filter:
            return np.ones(len(chunks), np.bool_)
        self._score(documents, chunks)
        threshold = self._settings.threshold
        return np.array([self._scored[at].kept(threshold) for at in chunks.tolist()], np.bool_)

    def counts(self, entries: Entries, questions: int, per_corpus: int | None) -> Rows:
        """How many documents about the focus each question has found, at most so many of a corpus."""
        kept = self.kept(entries)
        numbering = self._metadata.scope.numbering
        found = np.zeros((questions, len(numbering.corpora)), np.int64)
        np.add.at(found, (kept.question, numbering.corpus(kept.document)), 1)
        counts: Rows = (found if per_corpus is None else np.minimum(found, per_corpus)).sum(axis=1)
        return counts

    def explained(self, documents: Rows, chunks: Rows) -> list[dict[str, object]]:
        """What made the scores of some chunks, as parts of `_explain`."""
        self._score(documents, chunks)
        told = relevance.told_of(self._focus, filtering=self._settings.filter)
        found = [self._scored[at] for at in chunks.tolist()]
        return [{"score": round(one.score, 6), **relevance.explained(one), **told} for one in found]

    def _score(self, documents: Rows, chunks: Rows) -> None:
        if len(self._scored) > REMEMBERED:
            self._scored.clear()
        _, first = np.unique(chunks, return_index=True)
        new = first[[at not in self._scored for at in chunks[first].tolist()]]
        numbering = self._metadata.scope.numbering
        keys, texts = numbering.keys(documents[new]), numbering.contents(chunks[new])
        places = self._metadata.first_of(documents[new], PLACES)
        for at, key, text, place in zip(chunks[new].tolist(), keys, texts, places, strict=True):
            self._check()
            self._scored[at] = score(self._focus, Chunk(text, place, key.id))
