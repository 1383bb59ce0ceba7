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
PLAIN_TEXT = re.compile(r"'(?:[^']|'')*'")
DOLLARS = re.compile(r"(\$\w*\$)(.*)\1", re.DOTALL)
LISTS_TABLES = ("from", "join", "using")
ENDS_THE_LIST = (
    "where", "group", "order", "limit", "select", "having", "window", "qualify", "union", "set", "when", "values",
    "returning",
)  # fmt: skip
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
    lists = [False]  # of each open bracket, whether tables are listed in it
    starts = False  # whether a table may stand next
    for at, word in enumerate(words):
        is_path = word.kind == "identifier" and ("/" in word.written or "." in word.written)
        if starts and (word.kind == "string_const" or is_path):
            yield _value(word)
        if word.text in ("(", "[", "{"):
            lists.append(starts)  # of `from ('x.csv' cross join t)`
        elif word.text in (")", "]", "}"):
            lists[1:] = lists[1:-1]
            starts = False
        elif word.is_word(*LISTS_TABLES) and not _compares(words, at):
            lists[-1] = starts = True
        elif word.is_word(*ENDS_THE_LIST):
            lists[-1] = starts = False
        elif word.text == ",":
            starts = lists[-1]
        else:
            starts = word.is_word(*BEFORE_ONE) or (starts and word.is_word("lateral"))


def _compares(words: Sequence[Token], at: int) -> bool:
    """Whether the word there is the last of IS [NOT] DISTINCT FROM."""
    return at > 1 and words[at - 1].is_word("distinct") and words[at - 2].is_word("is", "not")


def _value(token: Token) -> str:
    """The path that a token is. Raises Forbidden for one with escapes or in several pieces: it is not read here."""
    text = token.written.strip()
    if token.kind == "identifier":
        return text
    if PLAIN_TEXT.fullmatch(text):
        return text[1:-1].replace("''", "'")
    if found := DOLLARS.fullmatch(text):
        return found.group(2)
    raise Forbidden("a path is written as one plain text", "for example 'folder/file.csv'")


def _place(text: str) -> tuple[Path, bool]:
    """Where the part of a path that holds no pattern leads to, links followed; and whether there is a pattern."""
    whole = text.removeprefix("file://").removeprefix("file:")
    plain = GLOB.split(whole, maxsplit=1)[0]
    is_pattern = plain != whole
    return Path(os.path.realpath(os.path.dirname(plain) or "." if is_pattern else plain)), is_pattern  # noqa: PTH120
