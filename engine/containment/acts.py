"""Statements that act: judged by the SELECT in them, and by their words where there is none."""

from collections.abc import Callable, Collection, Sequence

from engine import dml, tokens
from engine.containment.bounds import bounds
from engine.containment.steady import unsteady
from engine.containment.tree import Node
from engine.errors import LakehouseError
from engine.tokens import Token

READ = ("insert", "update", "delete")
OUTSIDE = ("returning", "conflict")  # clauses that the SELECT of a statement lacks


def unsteady_act(sql: str, words: Sequence[Token], ours: Collection[str], parse: Callable[[str], Node]) -> str | None:
    """The first function of a statement that is not steady; None when there is none.

    `parse` serialises a SELECT and may raise LakehouseError. Raises Invalid when planning it would take too long.
    """
    select = _select(sql, words)
    tree = _parsed(select, parse) if select else {}
    if not tree:
        return unsteady({}, words, ours)
    bounds(tree)
    if any(word.is_word(*OUTSIDE) for word in words):
        return unsteady(tree, (), ours) or unsteady({}, words, ours)
    return unsteady(tree, (), ours)


def _parsed(select: str, parse: Callable[[str], Node]) -> Node:
    try:
        tree = parse(select)
    except LakehouseError:
        return {}
    return {} if tree.get("error") else tree


def _select(sql: str, words: Sequence[Token]) -> str | None:
    if words[0].is_word(*READ):
        return dml.read(sql).select
    depth = 0
    for at, word in enumerate(words[:-1]):
        depth += (word.text in ("(", "[", "{")) - (word.text in (")", "]", "}"))
        if depth == 0 and word.is_word("as"):
            return _after(sql, words, at + 1)
    return None


def _after(sql: str, words: Sequence[Token], at: int) -> str:
    """The query of a CREATE … AS; the expression of a macro as one."""
    is_macro = any(word.is_word("macro", "function") for word in words[:at])
    if is_macro and not words[at].is_word("table"):
        return "select " + _text(sql, words[at])
    return _text(sql, words[at + is_macro])


def _text(sql: str, first: Token) -> str:
    return tokens.plain(sql).encode()[first.start :].decode().rstrip().rstrip(";")
