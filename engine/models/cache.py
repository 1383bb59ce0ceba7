"""Vectors of recent questions: asking again costs no model time."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.embedder import Cancelled, Embedder

Row = NDArray[np.float32]
Batch = Future[Row | None]  # the vectors of one call; None: it has failed


class _Slot(NamedTuple):
    """Where the vector of a text is, or will be."""

    batch: Batch
    at: int


class QuestionCache:
    """A bounded cache around one embedder, least recently used out first; safe to use from many threads.

    The key is the text: the cache belongs to one embedder and thereby to one `sha256`. A question that another
    thread is just embedding is waited for, not embedded twice.
    """

    def __init__(self, embedder: Embedder, size: int = 4096) -> None:
        """`size`: vectors kept (4096 of 384 numbers are 6 MB); 0 keeps none."""
        self.embedder = embedder
        self.size = size
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._slots)

    def embed_questions(self, texts: Sequence[str], *, cancelled: Cancelled | None = None) -> Row:
        """The vectors of `texts`, float32 [len(texts), dimension]: as `embedder.embed`, each new text once.

        The array is the caller's own. Raises what the embedder raises; nothing is kept of a failed call.
        """
        vectors: dict[str, Row] = {}
        while missing := [text for text in dict.fromkeys(texts) if text not in vectors]:
            batch: Batch = Future()
            slots, mine = self._reserve(missing, batch)
            self._fill(mine, batch, cancelled)
            for text, slot in zip(missing, slots, strict=True):
                rows = slot.batch.result()
                if rows is not None:  # else the thread that had promised it failed, so it is this thread's turn
                    vectors[text] = rows[slot.at]
        if not vectors:
            return np.zeros((0, self.embedder.dimension), np.float32)
        return np.stack([vectors[text] for text in texts])

    def _reserve(self, texts: Sequence[str], batch: Batch) -> tuple[list[_Slot], list[str]]:
        """A slot for each text, and those texts that this thread has to embed, which are the `batch`."""
        slots = []
        mine: list[str] = []
        with self._lock:
            for text in texts:
                slot = self._slots.get(text)
                if slot is None:
                    slot = self._slots[text] = _Slot(batch, len(mine))
                    mine.append(text)
                else:
                    self._slots.move_to_end(text)
                slots.append(slot)
            while len(self._slots) > self.size:
                self._slots.popitem(last=False)
        return slots, mine

    def _fill(self, mine: list[str], batch: Batch, cancelled: Cancelled | None) -> None:
        if not mine:
            return
        try:
            rows = self.embedder.embed(mine, cancelled=cancelled)
        except BaseException:
            with self._lock:
                for text in mine:
                    slot = self._slots.get(text)
                    if slot is not None and slot.batch is batch:
                        del self._slots[text]
            batch.set_result(None)
            raise
        batch.set_result(rows)
