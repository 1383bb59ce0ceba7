"""The filter as a function of SQL: focus and chunks as JSON in, each chunk with its score out."""

import json
from collections.abc import Callable
from typing import Any

from engine import encoded
from engine.errors import Invalid, nearest
from engine.search.relevance.score import Chunk, Focus, Scored, score
from engine.search.relevance.trees import TOO_LONG

FOCUS_FIELDS = ("path", "content", "defined_symbols", "imported_symbols")
LONGEST_FOCUS, LONGEST_PATH = 1_000_000, 4096
SOURCES, IDS, CONTENTS = ("source", "path"), ("doc_id", "id"), ("content", "text")


def _go_on() -> None:
    """Nobody waits, nobody cancels."""


def relevance(
    focus: str, chunks: str, threshold: float, *, filtering: bool, check: Callable[[], None] = _go_on
) -> list[dict[str, object]]:
    """One row a chunk, in their order: chunk, score, kept, signals. Both arguments are JSON.

    With `filtering` off every chunk is kept; the scores are told all the same. `check` is called on the way and may
    raise to stop. Raises Invalid for what is neither.
    """
    check()
    looked_at = parse_focus(value_of(focus, "the focus"), check)
    found = value_of(chunks, "the list of chunks")
    if not isinstance(found, list):
        raise Invalid("chunks is not a list", "give texts, or {'source': …, 'content': …}")
    rows = []
    told = told_of(looked_at, filtering=filtering)
    for at, one in enumerate(found):
        check()
        scored = score(looked_at, parse_chunk(one, at))
        kept = scored.kept(threshold) or not filtering
        signals = {**explained(scored), **told}
        row = {"chunk": json.dumps(one, ensure_ascii=False), "score": scored.score, "kept": kept}
        rows.append({**row, "signals": json.dumps(signals, ensure_ascii=False)})
    return rows


def told_of(focus: Focus, *, filtering: bool) -> dict[str, object]:
    """What is told of each chunk beside its score: that nothing is left out, that the focus could not be parsed."""
    told: dict[str, object] = {} if filtering else {"filter": "off"}
    return told if focus.symbols.read else {**told, "symbols": f"none: the focus {TOO_LONG}"}


def explained(scored: Scored) -> dict[str, object]:
    """What made a score, as JSON has it: the share of each signal that fired, and the symbols that were found."""
    told = {name: value for name, value in vars(scored).items() if value and name != "score"}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in told.items()}


def parse_focus(value: object, check: Callable[[], None] = _go_on) -> Focus:
    """A focus: a text is its content; an object has path, content and, if they are known, the symbols."""
    if isinstance(value, str):
        value = {"content": value}
    if not isinstance(value, dict):
        raise Invalid("the focus is neither a text nor an object", "give {'path': …, 'content': …}")
    unknown = [name for name in value if name not in FOCUS_FIELDS]
    if unknown:
        raise Invalid(f"the focus has an unknown field {unknown[0]!r}", nearest(unknown[0], FOCUS_FIELDS))
    path, content = (_text(value.get(name), f"focus.{name}") for name in FOCUS_FIELDS[:2])
    defined, imported = (_names(value.get(name), f"focus.{name}") for name in FOCUS_FIELDS[2:])
    if content is not None and len(content) > LONGEST_FOCUS:
        raise Invalid(f"focus.content is longer than {LONGEST_FOCUS} characters", "give the part that matters")
    if path is not None and len(path) > LONGEST_PATH:
        raise Invalid(f"focus.path is longer than {LONGEST_PATH} characters", "give the path of the file")
    if not path and not content and not defined and not imported:
        raise Invalid("the focus is empty", "give it a path, a content or both")
    return Focus(path, content, defined, imported, check)


def parse_chunk(value: object, at: int) -> Chunk:
    """A chunk: a text, or an object with content (or text) and, if known, source (or path) and doc_id (or id)."""
    if isinstance(value, str):
        return Chunk(value)
    if not isinstance(value, dict):
        raise Invalid(f"chunks[{at}] is neither a text nor an object", "give texts, or {'source': …, 'content': …}")
    content, source, doc_id = (_first(value, names, at) for names in (CONTENTS, SOURCES, IDS))
    if content is None:
        raise Invalid(f"chunks[{at}] has no content", "it must have a field content (or text)")
    return Chunk(content, source, doc_id)


def _first(value: dict[str, Any], names: tuple[str, ...], at: int) -> str | None:
    name = next((name for name in names if value.get(name) is not None), None)
    found = None if name is None else value[name]
    return str(found) if name == "id" and isinstance(found, int) else _text(found, f"chunks[{at}].{name}")


def value_of(text: str, what: str) -> object:
    """The value of a JSON text; a text that itself is written JSON (an object or a list) is read once more.

    Raises Invalid for what nests too deep or is no Unicode.
    """
    value = encoded.value(text, what)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        inner = encoded.within(value)
        is_focus = isinstance(inner, dict) and not set(inner) - set(FOCUS_FIELDS)
        return encoded.checked(inner, what) if is_focus or isinstance(inner, list) else value
    return value


def _text(value: object, field: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{field} is not a text", "give a VARCHAR")
    return value


def _names(value: object, field: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Invalid(f"{field} is not a list of texts", "for example ['Connector', 'catalogd::Registry']")
    return tuple(value)
