"""Findings of reviewers and auditors from a file: each with where it points, and whether there is such a line.

A finding is what the original's auditor made: check, severity, summary, claim_text and a list of evidence, alone or in
the list `findings` of a verdict. A quarter of the lines that its reviewers cited did not exist; so each citation can be
looked up in the folder it is about.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Invalid, NotFound
from engine.search.repository import texts
from engine.search.repository.folder import MOST_BYTES, Folder
from engine.storage import targets

if TYPE_CHECKING:
    from engine.lake import Lake

CITED = re.compile(r"(?<![\w/.-])([\w.-][\w./-]{0,250}\.\w{1,10}):(\d{1,9})\b")
SEVERITIES = ("info", "warn", "block")
VERIFIED, PAST_END, NO_FILE, NOTHING_CITED = "verified", "past the end of the file", "no such file", "cites no line"
WORST = (NO_FILE, PAST_END, VERIFIED)
MOST = 100_000  # findings
FARTHEST = 1_000_000_000  # no file has that many lines


@dataclass(frozen=True)
class Citation:
    """A line of a file that a finding points to."""

    path: str
    line: int


def read(lake: "Lake", uri: str, check: Callable[[], None]) -> list[tuple[int, str | dict[str, Any]]]:
    """The findings of a file of JSON lines, each with its line from 1; a text says why one could not be read.

    Raises Invalid, NotFound or Forbidden for the file itself.
    """
    path = targets.to_read(lake, uri)
    if path.stat().st_size > MOST_BYTES:
        raise Invalid(f"{path.name!r} is larger than {MOST_BYTES >> 20} MiB", "split it")
    found: list[tuple[int, str | dict[str, Any]]] = []
    for line, text in enumerate(_lines(path), 1):
        check()
        if text.strip():
            found += [(line, one) for one in _parsed(text)]
        if len(found) > MOST:
            raise Invalid(f"{path.name!r} holds more than {MOST} findings", "split it")
    if not found:
        raise NotFound(f"{path.name!r} holds no finding", "it must have one JSON object a line")
    return found


def _lines(path: Path) -> Iterator[str]:
    text, _ = texts.decoded(path.read_bytes())
    yield from text.split("\n")


def _parsed(text: str) -> list[str | dict[str, Any]]:
    """The findings of one line: one, or those of a verdict, which know what they are about."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [f"it is no JSON: {error}"]
    if not isinstance(value, dict):
        return ["it is no JSON object"]
    inner = value.get("findings")
    if not isinstance(inner, list):
        return [value]
    about = {name: value[name] for name in ("pr_number", "head_sha") if name in value}
    return [{**about, **one} if isinstance(one, dict) else "a finding of the list is no object" for one in inner]


def rows(found: list[tuple[int, str | dict[str, Any]]], folder: Folder | None) -> list[dict[str, Any]]:
    """The rows of `repo_findings`; a finding that stands twice is one. `folder`: where citations are looked up."""
    made: dict[str, dict[str, Any]] = {}
    for line, one in found:
        row = _row(one) if isinstance(one, dict) else _unread(line, one)
        made.setdefault(row["id"], row)
    if folder is not None:
        _look_up(list(made.values()), folder)
    return [{name: value for name, value in row.items() if name != "cited"} for row in made.values()]


def _row(finding: Mapping[str, Any]) -> dict[str, Any]:
    summary, claim = _text(finding, "summary"), _text(finding, "claim_text")
    evidence = [_whole(str(one)) for one in _list(finding.get("evidence"))]
    cited = _citations(finding, [summary or "", claim or "", *evidence])
    severity = _text(finding, "severity")
    parts = [summary, claim, *evidence]
    text = "\n".join(dict.fromkeys(part.strip() for part in parts if part and part.strip())) or None
    encoded = json.dumps(finding, sort_keys=True, ensure_ascii=True, default=str)
    error = None if text else "it has neither summary nor claim_text nor evidence"
    return {
        "id": f"finding:{hashlib.sha256(encoded.encode()).hexdigest()[:32]}",
        "path": cited[0].path if cited else _text(finding, "path") or _text(finding, "file"),
        "line": cited[0].line if cited else None, "severity": severity, "check": _text(finding, "check"),
        "summary": summary, "evidence": evidence, "text": text, "grounding": None, "error": error, "cited": cited,
    }  # fmt: skip


def _unread(line: int, why: str) -> dict[str, Any]:
    empty = dict.fromkeys(("path", "line", "severity", "check", "summary", "evidence", "text", "grounding"))
    return {"id": f"line:{line}", **empty, "error": why, "cited": []}


def _citations(finding: Mapping[str, Any], said: list[str]) -> list[Citation]:
    """What a finding points to: its own fields, and `file:line` in its texts."""
    path, line = _text(finding, "path") or _text(finding, "file"), finding.get("line")
    own = []
    if path and isinstance(line, int) and not isinstance(line, bool) and abs(line) < FARTHEST:
        own = [Citation(path, line)]
    written = [Citation(match[1], int(match[2])) for text in said for match in CITED.finditer(text)]
    return list(dict.fromkeys([*own, *written]))


def _look_up(found: list[dict[str, Any]], folder: Folder) -> None:
    """Say of each finding whether all lines that it cites exist: the worst of them counts."""
    wanted = {_plain(one.path) for row in found for one in row["cited"]}
    lengths: dict[str, int] = {}
    folder.takes = wanted.__contains__
    for file in folder.files():
        if file.data is not None:
            lengths[file.path] = len(texts.decoded(file.data)[0].rstrip("\n").split("\n"))
    for row in found:
        if row["error"] is None:
            verdicts = {_verdict(one, lengths) for one in row["cited"]}
            row["grounding"] = next((one for one in WORST if one in verdicts), NOTHING_CITED)


def _verdict(cited: Citation, lengths: Mapping[str, int]) -> str:
    lines = lengths.get(_plain(cited.path))
    if lines is None:
        return NO_FILE
    return VERIFIED if 1 <= cited.line <= lines else PAST_END


def _plain(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")


def _text(finding: Mapping[str, Any], name: str) -> str | None:
    value = finding.get(name)
    return None if value is None else _whole(value if isinstance(value, str) else json.dumps(value))


def _whole(text: str) -> str:
    """A text as the engine can keep it: half of a surrogate pair, which JSON can spell, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
