"""Answers: the best sentences of the best rows, quoted exactly, with where they stand. Nothing is made up."""

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.access.profiles import Profile
from engine.errors import Invalid
from engine.memory.downgrade import EXTRACTIVE
from engine.search import matrix, retrieval, text
from engine.search.ranking import Ranking, rank
from engine.search.request import Request
from engine.search.retrieval import Place, Scope

if TYPE_CHECKING:
    from engine.lake import Lake

SENTENCE = re.compile(r"\S.*?(?:[.!?][\"')\]]*(?=\s|$)|\n\s*\n|$)", re.DOTALL)
DOCUMENTS = 6  # documents whose sentences are looked at, shared among the corpora: none can crowd out the others
SENTENCES = 40  # sentences that are embedded, at most
QUOTES = 3
FEWEST_WORDS = 5  # of a sentence that can be an answer: less is a heading or a fragment
NEAR_BEST = 0.75  # share of the best sentence's score that a further quote must reach
WORDS_WEIGHT = 0.3  # of the words in common beside the cosine: a rare word of the question outweighs a similar topic
NOTHING = "Nothing in the searched corpora answers this."
MODEL = EXTRACTIVE


@dataclass(frozen=True)
class Quote:
    """One sentence and where it stands: characters `start` to `end` of the text of the document."""

    corpus: str
    id: str
    quote: str
    start: int
    end: int


def ask(lake: "Lake", question: str, request: Request, model: str | None, reach: Profile) -> dict[str, object]:
    """Answer a question with quoted sentences; `grounded` is false when nothing reaches the floor of its corpus."""
    started = time.monotonic()
    if model not in (None, MODEL):
        raise Invalid(f"the model {model!r} is not configured", f"leave it out, or take {MODEL!r}")
    request.check(lake.config.search.max_k)
    scope = matrix.scope_of(lake, request, reach)
    found = _quotes(lake, question, scope, request)
    return {
        "answer": " ".join(quote.quote for quote in found) or NOTHING,
        "citations": [vars(quote) for quote in found],
        "grounded": bool(found),
        "model": MODEL,
        "seconds": round(time.monotonic() - started, 4),
    }


def _quotes(lake: "Lake", question: str, scope: Scope, request: Request) -> list[Quote]:
    vectors = matrix.embed(lake, scope, [question])
    dense = retrieval.dense(scope, vectors, request.depth)
    ranking = rank(scope, dense[0], question, vectors[0], request, request.depth)
    places = _best_places(ranking, request, len(scope.generations))
    return quotes(lake, question, scope, ranking, places, vectors[0])


def quotes(
    lake: "Lake", question: str, scope: Scope, ranking: Ranking, places: list[Place], vector: NDArray[np.float32]
) -> list[Quote]:
    """The sentences of `places` that answer a question best; none of a corpus that does not reach its floor.

    `vector`: that of the question, float32 [dimension] of unit length.
    """
    places = [place for place in places if _answers(ranking, place)]
    candidates = [quote for place in places for quote in sentences(place)][:SENTENCES]
    unique = list({quote.quote: quote for quote in reversed(candidates)}.values())[::-1]
    if not unique:
        return []
    manifest = scope.generations[0].manifest
    embedder = lake.models.embedder(lake.corpora.definition(manifest.corpus).embedder)
    texts = [quote.quote for quote in unique]
    scores = embedder.embed(texts) @ vector + WORDS_WEIGHT * coverage(scope, question, texts)
    order = sorted(range(len(unique)), key=lambda at: (-float(scores[at]), at))
    good = [at for at in order if scores[at] >= NEAR_BEST * scores[order[0]]]
    return [unique[at] for at in good[:QUOTES]]


def _best_places(ranking: Ranking, request: Request, corpora: int) -> list[Place]:
    share = max(2, DOCUMENTS // max(corpora, 1))
    chosen = ranking.best(ranking.scores, min(request.k, DOCUMENTS), min(share, request.per_corpus_k or share))
    return [ranking.place(key) for key in chosen]


def _answers(ranking: Ranking, place: Place) -> bool:
    """Whether the corpus of a row reaches its floor with its best row for this question."""
    corpus = place.generation.corpus
    best = max((hit.score for key, hit in ranking.dense.items() if key.corpus == corpus), default=0.0)
    return best >= place.generation.manifest.floor


def coverage(scope: Scope, question: str, texts: list[str]) -> NDArray[np.float64]:
    """For each text the share of the question's terms that it has, each weighed by its IDF: float64 [texts]."""
    asked = list(dict.fromkeys(text.terms(question)))
    statistics = retrieval.count(scope, asked)
    weights = {term: statistics.idf(term) for term in asked}
    total = sum(weights.values()) or 1.0
    return np.array([sum(weights.get(term, 0.0) for term in set(text.terms(one))) / total for one in texts])


def sentences(place: Place) -> list[Quote]:
    """The sentences of a chunk, each exactly as it stands in its document."""
    chunk = place.segment.chunk(place.chunk)
    content, offset = str(chunk["content"]), int(str(chunk["start"]))
    found = [
        Quote(place.generation.corpus, place.segment.ids[place.document], match.group().rstrip(), match.start(), 0)
        for match in SENTENCE.finditer(content)
    ]
    return [
        Quote(one.corpus, one.id, one.quote, offset + one.start, offset + one.start + len(one.quote))
        for one in found
        if len(one.quote.split()) >= FEWEST_WORDS
    ]
