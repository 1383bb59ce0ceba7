"""The score of a chunk against a focus file: a sum of six signals, each of which is told.

A chunk that lies near in meaning may be about code that the focus *imports*, not what it *defines*; a reader then
attributes the foreign code to the focus. Weights and threshold are those of the original's relevance filter.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from engine.search.relevance.symbols import Symbols, symbols
from engine.search.relevance.words import encoded, identifiers, jaccard, last_name, segments, words

PATH_MATCH = 1.0
FILENAME_MATCH = 0.6
DEFINED_MATCH = 0.6
TOKEN_OVERLAP = 0.4  # times the Jaccard similarity
PREFIX_MATCH = 0.3
IMPORT_PENALTY = -0.5
THRESHOLD = 0.3
PREFIX_SEGMENTS = 2
TOLD = 10  # symbols named in an explanation
LONGEST_NAME = 255  # characters of a file's name; no file has a longer one


@dataclass(frozen=True)
class Focus:
    """The file that is looked at. Symbols that are not given are found in its content."""

    path: str | None = None
    content: str | None = None
    defined_symbols: tuple[str, ...] | None = None
    imported_symbols: tuple[str, ...] | None = None
    check: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)  # may raise to stop the reading

    @cached_property
    def symbols(self) -> Symbols:
        """What the file defines and imports."""
        given, taken = self.defined_symbols, self.imported_symbols
        none: frozenset[str] = frozenset()
        is_read = bool(self.content) and None in (given, taken)
        found = symbols(self.path, self.content or "", self.check) if is_read else Symbols(none, none)
        defined = found.defined if given is None else _named(given)
        return Symbols(defined, (found.imported if taken is None else _named(taken)) - defined, found.read)

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of its content; without a content those of its path and symbols."""
        if self.content:
            return words(self.content)
        return words(" ".join([self.path or "", *self.symbols.defined, *self.symbols.imported]))

    @cached_property
    def name(self) -> re.Pattern[str] | None:
        """The file's name as a text mentions it: `db.go`, not `mydb.go` or `db.gob`."""
        parts = segments(self.path or "")
        if not parts or len(parts[-1]) > LONGEST_NAME:
            return None
        return re.compile(rf"(?<![\w-]){re.escape(parts[-1])}(?!\w)", re.IGNORECASE)

    @cached_property
    def prefix(self) -> list[str]:
        """The first two segments of its path; none when the path is shorter than that and a name."""
        parts = [part.lower() for part in segments(self.path or "")]
        return parts[:PREFIX_SEGMENTS] if len(parts) > PREFIX_SEGMENTS else []


@dataclass(frozen=True)
class Chunk:
    """A piece of text that was found, and where it is from."""

    content: str
    source: str | None = None
    doc_id: str | None = None


@dataclass(frozen=True)
class Scored:
    """The score of one chunk, and what made it."""

    score: float
    path_match: float
    filename_match: float
    defined_match: float
    token_overlap: float
    prefix_match: float
    import_penalty: float
    jaccard: float
    defined: tuple[str, ...]  # symbols of the focus that the chunk mentions
    imported: tuple[str, ...]

    def kept(self, threshold: float = THRESHOLD) -> bool:
        """Whether the chunk passes."""
        return self.score >= threshold


def score(focus: Focus, chunk: Chunk) -> Scored:
    """How much `chunk` is about `focus`: from −0.5 (about an import of it) to 2.9. A pure function."""
    named = identifiers(chunk.content)
    defined, imported = named & focus.symbols.defined, named & focus.symbols.imported
    overlap = jaccard(words(chunk.content), focus.words)
    signals = (
        PATH_MATCH if _encodes(chunk, focus.path) else 0.0,
        FILENAME_MATCH if focus.name and focus.name.search(chunk.content) else 0.0,
        DEFINED_MATCH if defined else 0.0,
        TOKEN_OVERLAP * overlap,
        PREFIX_MATCH if _shares_prefix(chunk, focus) else 0.0,
        IMPORT_PENALTY if imported and not defined else 0.0,
    )
    # rounded: 0.6 + 0.4 × 0.2 must be 0.68, and a sum that is 0.3 must reach 0.3
    return Scored(round(sum(signals), 9), *signals, overlap, _told(defined), _told(imported))


def split(focus: Focus, chunks: Sequence[Chunk], threshold: float = THRESHOLD) -> tuple[list[int], list[int]]:
    """The positions of the chunks that are kept and of those that are dropped, in their order."""
    kept = [score(focus, chunk).kept(threshold) for chunk in chunks]
    return [at for at, is_kept in enumerate(kept) if is_kept], [at for at, is_kept in enumerate(kept) if not is_kept]


def _named(given: Sequence[str]) -> frozenset[str]:
    return frozenset(last_name(symbol) for symbol in given) - {""}


def _told(found: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(found)[:TOLD])


def _encodes(chunk: Chunk, path: str | None) -> bool:
    """Whether the source or id holds the path, as it is or as an id writes it (`crates_queryd_src_db_go_12`)."""
    parts = segments(path or "")
    wanted = encoded("/".join(parts)) if parts else None
    return wanted is not None and any(wanted in encoded(place) for place in (chunk.source, chunk.doc_id) if place)


def _shares_prefix(chunk: Chunk, focus: Focus) -> bool:
    """Whether the source lies in the same two folders; a name of its corpus before a colon does not count."""
    source = [part.lower() for part in segments((chunk.source or "").rpartition(":")[2])]
    return bool(focus.prefix) and source[:PREFIX_SEGMENTS] == focus.prefix
