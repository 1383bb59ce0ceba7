"""A deterministic stand-in for a model: texts are similar when they share words. Only for tests."""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from engine.errors import TimedOut
from engine.models.embedder import Cancelled, Progress
from engine.models.tokens import load_tokenizer

WORD = re.compile(r"\w+")
WORDS = 65_536  # whose components are kept
AT_ONCE = 65_536  # words that are added at once


class HashEmbedder:
    """A bag of lower-cased words, each hashed to one signed component (feature hashing), scaled to unit length.

    Knows no synonyms and no window: all words count, whatever `max_tokens` says. Chunks are measured as for MiniLM.
    """

    max_tokens = 256

    def __init__(self, dimension: int) -> None:
        """`dimension`: components per vector; few of them make unlike words collide."""
        self.dimension = dimension
        self.model_id = f"hash-{dimension}"
        self.sha256 = hashlib.sha256(self.model_id.encode()).hexdigest()
        self.tokenizer: Tokenizer = load_tokenizer()

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """See `Embedder.embed`; a batch is one text."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        said: list[tuple[int, int, int]] = []
        for number, text in enumerate(texts):
            if cancelled and cancelled():
                raise TimedOut
            said += [(number, *_component(word, self.dimension)) for word in WORD.findall(text.lower())]
            if len(said) >= AT_ONCE:
                _add(rows, said)
            if progress:
                progress(number + 1, len(texts))
        _add(rows, said)
        empty, sign = _component("", self.dimension)
        rows[~rows.any(axis=1), empty] = sign  # no word, or words that cancel out
        rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        return rows


def _add(rows: NDArray[np.float32], said: list[tuple[int, int, int]]) -> None:
    """Add components to rows and forget them: (row, component, sign) each."""
    at, component, sign = np.array(said, np.int64).reshape(-1, 3).T
    np.add.at(rows, (at, component), sign)
    said.clear()


@lru_cache(WORDS)
def _component(word: str, dimension: int) -> tuple[int, int]:
    number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return (number >> 1) % dimension, 1 if number & 1 else -1
