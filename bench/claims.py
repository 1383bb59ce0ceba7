"""Statements about Cranfield, several of a document, and needs that very many people have: made by rule.

As where claims are checked against papers, a document is spoken of in a few sentences that affirm, deny, shorten or
rephrase one of its own; each falls into a part by chance. And as where customers ask, a need is put in forty ways.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.collection import Collection, Question, draw
from bench.cranfield import LONG, SYNONYMS, content, lines, rephrased, split

OPPOSITES = {
    "increases": "decreases", "increase": "decrease", "higher": "lower", "large": "small", "greater": "smaller",
    "good": "poor", "increased": "reduced", "decreases": "increases", "decrease": "increase", "small": "large",
    "lower": "higher", "agree": "disagree", "stable": "unstable", "laminar": "turbulent", "upper": "lower",
    "positive": "negative", "possible": "impossible",
}  # fmt: skip
SHORTEST = 3  # words of a claim
NEEDS, WAYS, UNASKED = 60, 40, slice(700, 900)
Draw = Callable[..., float]


def claims(folder: Path, draw: Draw = draw) -> Collection:
    """One or two sentences of a document, some of which it has no more, each claimed one to four times."""
    documents: list[tuple[str, str]] = []
    claimed: dict[str, Question] = {}
    for one in lines(folder / "docs.jsonl"):
        id = one["doc_id"]
        held, rest = split(one["text"])
        documents.append((id, rest))
        if not held or draw("claimed", id) > 0.95:
            continue
        for text in _claims(held, rest, id, draw):
            part = "record" if draw("part", text) < 0.73 else "tune" if draw("tr", text) < 0.5 else "report"
            claimed.setdefault(text, Question(text, part, {id: 1}))
    return Collection("claims", "abridged", documents, list(claimed.values()))


def other_claims(folder: Path, number: int) -> Collection:
    """The same made anew, with other draws, of the documents that `claims` does not ask for in its part *report*.

    Methods are tried on it: it has no such part.
    """
    reported = {id for one in claims(folder).part("report") for id in one.relevance}
    made = claims(folder, partial(draw, "salt", number))
    kept = [one for one in made.questions if reported.isdisjoint(one.relevance)]
    asked = [one if one.part == "record" else replace(one, part="tune") for one in kept]
    return Collection(f"claims {number}", made.corpus, made.documents, asked)


def _claims(held: list[str], rest: str, id: str, draw: Draw) -> Iterator[str]:
    sentences = [part.strip() for part in re.split(r"\s\.\s+", rest)]
    telling = [part for part in sentences[1:] if len(content(part)) >= LONG] if draw("inside", id) < 0.35 else held
    cited = sorted(telling, key=lambda one: draw("cited", one))[: 1 + (draw("two", id) < 0.35)]
    for sentence in cited:
        for way in range(1 + int(draw("m", sentence) ** 1.5 * 4)):
            text = claim(sentence, way, draw)
            if len(text.split()) >= SHORTEST:
                yield text


def claim(sentence: str, way: int, draw: Draw = draw) -> str:
    """A sentence affirmed, denied, told in few words, or its half."""
    style = draw(sentence, way, "style")
    if style < 0.35:
        words = _told(sentence, way, 0.85, 0.3, draw)
    elif style < 0.6:
        affirmed = _told(sentence, way, 0.85, 0.3, draw)
        turned = [OPPOSITES.get(word, word) for word in affirmed]
        words = turned if turned != affirmed else ["no", "evidence", "that", *affirmed]
    elif style < 0.8:
        words = _told(sentence, way, 0.55, 0.6, draw)
    else:
        words = _told(sentence, way, 0.9, 0.3, draw)
        middle = len(words) // 2
        words = words[: middle + 2] if draw(sentence, way, "h") < 0.5 else words[middle - 2 :]
    return " ".join(words)


def _told(sentence: str, way: int, kept: float, changed: float, draw: Draw) -> list[str]:
    words = [word for at, word in enumerate(content(sentence)) if draw(sentence, way, "k", at) < kept]
    return [SYNONYMS.get(word, word) if draw(sentence, way, word) < changed else word for word in words]


def popular(folder: Path) -> Collection:
    """Some sixty needs, each asked in forty ways of which nine in ten are recorded; and questions that nobody asked."""
    documents: list[tuple[str, str]] = []
    questions: list[Question] = []
    needs = 0
    rows = lines(folder / "docs.jsonl")
    for one in rows:
        id = one["doc_id"]
        held, rest = split(one["text"])
        documents.append((id, rest))
        if held and needs < NEEDS and draw("pop", id) <= 0.25:
            needs += 1
            questions += [_asked(text, id) for text in _ways(held[0])]
    for one in rows[UNASKED]:
        held, _ = split(one["text"])
        if held and draw("other", one["doc_id"]) < 0.5:
            text = rephrased(held[0], "b")
            questions.append(Question(text, "tune" if draw("q", text) < 0.5 else "report", {one["doc_id"]: 1}))
    return Collection("popular", "abridged", documents, questions)


def _ways(sentence: str) -> list[str]:
    ways = range(WAYS)
    texts = [rephrased(sentence, str(way)) if draw(sentence, way, "k") < 0.6 else claim(sentence, way) for way in ways]
    return [text for text in dict.fromkeys(texts) if len(text.split()) > SHORTEST]


def _asked(text: str, id: str) -> Question:
    part = "record" if draw("pp", text) < 0.9 else "tune" if draw("q", text) < 0.5 else "report"
    return Question(text, part, {id: 1})
