"""Vectors of recent questions: asking again costs no model time."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from engine.models.embedder import Cancelled, Embedder

Row = NDArray[np.float32]


class QuestionCache:
    """A bounded cache around one embedder, least recently used out first; safe to use from many threads.

    The key is the text: the cache belongs to one embedder and thereby to one `sha256`. A question that another
    thread is just embedding is waited for, not embedded twice.
    """

    def __init__(self, embedder: Embedder, size: int = 4096) -> None:
        """`size`: vectors kept (4096 of 384 numbers are 6 MB); 0 keeps none."""
        self.embedder = embedder
        self.size = size
        self._slots: OrderedDict[str, Future[Row | None]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._slots)

    def embed_questions(self, texts: Sequence[str], *, cancelled: Cancelled | None = None) -> Row:
        """The vectors of `texts`, float32 [len(texts), dimension]: as `embedder.embed`, each new text once.

        The array is the caller's own. Raises what the embedder raises; nothing is kept of a failed call.
        """
        rows = np.zeros((len(texts), self.embedder.dimension), dtype=np.float32)
        vectors: dict[str, Row] = {}
        while missing := [text for text in dict.fromkeys(texts) if text not in vectors]:
            slots, mine = self._reserve(missing)
            self._fill(mine, slots, cancelled)
            # A slot without a vector: the thread that had promised it failed, so it is this thread's turn.
            settled = ((text, slot.result()) for text, slot in slots.items())
            vectors.update((text, row) for text, row in settled if row is not None)
        for number, text in enumerate(texts):
            rows[number] = vectors[text]
        return rows

    def _reserve(self, texts: Sequence[str]) -> tuple[dict[str, Future[Row | None]], list[str]]:
        """A slot for each text, and those texts that this thread has to embed."""
        slots: dict[str, Future[Row | None]] = {}
        mine = []
        with self._lock:
            for text in texts:
                slot = self._slots.get(text)
                if slot is None:
                    slot = self._slots[text] = Future()
                    mine.append(text)
                self._slots.move_to_end(text)
                slots[text] = slot
            while len(self._slots) > self.size:
                self._slots.popitem(last=False)
        return slots, mine

    def _fill(self, mine: list[str], slots: dict[str, Future[Row | None]], cancelled: Cancelled | None) -> None:
        if not mine:
            return
        try:
            rows = self.embedder.embed(mine, cancelled=cancelled)
        except BaseException:
            with self._lock:
                for text in mine:
                    if self._slots.get(text) is slots[text]:
                        del self._slots[text]
            for text in mine:
                slots[text].set_result(None)
            raise
        for text, row in zip(mine, rows, strict=True):
            slots[text].set_result(row)
