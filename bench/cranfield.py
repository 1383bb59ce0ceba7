"""Cranfield: its own questions, as they are and in other words, and questions made of sentences of its documents."""

import json
import re
from collections import defaultdict
from pathlib import Path

from bench.collection import Collection, Graded, Question, draw, part_of


def lines(path: Path) -> list[dict[str, str]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def cranfield(folder: Path) -> Collection:
    """The questions of Cranfield as they are: few share an answer, and those differ in what they ask."""
    questions = [Question(text, part_of(id), relevance) for id, text, relevance in _asked(folder)]
    return Collection("cranfield", "cranfield", _documents(folder), questions)


def _documents(folder: Path) -> list[tuple[str, str]]:
    return [(one["doc_id"], one["text"]) for one in lines(folder / "docs.jsonl")]


def _asked(folder: Path) -> list[tuple[str, str, Graded]]:
    """The questions: id, text, and the right answers, most often several."""
    relevance: dict[str, Graded] = defaultdict(dict)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, document, grade = line.split("\t")
        relevance[question][document] = int(grade)
    return [(one["query_id"], one["text"], relevance[one["query_id"]]) for one in lines(folder / "queries.jsonl")]


HELD_OUT = 3
LONG = 8  # words of a sentence that says something
SYNONYMS = {
    "boundary": "shear", "investigation": "study", "investigated": "studied", "experimental": "measured",
    "theoretical": "analytical", "theory": "analysis", "obtained": "found", "results": "findings",
    "presented": "given", "pressure": "load", "velocity": "speed", "flow": "stream", "supersonic": "high-speed",
    "temperature": "heat", "body": "shape", "method": "procedure", "solution": "answer", "effect": "influence",
    "effects": "influence", "calculated": "computed", "equations": "relations", "surface": "skin", "thin": "slender",
    "large": "great", "small": "little", "shown": "seen", "determine": "find", "problem": "question",
    "distribution": "pattern", "cylinder": "tube", "plate": "panel", "approximate": "rough", "bodies": "shapes",
}  # fmt: skip
SMALL_WORDS = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "been", "by", "can", "for", "from", "had", "has", "have", "in", "is",
        "it", "its", "may", "of", "on", "or", "that", "the", "these", "this", "to", "was", "were", "which", "with",
    }
)  # fmt: skip
OPENINGS = ("what is known about {}", "{} ?", "papers on {}", "has anyone looked at {}", "how about {}")


def content(sentence: str) -> list[str]:
    """The words of a sentence that say something, lower case."""
    return [word for word in re.findall(r"[a-z][a-z0-9-]+", sentence.lower()) if word not in SMALL_WORDS]


def rephrased(sentence: str, salt: str) -> str:
    """A sentence as another person asks for it: some words gone, some others, halves swapped, an opening."""
    words = [word for at, word in enumerate(content(sentence)) if draw(sentence, salt, "kept", at) < 0.8]
    words = [SYNONYMS.get(word, word) if draw(sentence, salt, word) < 0.5 else word for word in words]
    middle = len(words) // 2 if draw(sentence, salt, "swap") < 0.5 else 0
    opening = OPENINGS[int(draw(sentence, salt, "opening") * len(OPENINGS))]
    return opening.format(" ".join(words[middle:] + words[:middle]))


def reworded(folder: Path, drawing: str = "") -> Collection:
    """The questions of Cranfield, two of three recorded once in one way, each asked in two other ways.

    Which are recorded, and all words, are drawn by chance: another `drawing` gives others. The parts stay the same.
    """
    chance = (drawing,) if drawing else ()
    questions = []
    for id, text, relevance in _asked(folder):
        if draw("reworded", id, *chance) < 0.65:
            questions.append(Question(rephrased(text, "a" + drawing), "record", relevance, need=id))
        asked = "tune" if draw("asked again", id) < 0.5 else "report"
        questions += [Question(rephrased(text, way + drawing), asked, relevance, need=id) for way in ("b", "c")]
    return Collection(f"reworded {drawing}".rstrip(), "cranfield", _documents(folder), questions)


def split(text: str) -> tuple[list[str], str]:
    """Up to three sentences to ask with, and the document without them (they would find it by their words)."""
    sentences = [part.strip() for part in re.split(r"\s\.\s+", text)]
    telling = [one for one in sentences[1:] if len(content(one)) >= LONG]
    if len(telling) < 2 * HELD_OUT:
        return [], text
    chosen = sorted(telling, key=lambda one: draw("held out", one))[:HELD_OUT]
    return chosen, " . ".join(one for one in sentences if one not in chosen)


def of_sentences(folder: Path, count: int | None = None) -> list[Collection]:
    """Two collections over the first `count` documents of Cranfield without some of its sentences: the questions.

    `paraphrases`: the same sentence rephrased twice. `sentences`: another sentence of the same document.
    """
    documents, paraphrases, sentences = [], [], []
    for one in lines(folder / "docs.jsonl")[:count]:
        held, rest = split(one["text"])
        id = one["doc_id"]
        documents.append((id, rest))
        if not held:
            continue
        recorded, gold, asked = draw("recorded", id) < 0.65, {id: 1}, "tune" if draw("asked", id) < 0.5 else "report"
        if recorded:
            paraphrases.append(Question(rephrased(held[0], "a"), "record", gold))
            sentences += [Question(rephrased(text, "a"), "record", gold) for text in held[:2]]
        paraphrases.append(Question(rephrased(held[0], "b"), asked, gold))
        sentences.append(Question(rephrased(held[2], "b"), asked, gold))
    return [
        Collection("paraphrases", "abridged", documents, paraphrases),
        Collection("sentences", "abridged", documents, sentences),
    ]
