"""Labelled collections with related questions, made by rule: the same on every machine.

Each has documents, questions, graded relevance, and three parts: outcomes are recorded for the first, methods are tried
on the second, figures are reported on the third. A question is *related* when a recorded question has the same need,
*unrelated* when none shares a right answer with it: it must not be harmed. What lies between is neither.
"""

import hashlib
import importlib
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb

from sql import scripts

PARTS = ("record", "tune", "report")
Graded = dict[str, int]


@dataclass(frozen=True)
class Question:
    """A question, its part, and its right answers with their grades. `need`: questions of one need mean the same."""

    text: str
    part: str
    relevance: Graded
    need: str = ""


@dataclass(frozen=True)
class Collection:
    """Documents (id, text) and questions. Collections over the same documents share `corpus`."""

    name: str
    corpus: str
    documents: list[tuple[str, str]]
    questions: list[Question] = field(repr=False)

    def part(self, name: str) -> list[Question]:
        """The questions of one part."""
        return [question for question in self.questions if question.part == name]

    def related(self, question: Question) -> bool | None:
        """Whether a recorded question has the same need, or, where needs are not known, shares a right answer.

        None: it shares an answer with a recorded question of another need.
        """
        recorded = self._recorded
        shares = not recorded.answers.isdisjoint(question.relevance)
        if question.need:
            return True if question.need in recorded.needs else None if shares else False
        return shares

    @cached_property
    def _recorded(self) -> "Recorded":
        questions = self.part("record")
        answers = frozenset(id for question in questions for id in question.relevance)
        return Recorded(answers, frozenset(question.need for question in questions))


@dataclass(frozen=True)
class Recorded:
    """What the recorded questions are about."""

    answers: frozenset[str]
    needs: frozenset[str]


