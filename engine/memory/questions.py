"""The recorded questions of one model as vectors, each once, and which of them are near to one that is asked.

Up to 2,048 are all compared. Of more, the 384 whose signs (one bit a dimension) differ least from those of the
question. Of more than 65,536, signs are looked at only in the cells nearest to the question, of some 4,096 questions: a
cell holds what is nearest to its pivot, and the pivots are the 1,024 questions of least digest. Which questions are
compared depends on the questions alone, not on the order in which they came or went.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.search.vectors import exact

Vector = NDArray[np.float32]
Slots = NDArray[np.int64]

ALL = 2048  # questions up to which each is compared
COMPARED = 384  # of more
MANY = 65_536  # questions up to which the signs of each are looked at
PIVOTS = 1024
LOOKED_AT = 4096  # of more
WORD = 64  # bits
BLOCK = 8192
NO_CELL = -1
NOT_TAKEN = 2**16 - 1  # more signs than there are
DECIMALS = 6  # a product may differ in the last bit between two places in a matrix


class _Cells(NamedTuple):
    """The slots of all cells, those of each together."""

    slots: Slots
    starts: NDArray[np.int64]  # of each cell in `slots`
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, cell: NDArray[np.int16], cells: int) -> "_Cells":
        """From the cell of each slot. Sorting so short integers takes a step for each."""
        slots = np.argsort(cell, kind="stable")
        sizes = np.bincount(cell[cell != NO_CELL], minlength=cells)
        return cls(slots, len(slots) - sizes.sum() + np.cumsum(sizes) - sizes, sizes)

    def first(self, order: NDArray[np.int64], count: int) -> Slots:
        """The slots of so many cells, in this order, that there are at least `count` of them."""
        ends = np.cumsum(self.sizes[order])
        chosen = order[: np.searchsorted(ends, count) + 1]
        sizes = self.sizes[chosen]
        skipped = self.starts[chosen] - (ends[: len(chosen)] - sizes)
        found: Slots = self.slots[np.repeat(skipped, sizes) + np.arange(int(sizes.sum()))]
        return found


class Questions:
    """Texts with their vectors (float32 [dimension], unit length). Not safe for threads by itself."""

    def __init__(self) -> None:
        """None yet."""
        self._texts: list[str | None] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._vectors: Vector = np.empty((0, 0), np.float32)
        self._signs = np.empty((0, 0), np.uint64)  # [words, slots]
        self._taken = np.empty(0, np.bool_)
        self._cell = np.empty(0, np.int16)  # of each slot, where there are more than MANY; NO_CELL: of a free one
        self._by_cell: _Cells | None = None  # as they were at the last look
        self._pivots: Vector = self._vectors
        self._last_pivot = b""

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, text: str) -> bool:
        return text in self._slots

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots)

    def vector(self, text: str) -> Vector:
        """The vector of a question that is there."""
        row: Vector = self._vectors[self._slots[text]]
        return row

    def add(self, text: str, vector: Vector) -> None:
        """Take a question in, unless it is there."""
        self.add_all([text], vector[None])

    def add_all(self, texts: Sequence[str], vectors: Vector) -> None:
        """Take questions in, those that are not there: distinct texts, and their vectors (float32 [n, dimension])."""
        new = [at for at, text in enumerate(texts) if text not in self._slots]
        if len(self._free) < len(new):
            self._grow(vectors.shape[1], len(new) - len(self._free))
        slots = [self._free.pop() for _ in new]
        added = vectors if len(new) == len(texts) else vectors[new]
        self._vectors[slots], self._taken[slots], self._signs[:, slots] = added, True, _signs(added).T
        for at, slot in zip(new, slots, strict=True):
            self._texts[slot], self._slots[texts[at]] = texts[at], slot
            self._place(texts[at], slot)

    def _grow(self, dimension: int, lacking: int) -> None:
        held = len(self._texts)
        room = max(256, held, lacking)
        grown = np.zeros((held + room, dimension), np.float32)
        grown[:held] = self._vectors.reshape(held, dimension)
        self._vectors = grown
        signs = np.zeros((-(-dimension // WORD), held + room), np.uint64)
        signs[:, :held] = self._signs.reshape(len(signs), held)
        self._signs = signs
        self._taken = np.concatenate([self._taken, np.zeros(room, np.bool_)])
        self._texts += [None] * room
        self._free = [*range(held + room - 1, held - 1, -1), *self._free]
        if len(self._cell):
            self._cell = np.concatenate([self._cell, np.full(room, NO_CELL, np.int16)])

    def remove(self, text: str) -> None:
        """Forget a question that is there."""
        slot = self._slots.pop(text)
        if len(self) <= MANY or digest(text) <= self._last_pivot:
            self._scatter()
        elif len(self._cell):
            self._cell[slot] = NO_CELL
            self._by_cell = None
        self._texts[slot] = None
        self._vectors[slot], self._taken[slot] = 0, False
        self._free.append(slot)

    def _place(self, text: str, slot: int) -> None:
        if len(self._cell):
            if digest(text) < self._last_pivot:
                self._scatter()  # it is a pivot itself
            else:
                self._cell[slot] = self._nearest_pivot(self._vectors[slot : slot + 1])[0]
                self._by_cell = None

    def _scatter(self) -> None:
        self._cell, self._by_cell = np.empty(0, np.int16), None

    def _nearest_pivot(self, vectors: Vector) -> NDArray[np.int64]:
        nearest: NDArray[np.int64] = np.argmax(np.round(vectors @ self._pivots.T, DECIMALS), axis=1)
        return nearest

    def _partition(self) -> None:
        chosen = sorted(self._slots, key=digest)[:PIVOTS]
        self._last_pivot = digest(chosen[-1])
        self._pivots = self._vectors[[self._slots[text] for text in chosen]]
        self._cell = np.full(len(self._texts), NO_CELL, np.int16)
        slots = np.fromiter(self._slots.values(), np.int64, len(self))
        for start in range(0, len(slots), BLOCK):
            block = slots[start : start + BLOCK]
            self._cell[block] = self._nearest_pivot(self._vectors[block])

    def _candidates(self, question: Vector) -> Slots:
        """What is compared: of equal distance in signs all or none."""
        slots = self._in_near_cells(question) if len(self) > MANY else None
        signs = self._signs if slots is None else self._signs[:, slots]
        differ = np.zeros(signs.shape[1], np.uint16)
        for word, asked in zip(signs, _signs(question[None])[0], strict=True):
            differ += np.bitwise_count(word ^ asked)
        if slots is None:
            differ[~self._taken] = NOT_TAKEN
        found = np.flatnonzero(differ <= np.partition(differ, COMPARED - 1)[COMPARED - 1])
        return found if slots is None else slots[found]

    def _in_near_cells(self, question: Vector) -> Slots:
        if not len(self._cell):
            self._partition()
        if self._by_cell is None:
            self._by_cell = _Cells.of(self._cell, len(self._pivots))
        cosines = np.round(exact.cosines(self._pivots, question), DECIMALS)
        return self._by_cell.first(np.argsort(-cosines, kind="stable"), LOOKED_AT)

    def near(self, question: Vector, least: float, most: int) -> list[tuple[str, float]]:
        """The `most` questions of greatest cosine, from `least` on, with it; nearest first, equal ones by text."""
        if not self._slots:
            return []
        looked_at = None if len(self) <= ALL else self._candidates(question)
        cosines = exact.cosines(self._vectors, question, looked_at)
        within = np.flatnonzero(cosines >= least)
        if len(within) > most:  # what ties with the last one is decided by its text below
            floor = np.partition(cosines[within], -most)[-most] - 10.0**-DECIMALS
            within = within[cosines[within] >= floor]
        slots = within if looked_at is None else looked_at[within]
        rounded = np.round(cosines[within].astype(np.float64), DECIMALS).tolist()
        found = [(str(self._texts[slot]), cosine) for slot, cosine in zip(slots.tolist(), rounded, strict=True)]
        return sorted(found, key=lambda one: (-one[1], one[0]))[:most]


def _signs(vectors: Vector) -> NDArray[np.uint64]:
    """One bit a dimension, filled up to whole words: uint64 [n, words]."""
    bits = np.packbits(vectors > 0, axis=1)
    lacking = -bits.shape[1] % (WORD // 8)
    return np.pad(bits, ((0, 0), (0, lacking))).view(np.uint64) if lacking else bits.view(np.uint64)


def digest(text: str) -> bytes:
    """The SHA-256 of a text: an order of questions that does not depend on how they came."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
