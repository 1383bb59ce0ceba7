"""What a CREATE, DROP, ALTER or COMMENT changes: the kind of object and its names, read from the tokens.

DuckDB serialises SELECT only, so that these statements are read here. What is not understood is no change at all, and
the guard refuses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.tokens import Token, name_at

OBJECTS = ("table", "view", "macro", "function", "sequence", "type", "index", "schema", "column")
MODIFIERS = (
    "create", "drop", "alter", "comment", "on", "or", "replace", "temp", "temporary", "local", "global", "unlogged",
    "recursive", "unique",
)  # fmt: skip
FILLERS = ("if", "not", "exists", "table", "concurrently")


@dataclass(frozen=True)
class Change:
    """The objects that a statement makes, changes or removes."""

    verb: str  # create, drop, alter, comment
    what: str  # one of OBJECTS
    names: tuple[tuple[str, ...], ...]  # each by its parts, in lower case
    temporary: bool

    @property
    def is_function(self) -> bool:
        """Whether it is about a macro."""
        return self.what in ("macro", "function")


def read(tokens: Sequence[Token]) -> Change | None:
    """The change that the statement makes; None when it begins like no statement that is known here."""
    at = 0
    while at < len(tokens) and tokens[at].is_word(*MODIFIERS):
        at += 1
    header = [token.text for token in tokens[:at]]
    if not header or at == len(tokens) or tokens[at].text not in OBJECTS:
        return None
    what = tokens[at].text
    names, at = _names(tokens, at + 1)
    if what == "index" and at < len(tokens) and tokens[at].is_word("on"):
        table, _ = name_at(tokens, at + 1)
        names.append(table)
    folded = tuple(tuple(part.lower() for part in name) for name in names)
    return Change(header[0], what, folded, "temp" in header or "temporary" in header)


def _names(tokens: Sequence[Token], at: int) -> tuple[list[tuple[str, ...]], int]:
    """The names from `at` on: one, or a list with commas between."""
    while at + 1 < len(tokens) and tokens[at].is_word(*FILLERS) and tokens[at + 1].is_name:
        at += 1
    name, at = name_at(tokens, at)
    names = [name]
    while at < len(tokens) and tokens[at].text == ",":
        name, at = name_at(tokens, at + 1)
        names.append(name)
    return names, at
