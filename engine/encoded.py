"""JSON that callers give: how deep it may nest, how long its numbers may be, and that its texts are Unicode."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from engine.errors import Invalid

DEEPEST = 200
CUT = DEEPEST + 10  # what stands around a trace in a file nests less than that
MOST_DIGITS = sys.int_info.default_max_str_digits
UNTOLD = 10**MOST_DIGITS  # stands for a number that is too long: `encode` refuses it, too
MARKS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


def decode(text: str, limit: int, what: str = "the trace") -> Any:
    """The value of a JSON text of at most `limit` bytes. Raises Invalid for what is no JSON, or more than that."""
    if len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit:
        raise too_long(what, limit)
    return value(text, what)


def value(text: str, what: str) -> Any:
    """The value of a JSON text. Raises Invalid, as `checked` does, and for what is no JSON."""
    try:
        found = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise unreadable(what, error) from None
    except ValueError as error:
        raise Invalid(f"{what} is not JSON: {error}", "correct it") from None
    except RecursionError:
        raise _too_deep(what) from None
    return checked(found, what)


def checked(found: Any, what: str) -> Any:
    """A value of JSON as it is. Raises Invalid when it nests too deep, or holds what cannot be written."""
    try:
        text = encode(found)
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{what} holds half of a surrogate pair", "write valid Unicode") from None
    except ValueError:
        raise Invalid(f"{what} is not JSON: a number is too large, or none", "write it as a text") from None
    except RecursionError:
        raise _too_deep(what) from None
    if text.count("[") + text.count("{") > DEEPEST and _depth(found) > DEEPEST:
        raise _too_deep(what)
    return found


def within(text: str) -> Any:
    """The value of a text that is JSON itself; None for any other."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def whole(text: str) -> Any:
    """The value of a file. Where something in it cannot be read, that alone is replaced by what `checked` refuses.

    Raises json.JSONDecodeError for what is no JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        return json.loads("".join(_shallow(text)), parse_int=lambda digits: UNTOLD if _is_long(digits) else int(digits))


def encode(value: object) -> str:
    """A value as JSON text, in the order it has."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def too_long(what: str, limit: int) -> Invalid:
    """The error for more than `limit` bytes."""
    return Invalid(f"{what} is longer than {limit} bytes", "shorten it, or raise [pathway] trace_bytes")


def unreadable(what: str, error: json.JSONDecodeError) -> Invalid:
    """The error for what is no JSON."""
    return Invalid(f"{what} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})", "correct it")


def _too_deep(what: str) -> Invalid:
    return Invalid(f"{what} is not JSON: it nests more than {DEEPEST} deep", "correct it")


def _depth(value: Any) -> int:
    """How deep lists and objects nest, without recursion."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        deepest += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return deepest


def _shallow(text: str) -> Iterator[str]:
    """The parts of a JSON text without what nests deeper than CUT: there is a null in its place."""
    depth = start = 0
    for found in MARKS.finditer(text):
        mark = found.group()
        if mark in ("[", "{"):
            depth += 1
            if depth == CUT:
                yield text[start : found.start()]
        elif mark in ("]", "}"):
            depth -= 1
            if depth == CUT - 1:
                yield "null"
                start = found.end()
    if depth < CUT:
        yield text[start:]


def _is_long(digits: str) -> bool:
    return len(digits.lstrip("-")) > MOST_DIGITS


def _integer(digits: str) -> int:
    if _is_long(digits):
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return int(digits)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
