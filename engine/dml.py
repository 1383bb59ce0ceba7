"""INSERT, UPDATE and DELETE read as the SELECT that has their expressions, with every parameter in its place.

DuckDB serialises the parse of a SELECT only. The text is cut at its keywords, and a form that is not foreseen here is
left as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine import duck, tokens
from engine.tokens import Token


@dataclass(frozen=True)
class Written:
    """`select`: the statement as a SELECT; `returning`: its RETURNING clause as one over the table that it writes.

    For an INSERT: its table, and the columns when it names them.
    """

    select: str
    returning: str | None = None
    target: str | None = None
    columns: tuple[str, ...] = ()


class _Text:
    """A statement by its tokens, cut at keywords that stand outside of brackets."""

    def __init__(self, sql: str) -> None:
        self.data = tokens.plain(sql).encode()
        self.words = tokens.read(sql)
        self._depth = _depths(self.words)

    def first(self, *words: str, start: int = 0) -> int:
        """The place of the first of these keywords from `start` on; the end when there is none."""
        for at in range(start, len(self.words)):
            if self._depth[at] == 0 and self.words[at].text in words:
                return at
        return len(self.words)

    def part(self, start: int, end: int) -> str:
        """The text of the tokens from `start` to before `end`, without a semicolon at its end."""
        if start >= len(self.words):
            return ""
        stop = self.words[end].start if end < len(self.words) else len(self.data)
        return self.data[self.words[start].start : stop].decode().rstrip().rstrip(";")

    def is_at(self, at: int, *words: str) -> bool:
        """Whether one of the keywords stands there."""
        return at < len(self.words) and self.words[at].text in words


def read(sql: str) -> Written:
    """The statement as a SELECT; one that is none of INSERT, UPDATE and DELETE as it is."""
    text = _Text(sql)
    if text.is_at(0, "insert"):
        return _insert(text)
    if text.is_at(0, "update"):
        return _update(text)
    if text.is_at(0, "delete"):
        return _delete(text)
    return Written(sql)


def _returning(text: _Text, target: str) -> str | None:
    at = text.first("returning")
    return f"select {text.part(at + 1, len(text.words))} from {target}" if at < len(text.words) else None


def _depths(words: Sequence[Token]) -> list[int]:
    depths, depth = [], 0
    for word in words:
        depth -= word.text in (")", "]", "}")
        depths.append(depth)
        depth += word.text in ("(", "[", "{")
    return depths


def _insert(text: _Text) -> Written:
    name, at = tokens.name_at(text.words, text.first("into") + 1)
    if text.is_at(at, "as"):
        at += 2
    columns: list[str] = []
    if text.is_at(at, "(") and not text.is_at(at + 1, "select", "values", "with", "from", "("):
        at += 1
        while at < len(text.words) and not text.is_at(at, ")"):
            if text.words[at].text != ",":
                columns.append(duck.identifier(text.words[at].written))
            at += 1
        at += 1
    select = text.part(at, min(text.first("on", start=at), text.first("returning", start=at)))
    if text.is_at(at, "by"):  # by name: what stands in a place does not go into the column of that place
        return Written(text.part(at + 2, len(text.words)))
    target = duck.qualified(*name)
    return Written(select, _returning(text, target), target, tuple(columns))


def _update(text: _Text) -> Written:
    values, end = text.first("set"), text.first("returning")
    where = min(text.first("where"), end)
    joined = min(text.first("from", start=values), where)
    more = f", {text.part(joined + 1, where)}" if joined < where else ""
    assigned = text.part(values + 1, joined)
    target = text.part(1, values)
    return Written(f"select {assigned} from {target}{more} {text.part(where, end)}", _returning(text, target))


def _delete(text: _Text) -> Written:
    end = text.first("returning")
    where = min(text.first("where"), end)
    joined = min(text.first("using"), where)
    more = f", {text.part(joined + 1, where)}" if joined < where else ""
    target = text.part(2, joined)
    return Written(f"select 1 from {target}{more} {text.part(where, end)}", _returning(text, target))