def draw(*what: object) -> float:
    """A repeatable number in [0, 1) for a name."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:6], "big") / 2**48


def _part(of: object) -> str:
    """Half of the questions are recorded, a quarter each is for trying and for reporting."""
    where = draw("part", of)
    return PARTS[0 if where < 0.5 else 1 if where < 0.75 else 2]


# -- Cranfield: its own questions, and questions made of its documents -------------------------------------------------


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def cranfield(folder: Path) -> Collection:
    """The questions of Cranfield as they are: few share an answer, and those differ in what they ask."""
    relevance: dict[str, Graded] = defaultdict(dict)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, document, grade = line.split("\t")
        relevance[question][document] = int(grade)
    documents = [(one["doc_id"], one["text"]) for one in _lines(folder / "docs.jsonl")]
    questions = [
        Question(one["text"], _part(one["query_id"]), relevance[one["query_id"]])
        for one in _lines(folder / "queries.jsonl")
    ]
    return Collection("cranfield", "cranfield", documents, questions)


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


def _content(sentence: str) -> list[str]:
    return [word for word in re.findall(r"[a-z][a-z0-9-]+", sentence.lower()) if word not in SMALL_WORDS]


def rephrased(sentence: str, salt: str) -> str:
    """A sentence as another person asks for it: some words gone, some others, halves swapped, an opening."""
    words = [word for at, word in enumerate(_content(sentence)) if draw(sentence, salt, "kept", at) < 0.8]
    words = [SYNONYMS.get(word, word) if draw(sentence, salt, word) < 0.5 else word for word in words]
    middle = len(words) // 2 if draw(sentence, salt, "swap") < 0.5 else 0
    opening = OPENINGS[int(draw(sentence, salt, "opening") * len(OPENINGS))]
    return opening.format(" ".join(words[middle:] + words[:middle]))


def _split(text: str) -> tuple[list[str], str]:
    """Up to three sentences to ask with, and the document without them (they would find it by their words)."""
    sentences = [part.strip() for part in re.split(r"\s\.\s+", text)]
    telling = [one for one in sentences[1:] if len(_content(one)) >= LONG]
    if len(telling) < 2 * HELD_OUT:
        return [], text
    chosen = sorted(telling, key=lambda one: draw("held out", one))[:HELD_OUT]
    return chosen, " . ".join(one for one in sentences if one not in chosen)


def of_sentences(folder: Path, count: int | None = None) -> list[Collection]:
    """Two collections over the first `count` documents of Cranfield without some of its sentences: the questions.

    `paraphrases`: the same sentence rephrased twice. `sentences`: another sentence of the same document.
    """
    documents, paraphrases, sentences = [], [], []
    for one in _lines(folder / "docs.jsonl")[:count]:
        held, rest = _split(one["text"])
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


# -- the staffing company ----------------------------------------------------------------------------------------------

NEEDS = (
    "Need {n} {role}s in {city}, {state}",
    "{city} {state}: {n} {role}s wanted",
    "who could start as a {role} around {city}?",
    "looking for {n} {role} for a client in {city}",
    "{role}, {city}, {shift} shift",
    "we are short of {role}s at our {city} site",
)
ALIASES = {
    "forklift operator": "fork truck driver", "warehouse associate": "warehouse hand", "order picker": "stock picker",
    "reach truck operator": "stand-up reach driver", "loader": "freight handler", "packer": "packaging worker",
    "delivery driver": "box truck driver", "pallet jack operator": "walkie rider operator", "line cook": "cook",
    "cold storage worker": "freezer warehouse hand", "registered nurse": "RN", "welder": "welding technician",
}  # fmt: skip


def staffing(workers: int, *, every_form: bool = False) -> Collection:
    """Requests for a role in a city over the résumés of the demo; right is that role there (2) or in its state (1).

    `every_form`: all ways to say a request, also those that belong to no part.
    """
    with duckdb.connect() as maker:
        maker.execute(f"set variable workers = {workers}; set variable seed = 42")
        for script in scripts("demo"):
            maker.execute(script.text)
        rows = maker.execute("select worker_id, role, city, state, resume from workers order by 1").fetchall()
    questions = []
    for role, city, state in sorted({row[1:4] for row in rows}):
        near = {row[0]: 1 for row in rows if row[1] == role and row[3] == state}
        gold = near | {row[0]: 2 for row in rows if row[1:4] == (role, city, state)}
        known = draw("known", role, city) < 0.65
        for at, need in enumerate(NEEDS):
            where = draw("need", role, city, at)
            part = "record" if known and where < 0.3 else _asked(where)
            name = ALIASES.get(role, role) if draw("alias", role, city, at) < 0.4 else role
            shift = ("day", "night", "evening")[int(draw("shift", role, city, at) * 3)]
            if part or every_form:
                text = need.format(n=2 + int(where * 9), role=name, city=city, state=state, shift=shift)
                questions.append(Question(text, part, gold, f"{role}, {city}"))
    return Collection("staffing", "staffing", [(row[0], row[4]) for row in rows], questions)


def _asked(where: float) -> str:
    return "tune" if 0.8 <= where < 0.9 else "report" if where >= 0.9 else ""


# -- the reference of numpy: a function, and how the pages of other functions speak of it ------------------------------

MODULES = (
    "numpy", "numpy.linalg", "numpy.fft", "numpy.random", "numpy.ma", "numpy.char", "numpy.lib.stride_tricks",
    "numpy.polynomial.polynomial", "numpy.polynomial.chebyshev", "numpy.testing",
)  # fmt: skip
CLASSES = (("numpy", "ndarray"), ("numpy.random", "Generator"), ("numpy.ma", "MaskedArray"))
SPOKEN_OF = re.compile(r"^([\w.]+)\s*:\s+(\S.{14,}(?:\n\s+\S.*)*)", re.M)


def _pages() -> dict[str, str]:
    """The text of each function or method by its short name; of equal names the first."""
    owners = [importlib.import_module(name) for name in MODULES]
    owners += [getattr(importlib.import_module(module), name) for module, name in CLASSES]
    found: dict[str, str] = {}
    for owner in owners:
        for name in sorted(vars(owner)):
            text = inspect.getdoc(getattr(owner, name)) or ""
            if not name.startswith("_") and len(text) > 300 and "Parameters\n" in text:
                found.setdefault(name, text)
    return found


def _description(text: str) -> str:
    """The prose of a page without its name, its summary and what it says of others."""
    body = re.sub(r"^See Also\n-+\n.*?(?=\n\n\S|\Z)", "", text, flags=re.M | re.S)
    body = body.split("Examples\n---")[0]
    paragraphs = [part for part in body.split("\n\n") if "(" not in part.split("\n")[0][:40]]
    return " ".join("\n".join(paragraphs[1:]).split())[:1500]


def reference() -> Collection:
    """Which function does this? asked with the words of other pages, written by many people."""
    pages = _pages()
    asked: dict[str, list[str]] = defaultdict(list)
    for text in pages.values():
        section = re.search(r"^See Also\n-+\n(.*?)(?=\n\n\S|\Z)", text, re.M | re.S)
        for name, words in SPOKEN_OF.findall(section[1]) if section else ():
            asked[name.split(".")[-1]].append(" ".join(words.split()).rstrip("."))
    for name, text in pages.items():
        summary = [part for part in text.split("\n\n") if "(" not in part.split("\n")[0][:40]][:1]
        asked[name] += [" ".join(part.split()).rstrip(".") for part in summary]
    questions = []
    for name in sorted(set(asked) & set(pages)):
        known = draw("known", name) < 0.7
        for text in sorted(set(asked[name])):
            part = _part((name, text))
            if known or part != "record":
                questions.append(Question(text, part, {name: 1}))
    documents = [(name, _description(text)) for name, text in sorted(pages.items())]
    return Collection("reference", "reference", documents, _merged(questions))


def _merged(questions: Iterable[Question]) -> list[Question]:
    """Equal texts are one question whose answers are all right."""
    found: dict[str, Question] = {}
    for one in questions:
        known = found.get(one.text, one)
        found[one.text] = Question(one.text, known.part, known.relevance | one.relevance)
    return list(found.values())


def collections(cranfield_folder: Path, workers: int = 1200) -> list[Collection]:
    """All of them; those of Cranfield only where it is."""
    made: list[Callable[[], list[Collection]]] = [lambda: [staffing(workers)], lambda: [reference()]]
    if cranfield_folder.is_dir():
        made += [lambda: [cranfield(cranfield_folder)], lambda: of_sentences(cranfield_folder)]
    return [one for make in made for one in make()]
