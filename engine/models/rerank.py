"""Rerank models behind an endpoint: a question and texts in, the best texts out. The protocol of Cohere and Jina.

POST <base URL>/rerank {model, query, documents, top_n} -> {results: [{index, relevance_score}, …]}
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from engine.errors import Internal, Invalid, nearest
from engine.models.endpoint import Cancelled, Endpoint, Reach, reached

SCHEMES = ("openai", "cohere", "jina")  # one protocol; the key of the environment is OpenAI's and goes to no other
LOCAL = "local"  # what answers where no model is named or configured
BLANK = "."  # what is sent for a blank text: most endpoints refuse an empty one


class Reranker(Protocol):
    """A model that says how well texts answer a question."""

    @property
    def model(self) -> str:
        """The name of the model."""
        ...

    def best(
        self, question: str, texts: Sequence[str], k: int, *, cancelled: Cancelled | None = None
    ) -> list[tuple[int, float]]:
        """(position, score) of the `k` best texts, best first; equal scores by position.

        `cancelled` is polled; once it is true, TimedOut is raised within 0.1 s.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class RemoteReranker:
    """A rerank model behind an endpoint. It scores a text by itself, so that the scores of several requests compare."""

    def __init__(self, endpoint: Endpoint, batch: int) -> None:
        """`batch`: texts of one request."""
        self._endpoint, self._batch = endpoint, batch
        self.model = endpoint.model

    def best(
        self, question: str, texts: Sequence[str], k: int, *, cancelled: Cancelled | None = None
    ) -> list[tuple[int, float]]:
        """See `Reranker.best`. Raises what `Endpoint.post` raises, and Internal for an answer that makes no sense."""
        found = []
        for start in range(0, len(texts), self._batch):
            part = [_sent(text) for text in texts[start : start + self._batch]]
            wanted = min(k, len(part))
            body = {"model": self.model, "query": _sent(question), "documents": part, "top_n": wanted}
            answer = self._endpoint.post("/rerank", body, len(part), cancelled)
            found += [(start + at, score) for at, score in self._checked(answer, len(part), wanted)]
        return sorted(found, key=lambda one: (-one[1], one[0]))[:k]

    def _checked(self, answer: dict[str, Any], count: int, wanted: int) -> list[tuple[int, float]]:
        """The results of an answer about `count` texts: at least `wanted`, each text at most once, scores finite."""
        results = answer.get("results")
        if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
            raise self._nonsense("an answer without results")
        if not wanted <= len(results) <= count:
            raise self._nonsense(f"{len(results)} results for {count} texts, where {wanted} were asked for")
        found: dict[int, float] = {}
        for one in results:
            at, score = one.get("index"), one.get("relevance_score")
            if type(at) is not int or not 0 <= at < count:
                raise self._nonsense(f"the index {str(at)[:20]!r} for {count} texts")
            if at in found:
                raise self._nonsense(f"the index {at} twice")
            if type(score) not in (int, float) or not math.isfinite(score):
                raise self._nonsense(f"the score {str(score)[:20]!r}")
            found[at] = float(score)
        return list(found.items())

    def _nonsense(self, what: str) -> Internal:
        return Internal(
            f"the endpoint {self._endpoint.base} sent {what}", "is it a rerank model? or take model 'local'"
        )

    def close(self) -> None:
        """Close the connections; what runs ends by itself."""
        self._endpoint.close()


def _sent(text: str) -> str:
    """A text that UTF-8 can hold and no endpoint refuses."""
    return text.encode("utf-8", "replace").decode() if text.strip() else BLANK


def open_reranker(uri: str, reach: Reach) -> Reranker:
    """Open `openai:<base URL>#<model>`, `cohere:<base URL>#<model>` or `jina:<base URL>#<model>`.

    Raises Invalid for another scheme, Forbidden for an endpoint that the configuration does not name.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in SCHEMES:
        raise Invalid(f"the rerank model {uri!r} names an unknown provider", nearest(scheme, SCHEMES))
    if scheme != "openai":
        reach = replace(reach, keys=replace(reach.keys, environment={}))
    return RemoteReranker(reached(scheme, rest, reach), reach.batch)
