"""A request: how to search, the same for every question of a batch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import Invalid, nearest

Method = Literal["vector", "text", "hybrid"]
Question = str | NDArray[np.float32]
PLAYBOOK_MODES = ("off", "classic", "robust")
DEFAULT_DEPTH = 100
RRF_K = 60  # where none is given


@dataclass(frozen=True)
class Request:
    """How to search."""

    method: Method
    corpora: tuple[str, ...] | None = None
    k: int = 10
    per_corpus_k: int | None = None
    filter: str | None = None
    alpha: float | None = None
    rrf_k: int | None = None  # fuse by reciprocal ranks with this constant, instead of by scores
    depth: int = DEFAULT_DEPTH
    weights: tuple[tuple[str, float], ...] = ()
    min_relevance: float | None = None
    playbook: str = "off"
    role: str | None = None
    exclude: tuple[str, ...] = ()
    exact: bool = False  # compare everything, whatever index there is
    ef: int | None = None  # how wide an index searches; None: as it was promoted
    generation: str | None = None  # of one corpus, instead of the live one
    focus: str | None = None  # JSON: a file; what is foreign to it is left out
    collapse: str | None = None  # a column of the metadata: one row for each value

    def check(self, max_k: int) -> None:
        """Raise Invalid for a value outside its range."""
        for name, value in (("k", self.k), ("per_corpus_k", self.per_corpus_k), ("depth", self.depth), ("ef", self.ef)):
            if value is not None and not 1 <= value <= max_k:
                raise Invalid(f"{name} is {value}", f"it must be within 1 and {max_k}")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise Invalid(f"alpha is {self.alpha}", "0 = text only, 1 = vectors only")
        if self.rrf_k is not None and not 1 <= self.rrf_k <= 10_000:
            raise Invalid(f"rrf_k is {self.rrf_k}", "60 is usual")
        if self.playbook not in PLAYBOOK_MODES:
            raise Invalid(f"unknown playbook mode {self.playbook!r}", nearest(self.playbook, PLAYBOOK_MODES))
        for name, weight in self.weights:
            if weight < 0:
                raise Invalid(f"the weight of {name!r} is negative", "0 leaves a corpus out, 1 is neutral")
