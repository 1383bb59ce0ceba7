"""Plans that are kept: a statement that comes again with other values need not be planned again.

To look up a macro, bind it and optimize what it stands for takes the engine longer than most searches take. A value is
a parameter, or a text that is a whole argument of a function of ours; each has one type, as the driver would give it.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from engine import duck, tokens
from engine.parameters import Parameters
from engine.tokens import Token

if TYPE_CHECKING:
    from engine.guard import Checked

KEPT = 32  # of a cursor
SEEN = ""  # the plan of what came once
KEPT_SHAPES, SHAPED_CHARACTERS = 512, 10_000
PARAMETER = re.compile(rb"\?\d*|\$\w+")
TEXT = re.compile(r"'(?:[^']|'')*'")
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
BEFORE_ARGUMENT = ("(", ",", ":=", "=>")
Pattern = tuple[tuple[str, ...], tuple[str, ...]]  # what stands between the slots, and their parameters


@dataclass(frozen=True)
class Slot:
    """Where a value stands: a parameter by its name, or a text as it is written there."""

    start: int  # in bytes
    end: int
    parameter: str = ""  # a text has none
    text: str | None = None


@dataclass(frozen=True)
class Shape:
    """A statement without the values in it."""

    between: tuple[str, ...]  # what stands before, between and after the slots
    slots: tuple[Slot, ...]

    @property
    def pattern(self) -> Pattern:
        """The same for all texts that stand in it."""
        return self.between, tuple(slot.parameter for slot in self.slots)

    def filled(self, params: Parameters | None) -> tuple[str, str] | None:
        """The statement to prepare, and the values to run it with; None when one has a type that is not written here.

        The types are those that the driver would give: with others, the engine would plan it again each time. None,
        too, when there are too few or too many values: the engine says so.
        """
        given = params if isinstance(params, Mapping) else {str(at): value for at, value in enumerate(params or (), 1)}
        if given.keys() != {slot.parameter for slot in self.slots if slot.text is None}:
            return None
        written, values = [], []
        for slot in self.slots:
            found = _written(given.get(slot.parameter) if slot.text is None else slot.text)
            if found is None:
                return None
            value, kind = found
            if kind:
                values.append(value)
            written.append(f"(${len(values)}::{kind})" if kind else value)
        text = "".join(chain.from_iterable(zip_longest(self.between, written, fillvalue="")))
        return text, f"({', '.join(values)})" if values else ""


def _written(value: object) -> tuple[str, str] | None:
    """A value as SQL of exactly its type, and the type; a NULL has none, and is a part of the statement."""
    match value:
        case None:
            return "null", ""
        case str() if "\0" not in value:
            return duck.literal(value), "varchar"
        case bool():
            return str(value).lower(), "boolean"
        case int() if -(2**31) <= value < 2**31:
            return f"{value}::integer", "integer"
        case int() if -(2**63) <= value < 2**63:
            return f"{value}::bigint", "bigint"
        case float():
            return f"'{value!r}'::double", "double"
    return None


def shape_of(sql: str, functions: frozenset[str], parameters: tuple[str, ...]) -> Shape | None:
    """`sql` without its values, which all stand in calls of `functions`; None when a parameter stands elsewhere."""
    return _shaped(sql, functions, parameters) if len(sql) <= SHAPED_CHARACTERS else None


@lru_cache(maxsize=KEPT_SHAPES)
def _shaped(sql: str, functions: frozenset[str], parameters: tuple[str, ...]) -> Shape | None:
    if tokens.plain(sql) != sql:  # a space of another alphabet: the text that was read is another one
        return None
    data, words = sql.encode(), tokens.read(sql)
    slots = list(_slots(data, words, functions))
    named = [slot for slot in slots if slot.text is None]
    if len(named) != _marks(data, words) or {slot.parameter for slot in named} != set(parameters):
        return None
    edges = [0, *chain.from_iterable((slot.start, slot.end) for slot in slots), len(data)]
    return Shape(tuple(data[a:b].decode() for a, b in zip(edges[::2], edges[1::2], strict=True)), tuple(slots))


def _slots(data: bytes, words: Sequence[Token], functions: Collection[str]) -> Iterator[Slot]:
    """The values within calls of `functions`, in their order."""
    calls: list[bool] = []  # of each open bracket, whether it is that of such a call
    count = 0
    for at, word in enumerate(words):
        if word.text in OPENING:
            calls.append(at > 0 and words[at - 1].is_name and words[at - 1].text in functions)
        elif word.text in CLOSING:
            del calls[-1:]  # there may be none: the text need not be a statement
        elif word.kind == "operator" and any(calls) and (found := PARAMETER.match(data, word.start)):
            count += 1
            yield Slot(word.start, found.end(), found.group()[1:].decode() or str(count))
        elif word.kind == "string_const" and calls and calls[-1] and _is_argument(words, at):
            if not TEXT.fullmatch(word.written.rstrip()):
                continue
            end = word.start + word.length
            yield Slot(word.start, end, text=data[word.start + 1 : end - 1].decode().replace("''", "'"))


def _is_argument(words: Sequence[Token], at: int) -> bool:
    """Whether a word is all there is of an argument."""
    after = words[at + 1].text if at + 1 < len(words) else ""
    return words[at - 1].text in BEFORE_ARGUMENT and after in (",", ")")


def _marks(data: bytes, words: Sequence[Token]) -> int:
    """How many parameters there can be at most."""
    ends = [word.start for word in words[1:]] + [len(data)]
    texts = (data[word.start : end] for word, end in zip(words, ends, strict=False) if word.kind != "string_const")
    return sum(text.count(b"?") + text.count(b"$") for text in texts)


class Forms:
    """What the check of a statement found, for all that differ from it in a text only. See `Shape`.

    It is kept where no check looks at that text: the statement reads, names nothing of a bucket, and is steady.
    """

    def __init__(self) -> None:
        """None yet."""
        self._known: OrderedDict[Pattern, Checked] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, shape: Shape) -> "Checked | None":
        """What is known of such statements; its text is another one."""
        with self._lock:
            found = self._known.get(shape.pattern)
            if found is not None:
                self._known.move_to_end(shape.pattern)
            return found

    def keep(self, shape: Shape, checked: "Checked") -> None:
        """Remember what was found, where it is the same for all."""
        if checked.placeless and checked.calls and checked.effect == "reads" and checked.contained is None:
            with self._lock:
                self._known[shape.pattern] = checked
                if len(self._known) > KEPT_SHAPES:
                    self._known.popitem(last=False)


class Plans:
    """The plans of one cursor: prepared statements of the engine, by their text."""

    def __init__(self, cursor: duck.Cursor) -> None:
        """None yet."""
        self._cursor = cursor
        self._names: OrderedDict[str, str | None] = OrderedDict()  # None: the engine refuses to
        self._count = 0

    def name(self, text: str) -> str | None:
        """The plan of `text`; None when it is new, so that what comes once is planned once, and when it has none."""
        if text not in self._names:
            self._keep(text)
            return None
        self._names.move_to_end(text)
        if self._names[text] == SEEN:
            self._names[text] = self._prepared(text)
        return self._names[text]

    def _prepared(self, text: str) -> str | None:
        self._count += 1
        name = f"plan_{self._count}"
        try:
            self._cursor.execute(f"prepare {name} as {text}")
        except duck.Error:
            return None
        return name

    def _keep(self, text: str) -> None:
        self._names[text] = SEEN
        if len(self._names) > KEPT:
            _, oldest = self._names.popitem(last=False)
            if oldest:
                with suppress(duck.Error):
                    self._cursor.execute(f"deallocate {oldest}")
