"""What a reviewer's text says of mistakes: flags, how sure he is, and the pattern key of each line.

A pattern key is the flag and up to three identifiers that the line quotes: two reviews that speak of the same mistake
in the same code give the same key, `UnitMismatch:base_rows-checked_add-checked_sub`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.memory.pathways.trace import FLAGS

MARKED = re.compile(r"\*\*\s*Flag:\s*(\w+)\s*\*\*", re.IGNORECASE)
BARE = re.compile(r"\b(" + "|".join(FLAGS) + r")\b")
CONFIDENCE = re.compile(r"\bConfidence:\s*(\d{1,3})\s*%", re.IGNORECASE)
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*")
RUST_KEYWORDS = frozenset(
    [
        "as",
        "async",
        "await",
        "become",
        "box",
        "break",
        "const",
        "continue",
        "crate",
        "do",
        "dyn",
        "else",
        "enum",
        "extern",
        "false",
        "final",
        "fn",
        "for",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "macro",
        "match",
        "mod",
        "move",
        "mut",
        "override",
        "priv",
        "pub",
        "ref",
        "return",
        "self",
        "Self",
        "static",
        "struct",
        "super",
        "trait",
        "true",
        "try",
        "type",
        "typeof",
        "union",
        "unsafe",
        "unsized",
        "use",
        "virtual",
        "where",
        "while",
        "yield",
    ]
)
SHORTEST = 3
IN_KEY = 3
LONGEST_EXAMPLE = 300
BY_LOWER = {flag.lower(): flag for flag in FLAGS}


@dataclass(frozen=True)
class Found:
    """One kind of mistake that a review speaks of."""

    flag: str
    pattern_key: str | None  # None: the line quotes no identifier
    example: str
    occurrences: int
    confidence: float | None  # 0 … 1


def findings(review: str) -> list[Found]:
    """The mistakes of a review, each (flag, pattern key) once, in the order of their first line.

    `**Flag: X**` counts; only a review without any such mark is searched for the bare names of the flags.
    """
    is_marked = any(True for _ in _marked(review))
    overall = _confidence(review)
    found: dict[tuple[str, str | None], Found] = {}
    for line in review.splitlines():
        flags = list(dict.fromkeys(_marked(line) if is_marked else BARE.findall(line)))
        names = identifiers(line) if flags else []
        for flag in flags:
            key = f"{flag}:{'-'.join(names)}" if names else None
            before = found.get((flag, key))
            confidence = _confidence(line)
            found[flag, key] = Found(
                flag,
                key,
                before.example if before else line.strip()[:LONGEST_EXAMPLE],
                before.occurrences + 1 if before else 1,
                before.confidence if before else overall if confidence is None else confidence,
            )
    return list(found.values())


def identifiers(line: str) -> list[str]:
    """Up to three back-quoted identifiers of a line, in alphabetical order."""
    found = {name for span in QUOTED.findall(line) for name in _of_span(span.strip())}
    return sorted(found)[:IN_KEY]


def _of_span(span: str) -> list[str]:
    """The identifiers of a quoted span: itself, or the three that tell most when it is an expression."""
    names = [name for name in dict.fromkeys(PATH.findall(span)) if _counts(name)]
    if PATH.fullmatch(span):
        return names
    return sorted(names, key=lambda name: ("::" not in name, -len(name), name))[:IN_KEY]


def _counts(name: str) -> bool:
    return len(name) >= SHORTEST and name not in FLAGS and name not in RUST_KEYWORDS


def _marked(text: str) -> Iterator[str]:
    """The marked flags that are known, in their proper case."""
    return (BY_LOWER[name.lower()] for name in MARKED.findall(text) if name.lower() in BY_LOWER)


def _confidence(text: str) -> float | None:
    found = CONFIDENCE.search(text)
    return min(int(found.group(1)), 100) / 100 if found else None
