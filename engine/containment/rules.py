"""What makes the functions of the kind `checked` steady: small constants. Each rule reads the arguments of a call."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from engine.containment.tree import Node, number, text

MAX_COUNT = 1_000
MAX_ELEMENTS = 10_000
MAX_PATTERN = 200
MAX_REPLACEMENT = 16
MAX_COMPARED = 64
MAX_FORMAT = 200
MAX_WIDTH = 100


class Bound(NamedTuple):
    """What a call may make: a text so many times as long, so many characters more, of so many operands."""

    factor: int = 1
    length: int = 0
    operands: int = 0


Rule = Callable[[Sequence[Node]], Bound | None]


def _repeat(given: Sequence[Node]) -> Bound | None:
    count = number(given[1]) if len(given) == 2 else None
    if count is None or count > MAX_COUNT:
        return None
    constant = text(given[0])
    return Bound(factor=max(1, count)) if constant is None else Bound(length=len(constant) * max(0, count))


def _pad(given: Sequence[Node]) -> Bound | None:
    width = number(given[1]) if len(given) == 3 else None
    return None if width is None or width > MAX_COUNT else Bound(length=max(0, width))


def _series(given: Sequence[Node]) -> Bound | None:
    bounds = [bound for one in given if (bound := number(one)) is not None]
    if len(bounds) != len(given) or not 1 <= len(bounds) <= 3:
        return None
    start, stop = ([0, *bounds] if len(bounds) == 1 else bounds)[:2]
    step = bounds[2] if len(bounds) == 3 else 1
    return Bound() if step and abs(stop - start) // abs(step) <= MAX_ELEMENTS else None


def _replace(given: Sequence[Node]) -> Bound | None:
    old, new = (text(one) for one in given[1:]) if len(given) == 3 else (None, None)
    if old is None or new is None or len(old) > MAX_PATTERN or len(new) > MAX_REPLACEMENT:
        return None
    return Bound(factor=max(1, -(-len(new) // max(1, len(old)))))


def _regexp_replace(given: Sequence[Node]) -> Bound | None:
    if _pattern(given) is None or len(given) < 3:
        return None
    new = text(given[2])
    return None if new is None or len(new) > MAX_REPLACEMENT else Bound(factor=1 + len(new))


def _separated(given: Sequence[Node]) -> Bound | None:
    separator = text(given[1]) if len(given) == 2 else None
    return None if separator is None or len(separator) > MAX_REPLACEMENT else Bound(factor=1 + len(separator))


def _pattern(given: Sequence[Node]) -> Bound | None:
    constant = text(given[1]) if len(given) >= 2 else None
    return None if constant is None or len(constant) > MAX_PATTERN else Bound()


def _like(given: Sequence[Node]) -> Bound | None:
    """A pattern without `_` is searched by its parts; any other one by trying, for each `%` at every place."""
    constant = text(given[1]) if len(given) == 2 else None
    if constant is not None and "_" not in constant and len(constant) <= MAX_PATTERN:
        return Bound()
    return _tried("%")(given)


def _tried(wildcard: str) -> Rule:
    def rule(given: Sequence[Node]) -> Bound | None:
        constant = text(given[1]) if len(given) >= 2 else None
        if constant is None or len(constant) > MAX_PATTERN:
            return None
        inner = re.sub(f"{re.escape(wildcard)}+", wildcard, constant).removesuffix(wildcard)
        return Bound() if inner.count(wildcard) <= 1 else None

    return rule


def _compared(given: Sequence[Node]) -> Bound | None:
    constants = [text(one) for one in given]
    return Bound() if any(one is not None and len(one) <= MAX_COMPARED for one in constants) else None


def _format(given: Sequence[Node]) -> Bound | None:
    shape = text(given[0]) if given else None
    if shape is None or len(shape) > MAX_FORMAT or re.search(r"\*|\{[^}]*\{", shape):
        return None
    widths = [int(one) for one in re.findall(r"\d+", shape)]
    if any(width > MAX_WIDTH for width in widths):
        return None
    return Bound(length=sum(widths), operands=max(2, len(given)))


def _time_format(given: Sequence[Node]) -> Bound | None:
    shapes = [shape for one in given if (shape := text(one)) is not None]
    return Bound(length=16 * len(shapes[0])) if shapes and len(shapes[0]) <= MAX_WIDTH else None


RULES: Mapping[str, Rule] = {
    "repeat": _repeat,
    **dict.fromkeys(("lpad", "rpad"), _pad),
    **dict.fromkeys(("range", "generate_series"), _series),
    "replace": _replace,
    "regexp_replace": _regexp_replace,
    "array_to_string": _separated,
    **dict.fromkeys(("~~", "!~~"), _like),
    **dict.fromkeys(
        ("~~*", "!~~*", "like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape"), _tried("%")
    ),
    "~~~": _tried("*"),
    **dict.fromkeys(
        (
            "contains", "strpos", "position", "instr", "split_part", "string_split", "split", "str_split",
            "string_to_array", "regexp_matches", "regexp_full_match", "regexp_split_to_array", "string_split_regex",
            "str_split_regex", "regexp_extract", "regexp_extract_all",
        ),
        _pattern,
    ),
    **dict.fromkeys(
        ("levenshtein", "editdist3", "damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity"), _compared
    ),
    **dict.fromkeys(("printf", "format"), _format),
    "strftime": _time_format,
}  # fmt: skip
