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
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from engine.errors import Invalid, NotFound
from engine.search.repository import texts
from engine.search.repository.folder import MOST_BYTES, Folder
from engine.search.repository.lines import Length, Lines
from engine.storage import targets

if TYPE_CHECKING:
    from engine.lake import Lake

CITED = re.compile(r"(?<![\w/.-])([\w.-][\w./-]{0,250}):(\d{1,9})\b")
SUFFIX = re.compile(r"\.[^\W\d]\w{0,9}$")  # of a file; what ends in a number is a version, an address or a time
HOSTS = re.compile(  # with a port behind it, a name that ends so is a host unless there is such a file
    r"(com|org|net|edu|gov|int|info|biz|io|dev|app|ai|cloud|local|localhost|internal|lan|test|example|invalid"
    r"|de|uk|eu|us|fr|nl|ch|at|it|es|se|no|fi|dk|be|jp|cn|kr|au|ca|br|ru)"
)
BARE = re.compile(  # names of files without a suffix
    r"(gnu)?makefile|(docker|container|jenkins|vagrant|proc|rake|gem|brew|just)file|licen[sc]e|notice|readme|changelog"
    r"|contributing|authors|copying|version|codeowners|build|workspace"
)
VERIFIED, PAST_END, NO_FILE, NOTHING_CITED = "verified", "past the end of the file", "no such file", "cites no line"
TOO_LARGE = "too large to tell"
WORST = (NO_FILE, PAST_END, TOO_LARGE, VERIFIED)
MOST = 100_000  # findings
FARTHEST = 1_000_000_000  # no file has that many lines
DIGITS = 20  # of a number in a text; one with more is none


@dataclass(frozen=True)
class Citation:
    """A line of a file that a finding points to."""

    path: str
    line: int
    is_doubtful: bool = False  # `example.com:443`: one only if there is such a file


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
    lines = None if folder is None else Lines(folder)
    return [_looked_up(row, lines) for row in made.values()]


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
        "path": _text(finding, "path") or _text(finding, "file"), "line": None,
        "severity": severity, "check": _text(finding, "check"), "summary": summary, "evidence": evidence, "text": text,
        "grounding": None, "error": error, "cited": cited,
    }  # fmt: skip


def _unread(line: int, why: str) -> dict[str, Any]:
    empty = dict.fromkeys(("path", "line", "severity", "check", "summary", "evidence", "text", "grounding"))
    return {"id": f"line:{line}", **empty, "error": why, "cited": []}


def _citations(finding: Mapping[str, Any], said: list[str]) -> list[Citation]:
    """What a finding points to: its own fields, and `file:line` in its texts."""
    path, line = _text(finding, "path") or _text(finding, "file"), _number(finding.get("line"))
    own = [Citation(path, line)] if path and line is not None else []
    written = [
        Citation(match[1], int(match[2]), _is_doubtful(match[1])) for text in said for match in CITED.finditer(text)
    ]
    return list(dict.fromkeys([*own, *written]))


def _number(value: object) -> int | None:
    """The number of a line, which may be written as a text or with a point; None for what is none."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= FARTHEST:
        return None
    return value


def _is_doubtful(path: str) -> bool:
    """Whether what stands before a number in a text may be no file: a host, a version, a time, a word."""
    name = PurePosixPath(_plain(path)).name.lower()
    suffix = SUFFIX.search(name)
    if suffix is None:
        return BARE.fullmatch(name) is None
    return "/" not in path and HOSTS.fullmatch(suffix[0].removeprefix(".")) is not None


def _looked_up(row: dict[str, Any], lines: Lines | None) -> dict[str, Any]:
    """A row with the first line that it cites and, with `lines`, whether all of them exist: the worst counts."""
    cited: list[Citation] = row.pop("cited")
    lengths = {} if lines is None else {one: lines.of(_plain(one.path)) for one in cited}
    counting = [one for one in cited if lengths.get(one) is not None or not one.is_doubtful]
    if counting:
        row |= {"path": counting[0].path, "line": counting[0].line}
    if lines is not None and row["error"] is None:
        verdicts = {_verdict(one.line, lengths[one]) for one in counting}
        row["grounding"] = next((one for one in WORST if one in verdicts), NOTHING_CITED)
    return row


def _verdict(line: int, length: Length | None) -> str:
    if length is None:
        return NO_FILE
    if 1 <= line <= length.lines:
        return VERIFIED
    return PAST_END if length.is_whole or line < 1 else TOO_LARGE


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
