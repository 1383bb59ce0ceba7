"""The words of a statement as DuckDB's own lexer reads them: without comments, names without their quotes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from engine import duck

# The parser takes these for spaces, the lexer for letters: `control\u00a0.\u00a0journal` would pass as another name.
SPACES = re.compile(r"[\x85\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]")
QUOTED = re.compile(r'"((?:[^"]|"")*)"')
WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
NUMBER = re.compile(r"\.?\d[\w.]*")
SYMBOL = re.compile(r"[()\[\]{}.,;]|[^\s\w()\[\]{}.,;]+")


class Token(NamedTuple):
    """One token. `start` and `length` count bytes of the text that was read."""

    kind: str  # identifier, keyword, operator, numeric_const, string_const
    written: str  # as it stands, a name without its quotes
    text: str  # that in lower case
    start: int
    length: int  # in bytes, without spaces and comments behind it

    @property
    def is_name(self) -> bool:
        """Whether it may be a name: many keywords may."""
        return self.kind == "identifier" or (self.kind == "keyword" and self.written[:1].isalpha())

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, not a quoted name that looks like one."""
        return self.kind == "keyword" and self.text in words


def read(sql: str) -> list[Token]:
    """The tokens of `sql`, in order."""
    data = plain(sql).encode()
    found = duck.tokens(data.decode())
    ends = [start for start, _ in found[1:]] + [len(data)]
    read = []
    for (start, kind), end in zip(found, ends, strict=False):  # an empty text has an end, too
        part = data[start:end].decode("utf-8", "replace")
        written = _written(kind, part)
        quoted = kind == "identifier" and QUOTED.match(part)
        length = len((quoted.group() if quoted else written.rstrip()).encode())
        read.append(Token(kind, written, written.lower(), start, length))
    return read


def plain(sql: str) -> str:
    """`sql` with every space a plain one; offsets of `read` count in this text."""
    return SPACES.sub(" ", sql)


def _written(kind: str, part: str) -> str:
    if kind == "identifier" and (quoted := QUOTED.match(part)):
        return quoted.group(1).replace('""', '"')
    if kind == "string_const":
        return part
    if kind == "operator":
        found = SYMBOL.match(part)
    else:
        found = NUMBER.match(part) if kind == "numeric_const" else WORD.match(part) or SYMBOL.match(part)
    return found.group(0) if found else part.strip()


def calls(tokens: Sequence[Token]) -> Iterator[str]:
    """The names that stand before a bracket: functions, and some that are none."""
    for token, following in pairwise(tokens):
        if token.is_name and following.text == "(":
            yield token.text


def qualifiers(tokens: Sequence[Token]) -> Iterator[str]:
    """The names that stand before a dot: catalogs, schemas, tables."""
    for token, following in pairwise(tokens):
        if token.is_name and following.text == ".":
            yield token.text


def name_at(tokens: Sequence[Token], at: int) -> tuple[tuple[str, ...], int]:
    """The dotted name that begins at `at`, by its parts as written, and where it ends; no parts when none is there."""
    parts: list[str] = []
    while at < len(tokens) and tokens[at].is_name:
        parts.append(tokens[at].written)
        at += 1
        if at + 1 >= len(tokens) or tokens[at].text != ".":
            break
        at += 1
    return tuple(parts), at


def parameters(tokens: Sequence[Token], names: Iterable[str]) -> tuple[str, ...]:
    """Parameters in the order of a list of values: `?` and `$2` as they count, `$name` as each first appears."""
    known = {name.lower(): name for name in names}
    numbers = sorted(filter(str.isdecimal, known), key=int)
    appear = (known.get(name.text) for sign, name in pairwise(tokens) if sign.text == "$")
    return tuple(dict.fromkeys([*numbers, *filter(None, appear), *sorted(known.values())]))
