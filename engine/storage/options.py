"""Options of `ingest`: what a caller may say about the files, checked by format."""

import json
from dataclasses import dataclass, field, fields
from typing import Any

from engine.errors import Invalid, nearest

ENCODINGS = ("utf-8", "utf-16", "latin-1")
CSV_ONLY = frozenset(
    ("delim", "quote", "escape", "header", "names", "skip", "comment", "nullstr", "encoding", "decimal_separator",
     "dateformat", "timestampformat", "strict")
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Everything that can be said; what is None is found out, or has the default of RFC 4180."""

    types: dict[str, str] = field(default_factory=dict)  # column -> SQL type
    delim: str | None = None
    quote: str = '"'
    escape: str | None = None  # None: a quote within quotes is doubled
    header: bool = True
    names: list[str] | None = None  # of the columns of a file without header
    skip: int = 0  # lines before the header
    comment: str = ""
    nullstr: list[str] = field(default_factory=lambda: [""])
    encoding: str = "utf-8"
    decimal_separator: str = "."
    dateformat: str | None = None
    timestampformat: str | None = None
    strict: bool = True


def parse(text: str | None, format: str) -> Options:
    """Read the options from JSON text (an object, or an object in a string). Raises Invalid naming the nearest."""
    given = _object(text)
    known = [one.name for one in fields(Options) if format == "csv" or one.name not in CSV_ONLY]
    for name, value in given.items():
        if name not in known:
            raise Invalid(f"unknown option {name!r} of {format} files", nearest(name, known))
        _check(name, value)
    if isinstance(given.get("nullstr"), str):
        given["nullstr"] = [given["nullstr"]]
    found = Options(**{name: value for name, value in given.items() if value is not None})
    if found.names is not None and found.header:
        raise Invalid("names are for files without a header", "add 'header': false")
    return found


def canonical(text: str | None) -> str | None:
    """The options in one spelling for the ledger, None for none."""
    given = _object(text)
    return json.dumps(given, sort_keys=True, ensure_ascii=False) if given else None


def _object(text: str | None) -> dict[str, Any]:
    given: Any = text
    for _ in range(2):  # JSON text in a string is unpacked once more
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError:
                raise Invalid("options is not JSON", "for example options := {'delim': ';'}") from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Invalid("options is not an object", "for example options := {'delim': ';'}")
    return dict(given)


def _check(name: str, value: Any) -> None:
    if value is None:
        return
    if name == "types":
        good = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        wanted = "an object of SQL types, {'zip': 'VARCHAR'}"
    elif name in ("header", "strict"):
        good, wanted = isinstance(value, bool), "true or false"
    elif name == "skip":
        good, wanted = (
            isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9,
            "a number of lines",
        )
    elif name in ("names", "nullstr"):
        texts = [value] if isinstance(value, str) and name == "nullstr" else value
        good = isinstance(texts, list) and bool(texts) and all(isinstance(one, str) for one in texts)
        wanted = "a list of texts"
    elif name == "encoding":
        good, wanted = value in ENCODINGS, "one of " + ", ".join(ENCODINGS)
    elif name in ("quote", "escape", "comment", "delim", "decimal_separator"):
        lengths = (0, 1) if name in ("quote", "comment") else (1, 1)
        good = isinstance(value, str) and lengths[0] <= len(value) <= lengths[1] and not set(value) & set("\n\r\0")
        wanted = "a character"
    else:
        good, wanted = isinstance(value, str) and bool(value), "a text"
    if not good:
        raise Invalid(f"option {name!r} cannot be {value!r}", f"it must be {wanted}")
