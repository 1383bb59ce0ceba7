"""Reranking: some texts in the order in which they answer a question.

The built-in model `local` needs no corpus. It reads the texts as if they were one:

    score = (5 · max(cosine, 0) + 5 · words + 2 · pairs) / 12

`cosine`: of text and question by the default embedder, where the three best texts have sharpened the question (Rocchio
1971). `words`: the share of the greatest possible BM25 (k1 1.2, b 0.75), with the lengths and frequencies of the given
texts and idf = ln(1 + (n + 1) / (df + 0.5)): these texts were found by words, so one that all of them have still
counts. `pairs`: the share of the neighbouring words of the question that stand within 4 words of a text, by their idf.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.errors import Invalid
from engine.models.endpoint import Cancelled
from engine.search import text

if TYPE_CHECKING:
    from engine.lake import Lake

COSINE, WORDS, PAIRS = 5 / 12, 5 / 12, 2 / 12
SHARPENING, WEIGHT = 3, 1.0  # texts that sharpen the question, and the weight of their mean beside the question's 1
NEAR = 4  # words within which a pair stands together
B = 0.75
DECIMALS = 9  # the last bits are noise; equal texts must tie

Numbers = NDArray[np.float64]


def rerank(
    lake: "Lake",
    question: str,
    ids: Sequence[str | None] | None,
    contents: Sequence[str | None] | None,
    k: int,
    model: str | None,
    cancelled: Cancelled | None = None,
) -> list[dict[str, object]]:
    """The `k` best contents with their ids, best first; none for no contents. Equal scores in the given order.

    `model`: None is the first of [models] rerank, or `local` where there is none. Raises Invalid for lists that do not
    fit, NotFound for a model that is not configured, and what an endpoint raises: it is never replaced by another.
    """
    settings = lake.config.search
    if not 1 <= k <= settings.max_k:
        raise Invalid(f"k is {k}", f"it must be within 1 and {settings.max_k}")
    reranker = lake.models.reranker(model)
    names, texts = _checked(ids or [], contents or [], settings.rerank_contents)
    if not texts:
        return []
    if reranker is not None:
        found = reranker.best(question, texts, k, cancelled=cancelled)
    else:
        scores = local(lake, question, texts, cancelled)
        found = [(int(at), float(scores[at])) for at in np.argsort(-scores, kind="stable")[:k]]
    return [
        {"id": names[at], "content": texts[at], "_rank": rank, "_score": score}
        for rank, (at, score) in enumerate(found, 1)
    ]


def _checked(ids: Sequence[str | None], contents: Sequence[str | None], most: int) -> tuple[list[str], list[str]]:
    """Both lists, when they are of one length, without NULL, and no id stands twice."""
    if len(ids) != len(contents):
        raise Invalid(f"there are {len(ids)} ids and {len(contents)} contents", "pass one content for each id")
    if len(ids) > most:
        raise Invalid(f"there are {len(ids)} contents; {most} may be reranked", "pass fewer, the best of a search")
    for what, values in (("ids", ids), ("contents", contents)):
        if None in values:
            raise Invalid(f"{what}[{values.index(None) + 1}] is NULL", "leave such rows out")
    seen: set[str | None] = set()
    for one in ids:
        if one in seen:
            raise Invalid(f"the id {one!r} stands twice", "make ids unique, for example _corpus || '/' || id")
        seen.add(one)
    return [one for one in ids if one is not None], [one for one in contents if one is not None]


def local(lake: "Lake", question: str, texts: Sequence[str], cancelled: Cancelled | None = None) -> Numbers:
    """The scores of the built-in model, see above: float64 [texts], 0 … 1."""
    unique = list(dict.fromkeys(texts))
    asked = lake.models.questions().embed_questions([question], cancelled=cancelled)[0].astype(np.float64)
    vectors = lake.models.embedder().embed(unique, cancelled=cancelled).astype(np.float64)
    by_words = lexical(text.terms(question), [text.terms(one) for one in unique])
    first = COSINE * np.maximum(vectors @ asked, 0) + by_words
    best = np.argsort(-np.round(first, DECIMALS), kind="stable")[:SHARPENING]
    if first[best].any():
        moved = asked + WEIGHT * np.average(vectors[best], axis=0, weights=first[best])
        first = COSINE * np.maximum(vectors @ (moved / np.linalg.norm(moved)), 0) + by_words
    at = {one: position for position, one in enumerate(unique)}
    scores: Numbers = np.round(first, DECIMALS)[[at[one] for one in texts]]
    return scores


def lexical(question: Sequence[str], texts: Sequence[Sequence[str]]) -> Numbers:
    """The share of `words` and `pairs` in the scores of texts, given as their terms: float64 [texts]."""
    having = Counter(term for terms in texts for term in set(terms))
    idf = {term: math.log(1 + (len(texts) + 1) / (having[term] + 0.5)) for term in question}
    pairs = {frozenset(pair): sum(map(idf.__getitem__, pair)) for pair in pairwise(question)}
    pairs = {pair: weight for pair, weight in pairs.items() if len(pair) == 2}
    counts = Counter(question)
    ceiling = (text.K1 + 1) * sum(idf[term] * count for term, count in counts.items())
    weights = {term: idf[term] * count / ceiling for term, count in counts.items()}
    mean = sum(map(len, texts)) / max(len(texts), 1)
    together = math.fsum(pairs.values())
    found = []
    for terms in texts:
        near = math.fsum(pairs[pair] for pair in _near(terms, pairs, idf)) / together if together else 0.0
        found.append(WORDS * _bm25(terms, weights, mean) + PAIRS * near)
    return np.array(found)


def _bm25(terms: Sequence[str], weights: Mapping[str, float], mean: float) -> float:
    """BM25 of one text; `weights`: of the terms that are asked for."""
    saturation = text.K1 * (1 - B + B * len(terms) / mean) if mean else text.K1
    counts = Counter(term for term in terms if term in weights)
    return sum(weights[term] * count * (text.K1 + 1) / (count + saturation) for term, count in counts.items())


def _near(
    terms: Sequence[str], pairs: Mapping[frozenset[str], float], asked: Mapping[str, float]
) -> set[frozenset[str]]:
    """Those of the pairs whose words stand near each other in a text."""
    found = set()
    places = [(at, term) for at, term in enumerate(terms) if term in asked]
    for position, (at, term) in enumerate(places):
        for other_at, other in places[position + 1 : position + NEAR]:
            if other_at - at < NEAR and (pair := frozenset((term, other))) in pairs:
                found.add(pair)
    return found
