"""The reference of numpy: a function, and how the pages of other functions speak of it."""

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterable

from bench.collection import Collection, Question, draw, part_of

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
            part = part_of((name, text))
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
