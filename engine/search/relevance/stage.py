"""The filter as a stage of a search: what is foreign to the file in focus does not reach the best rows."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import Invalid
from engine.search.entries import Entries
from engine.search.metadata import Metadata
from engine.search.relevance import filter as relevance
from engine.search.relevance.score import Chunk, Scored, score
from engine.search.retrieval import Scope
from engine.search.vectors.protocol import Rows

if TYPE_CHECKING:
    from engine.lake import Lake

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
        """The entries that are about the focus; all of them where the filter is off."""
        if not self._settings.filter:
            return entries
        self._score(entries.document, entries.chunk)
        threshold = self._settings.threshold
        return entries.at(np.array([self._scored[at].kept(threshold) for at in entries.chunk.tolist()], np.bool_))

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
        numbering = self._scope.numbering
        keys, texts = numbering.keys(documents[new]), numbering.contents(chunks[new])
        for at, key, text, known in zip(
            chunks[new].tolist(), keys, texts, self._metadata.of(documents[new]), strict=True
        ):
            self._check()
            self._scored[at] = score(self._focus, Chunk(text, _source(known), key.id))

    @property
    def _scope(self) -> Scope:
        return self._metadata.scope


def _source(metadata: str) -> str | None:
    known = json.loads(metadata or "{}")
    return next((str(known[name]) for name in relevance.SOURCES if known.get(name)), None)
