"""The files that a statement names: only an admin's may, in the text itself, and never those of the home.

The engine keeps statements inside the folders of the configuration and what is attached. That includes the home, where
it reads its own tables; those files are not to be read past the grants, masks and ledgers.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import Forbidden
from engine.tokens import Token

READERS = re.compile(r"(read_\w+|parquet_\w+|sniff_csv|glob)")
GLOB = re.compile(r"[*?\[{]")
LISTS_TABLES = ("from", "join", "using")
ENDS_THE_LIST = (
    "where",
    "group",
    "order",
    "limit",
    "select",
    "having",
    "window",
    "qualify",
    "union",
    "set",
    "on",
    "when",
)
BEFORE_ONE = (
    "table", "describe", "desc", "summarize", "show", "into", "pivot", "unpivot", "pivot_wider", "pivot_longer",
    "update",
)  # fmt: skip


def check(words: Sequence[Token], closed: Sequence[Path]) -> None:
    """Raise Forbidden when a statement names a file inside a `closed` folder, or none that can be seen in its text."""
    for text in [*_arguments(words), *tables(words)]:
        place, is_pattern = _place(text)
        above = is_pattern and any(place in folder.parents for folder in closed)
        if above or any(place == folder or folder in place.parents for folder in closed):
            raise Forbidden("the files of the home are read as tables only", "see lake.datasets")


def _arguments(words: Sequence[Token]) -> Iterator[str]:
    """The paths that are given to functions that read files."""
    for at, word in enumerate(words[:-1]):
        if not (word.is_name and READERS.fullmatch(word.text) and words[at + 1].text == "("):
            continue
        start = at + 3 if at + 2 < len(words) and words[at + 2].text == "[" else at + 2
        yield from _listed(word.text, words, start)


def _listed(function: str, words: Sequence[Token], at: int) -> Iterator[str]:
    """One path from `at` on, or all of a list."""
    in_list = words[at - 1].text == "["
    while at + 1 < len(words):
        after = words[at + 1].text
        if words[at].kind != "string_const" or after not in (",", ")", "]"):
            raise Forbidden(f"{function}() needs its path as a text in the statement", f"{function}('folder/file')")
        yield _value(words[at])
        if not in_list or after != ",":
            return
        at += 2


def tables(words: Sequence[Token]) -> Iterator[str]:
    """Texts that stand where a table may stand: the engine reads files by them."""
    depth, lists = 0, set[int]()
    for before, word in zip([None, *words], words, strict=False):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if word.is_word(*LISTS_TABLES):
            lists.add(depth)
        elif word.is_word(*ENDS_THE_LIST):
            lists.discard(depth)
        if before is None or not (word.kind == "string_const" or (word.kind == "identifier" and "/" in word.written)):
            continue
        listed = depth in lists and (before.text == "," or before.is_word(*LISTS_TABLES))
        if listed or before.is_word(*BEFORE_ONE):
            yield _value(word)


def _value(token: Token) -> str:
    text = token.written.strip()
    if token.kind == "identifier":
        return text
    if text.startswith("$"):
        mark = text[: text.index("$", 1) + 1]
        return text[len(mark) : -len(mark)] if text.endswith(mark) else text
    return text.strip("eE").strip("'").replace("''", "'")


def _place(text: str) -> tuple[Path, bool]:
    """Where the part of a path that holds no pattern leads to, links followed; and whether there is a pattern."""
    whole = text.removeprefix("file://").removeprefix("file:")
    plain = GLOB.split(whole, maxsplit=1)[0]
    is_pattern = plain != whole
    return Path(os.path.realpath(os.path.dirname(plain) or "." if is_pattern else plain)), is_pattern  # noqa: PTH120
