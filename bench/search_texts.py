"""Real texts and their embeddings: sentences of the documentation of Python and of the packages installed beside it.

The embeddings are kept in a folder, block by block, so that a second run finds them.
"""

import ast
import hashlib
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.models.embedder import Embedder
from engine.search.vectors.protocol import Vectors

BLOCK = 2000  # texts that are embedded and kept at a time
FEWEST_WORDS, MOST_WORDS = 5, 40
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
LONGEST_FILE = 400_000


def real(count: int) -> list[str]:
    """At most `count` distinct sentences, always the same ones of one installation, in an order that mixes sources."""
    roots = {Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib")}
    paths = sorted({path for root in roots for path in root.rglob("*.py")})
    found: dict[str, None] = {}
    for path in paths:
        for text in _docstrings(path):
            found.update(dict.fromkeys(_sentences(text)))
    ordered = sorted(found, key=lambda one: hashlib.sha256(one.encode("utf-8", "replace")).digest())
    return ordered[:count]


def _docstrings(path: Path) -> Iterator[str]:
    if path.stat().st_size > LONGEST_FILE:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the literals of others
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # a test of a parser, or a template
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def _sentences(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        for sentence in SENTENCE.split(" ".join(paragraph.split())):
            words = sentence.split()
            letters = sum(character.isalpha() or character == " " for character in sentence)
            if FEWEST_WORDS <= len(words) <= MOST_WORDS and letters > 0.85 * len(sentence):
                yield sentence


def embedded(embedder: Embedder, texts: list[str], folder: Path) -> Vectors:
    """The vectors of `texts`: float32 [texts, dimension]; blocks that `folder` has are not computed again."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = []
    for start in range(0, len(texts), BLOCK):
        some = texts[start : start + BLOCK]
        digest = hashlib.sha256("\x1f".join([embedder.sha256, *some]).encode("utf-8", "replace")).hexdigest()
        path = folder / f"{digest[:32]}.npy"
        if not path.exists():
            aside = path.with_suffix(".part.npy")
            np.save(aside, embedder.embed(some))
            aside.rename(path)
        blocks.append(np.load(path))
    return np.concatenate(blocks)
