"""The recorded questions of one model as vectors, each once, and which of them are near to one that is asked.

Up to 4,096 are all looked at. Of more, only those that stand in the cells nearest to the question, about 1,024: a cell
holds what is nearest to its pivot, and the pivots are the 1,024 questions of least digest. Which question stands in
which cell depends on the questions alone, not on the order in which they came or went.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from engine.search.vectors import exact

Vector = NDArray[np.float32]

ALL = 4096  # questions up to which each is compared
PIVOTS = 1024
LOOKED_AT = 1024  # questions compared when there are more than ALL
BLOCK = 8192
DECIMALS = 6  # a product may differ in the last bit between two places in a matrix


class Questions:
    """Texts with their vectors (float32 [dimension], unit length). Not safe for threads by itself."""

    def __init__(self) -> None:
        """None yet."""
        self._texts: list[str | None] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._vectors: Vector = np.empty((0, 0), np.float32)
        self._cells: list[list[int]] | None = None
        self._arrays: dict[int, NDArray[np.int64]] = {}  # the cells that were looked at since they changed
        self._pivots: Vector = self._vectors
        self._last_pivot = b""

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, text: str) -> bool:
        return text in self._slots

    def vector(self, text: str) -> Vector:
        """The vector of a question that is there."""
        row: Vector = self._vectors[self._slots[text]]
        return row

    def add(self, text: str, vector: Vector) -> None:
        """Take a question in, unless it is there."""
        if text in self._slots:
            return
        if not self._free:
            self._grow(len(vector))
        slot = self._free.pop()
        self._texts[slot], self._slots[text] = text, slot
        self._vectors[slot] = vector
        self._place(text, slot)

    def _grow(self, dimension: int) -> None:
        held = len(self._texts)
        room = max(256, held)
        grown = np.zeros((held + room, dimension), np.float32)
        grown[:held] = self._vectors.reshape(held, dimension)
        self._vectors = grown
        self._texts += [None] * room
        self._free = list(range(held + room - 1, held - 1, -1))

    def remove(self, text: str) -> None:
        """Forget a question that is there."""
        slot = self._slots.pop(text)
        if self._cells is not None:
            if len(self) <= ALL or _digest(text) <= self._last_pivot:
                self._cells = None
            else:
                cell = self._nearest_pivot(self._vectors[slot : slot + 1])[0]
                self._cells[cell].remove(slot)
                self._arrays.pop(cell, None)
        self._texts[slot] = None
        self._vectors[slot] = 0
        self._free.append(slot)

    def _place(self, text: str, slot: int) -> None:
        if self._cells is not None:
            if _digest(text) < self._last_pivot:
                self._cells = None  # it is a pivot itself
            else:
                cell = self._nearest_pivot(self._vectors[slot : slot + 1])[0]
                self._cells[cell].append(slot)
                self._arrays.pop(cell, None)

    def _nearest_pivot(self, vectors: Vector) -> list[int]:
        nearest: list[int] = np.argmax(np.round(vectors @ self._pivots.T, DECIMALS), axis=1).tolist()
        return nearest

    def _partition(self) -> list[list[int]]:
        chosen = sorted(self._slots, key=_digest)[:PIVOTS]
        self._last_pivot = _digest(chosen[-1])
        self._pivots = self._vectors[[self._slots[text] for text in chosen]]
        cells: list[list[int]] = [[] for _ in chosen]
        slots = list(self._slots.values())
        for start in range(0, len(slots), BLOCK):
            block = slots[start : start + BLOCK]
            for slot, cell in zip(block, self._nearest_pivot(self._vectors[block]), strict=True):
                cells[cell].append(slot)
        return cells

    def _candidates(self, question: Vector) -> NDArray[np.int64]:
        if self._cells is None:
            self._cells = self._partition()
            self._arrays.clear()
        found, count = [], 0
        order = np.argsort(-np.round(exact.cosines(self._pivots, question), DECIMALS), kind="stable")
        for cell in map(int, order):
            slots = self._arrays.get(cell)
            if slots is None:
                slots = self._arrays[cell] = np.array(self._cells[cell], np.int64)
            found.append(slots)
            count += len(slots)
            if count >= LOOKED_AT:
                break
        return np.concatenate(found)

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
        found = [
            (str(self._texts[slot]), round(float(cosine), DECIMALS))
            for slot, cosine in zip(slots.tolist(), cosines[within].tolist(), strict=True)
        ]
        return sorted(found, key=lambda one: (-one[1], one[0]))[:most]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
