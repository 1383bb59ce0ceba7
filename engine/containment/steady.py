"""Which statements may run in the server: those whose work and output a row are bounded by what they read.

An interrupt stops the engine between two vectors of 2,048 rows, and its memory limit does not count what functions
make of texts and lists. So a statement is steady when one vector can neither take long nor grow large, whatever the
rows are. That is decided from the parse alone, and what is not known is unsteady: a false alarm costs some milliseconds
in a worker process, nothing else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from math import prod

from engine.containment.rules import RULES
from engine.containment.tree import Node, arguments, children, function, is_query, text
from engine.tokens import Token
from sql import words as word_list

MAX_MADE = 65_536  # characters that one row may make of the constants of a statement and of ordinary columns
COLUMN = 256  # characters of an ordinary text column
MAX_ARRAY = 4_096  # elements of all fixed-size arrays that a statement casts to
MAX_ARGUMENTS = 1_000
MAX_COLUMNS = 2_000
HOLDING = ("holds", "collects")


@dataclass
class _Level:
    """One query of a statement: what its expressions make of the texts below."""

    operands: int = 0
    widest: int = 1  # the product of the factors of calls in each other
    aliases: set[str] = field(default_factory=set)  # of columns that are more than a name
    named: set[str] = field(default_factory=set)

    @property
    def factor(self) -> int:
        """How many times longer a text may become here; a column that uses another one of the same query multiplies."""
        own = max(1, self.operands) * self.widest
        return int(own ** (1 + len(self.aliases & self.named)))


@dataclass(frozen=True)
class _Place:
    """Where in a statement a node stands."""

    level: _Level
    quiet: bool = False  # its constants are compared with, and make no text
    path: int = 1  # the product of the factors of the calls that it stands in
    in_text: bool = False  # whether it stands in a call that makes or reads a text


@dataclass
class _Reading:
    """What was found in a statement."""

    ours: Collection[str]
    levels: list[_Level] = field(default_factory=list)
    constants: int = 0
    texts: list[str] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)
    collected: bool = False  # whether a text may be made of what an aggregate collected
    multiplies: bool = False  # whether rows may be more than those of a table
    recursive: bool = False
    arrays: int = 0
    found: str | None = None

    def verdict(self) -> str | None:
        """The first thing that is not steady, of the parts and of the whole."""
        if self.found or (self.holders and (self.multiplies or self.collected)):
            return self.found or self.holders[0]
        if self.arrays > MAX_ARRAY:
            return f"arrays of {self.arrays} elements"
        made = prod(level.factor for level in self.levels) * max(COLUMN, self.constants)
        return self.texts[0] if self.texts and (self.recursive or made > MAX_MADE) else None


@cache
def kinds() -> Mapping[str, tuple[str, int]]:
    """The kind and factor of each steady function, from `sql/steady_functions.txt`."""
    found = {}
    for line in word_list("steady_functions.txt"):
        name, kind, factor = [*line.split(" "), "", ""][:3]
        found[name] = (kind, int(factor or 1))
    return found


def unsteady(tree: Node, words: Sequence[Token], ours: Collection[str] = ()) -> str | None:
    """The first function or construct of a statement that is not steady; None when it may run in the server.

    `tree` is its parse, empty when there is none: then its `words` are judged, and only what is always steady passes.
    `ours`: names of the functions of the lake, whose work the lake bounds itself.
    """
    if not tree:
        return _unsteady_words(words, ours)
    reading = _Reading(ours)
    stack = [(tree, _Place(_Level()))]
    while stack and not reading.found:
        node, place = stack.pop()
        if is_query(node):
            place = _Place(_enter(reading, node))
        below = _read(reading, place, node)
        stack.extend((child, below) for child in children(node))
    reading.collected |= bool(reading.holders and reading.texts and len(reading.levels) > 1)
    return reading.verdict()


def _enter(reading: _Reading, node: Node) -> _Level:
    level = _Level()
    reading.levels.append(level)
    reading.recursive = reading.recursive or node.get("type") == "RECURSIVE_CTE_NODE"
    reading.multiplies = reading.multiplies or reading.recursive
    columns = node.get("select_list", [])
    if len(columns) > MAX_COLUMNS:
        reading.found = f"{len(columns)} columns"
    computed = (column for column in columns if column.get("class") != "COLUMN_REF")
    level.aliases = {str(column.get("alias") or "").lower() for column in computed} - {""}
    return level


def _read(reading: _Reading, place: _Place, node: Node) -> _Place:
    """Read one node; returns the place of what stands in it."""
    kind, group = node.get("type"), node.get("class")
    if kind in ("JOIN", "TABLE_FUNCTION"):
        reading.multiplies = True
        if kind == "TABLE_FUNCTION":
            return _read_source(reading, place, node)
    elif group == "CAST":
        reading.arrays += _array_size(node.get("cast_type"))
        if (node.get("cast_type") or {}).get("id") == "VARIANT":
            reading.found = "a cast to VARIANT"  # it ends the process on JSON that nests deeply
    elif kind == "COLUMN_REF":
        place.level.named.add(str(node["column_names"][0]).lower())
    elif group == "COMPARISON" or kind == "COMPARE_IN":
        return _Place(place.level, True, place.path, place.in_text)
    elif (constant := text(node)) is not None:
        reading.constants += 0 if place.quiet else len(constant)
    name = function(node)
    if name is None:
        return place
    return _Place(place.level, True, 1) if name in reading.ours else _call(reading, place, node, name)


def _read_source(reading: _Reading, place: _Place, node: Node) -> _Place:
    """A table function: a stream of rows, which the engine makes one vector at a time."""
    name = function(node["function"])
    if name is not None and (name in ("range", "generate_series") or kinds().get(name, ("",))[0] == "rows"):
        node["function"]["function_name"] = "unnest"
    return place


def _call(reading: _Reading, place: _Place, node: Node, name: str) -> _Place:
    kind, factor = kinds().get(name, ("unknown", 1))
    held, windowed = kind in HOLDING, node.get("class") == "WINDOW"
    outside = kind == "unknown" or node.get("catalog") or len(arguments(node)) > MAX_ARGUMENTS
    if outside or (windowed and (held or node.get("distinct"))):
        reading.found = name
    elif held:
        reading.holders.append(name)
        reading.collected = reading.collected or place.in_text
    elif kind == "rows":
        reading.multiplies = True
    elif kind == "joins":
        place.level.operands += max(2, len(arguments(node)))
    elif kind == "checked":
        bound = RULES[name](arguments(node))
        if bound is None:
            reading.found = name
            return place
        factor = bound.factor
        reading.constants += bound.length
        place.level.operands += bound.operands
    if kind not in ("text", "joins", "checked"):
        return place
    reading.texts.append(name)
    path = place.path * factor
    place.level.widest = max(place.level.widest, path)
    return _Place(place.level, place.quiet, path, place.in_text or not _is_ordered_list(node, name))


def _is_ordered_list(node: Node, name: str) -> bool:
    """Whether it is what the parser makes of `list(a order by a)`."""
    first = arguments(node)[:1]
    return name == "list_sort" and any(function(one) in ("list", "array_agg") for one in first)


def _array_size(kind: object) -> int:
    """The elements of the fixed-size arrays in a type, those of nested ones multiplied."""
    if not isinstance(kind, dict):
        return 0
    info = kind.get("type_info") or {}
    if kind.get("id") == "ARRAY":
        return int(info.get("size", 0)) * max(1, _array_size(info.get("child_type")))
    inner = [info.get("child_type"), *(one.get("second") for one in info.get("child_types", []))]
    return sum(_array_size(one) for one in inner)


def _unsteady_words(words: Sequence[Token], ours: Collection[str]) -> str | None:
    """The verdict by words: a name before a bracket that is not always steady."""
    for at, (word, after) in enumerate(pairwise(words)):
        if not word.is_name or after.text != "(" or word.text in ours or _is_no_call(words, at):
            continue
        kind = kinds().get(word.text, ("unknown", 1))[0]
        if kind in ("unknown", "checked", *HOLDING):
            return word.text
    return None


def _is_no_call(words: Sequence[Token], at: int) -> bool:
    """Whether a name before a bracket is a keyword, or that of a table."""
    word, before = words[at], words[at - 1] if at else None
    if before is not None and before.is_word("into", "table", "exists", "as", "view", "recursive", "with"):
        return True
    first = at
    while first >= 2 and words[first - 1].text == "." and words[first - 2].is_name:
        first -= 2
    if first < at and first and words[first - 1].is_word("into", "table", "exists", "view"):
        return True  # schema.table
    if word.text == "filter":  # of an aggregate; the function of this name takes a lambda
        return before is not None and before.text == ")"
    return word.kind == "keyword" and word.text not in kinds()
