"""Findings of reviewers: what is read of them, what is told of the rest, and whether their citations are true."""

import json
from pathlib import Path

import pytest

from engine.errors import Forbidden, Invalid, NotFound
from engine.lake import Lake
from engine.session import Session


@pytest.fixture
def place(tmp_path: Path, lake: Lake) -> Path:
    """The folder that may be read, with a repository of one file."""
    made = tmp_path / "in"
    (made / "project").mkdir()
    (made / "project" / "pump.py").write_text("a = 1\nb = 2\n")
    return made


def findings(session: Session, place: Path, lines: list[object], *, looked_up: bool = False) -> list[dict[str, object]]:
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (place / "found.jsonl").write_text("\n".join(written))
    repository = str(place / "project") if looked_up else None
    return session.run(
        "select * from repo_findings(?, repository := ?)", [str(place / "found.jsonl"), repository]
    ).rows()


def test_each_citation_is_looked_up(session: Session, place: Path) -> None:
    said = ["see pump.py:2", "see pump.py:3", "see tank.py:1 and pump.py:1", "nothing cited"]
    lines: list[object] = [{"check": "c", "severity": "warn", "summary": one} for one in said]
    lines.append({"findings": [{"summary": "inner", "path": "./pump.py", "line": 1}], "pr_number": 7})
    found = findings(session, place, lines, looked_up=True)
    assert [(row["path"], row["line"], row["grounding"]) for row in found] == [
        ("pump.py", 2, "verified"),
        ("pump.py", 3, "past the end of the file"),
        ("tank.py", 1, "no such file"),
        (None, None, "cites no line"),
        ("./pump.py", 1, "verified"),
    ]
    assert found[0]["text"] == "see pump.py:2"


def test_a_finding_that_stands_twice_is_one(session: Session, place: Path) -> None:
    assert len(findings(session, place, [{"summary": "x"}, {"summary": "x"}])) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("3", "it is no JSON object"),
        ({}, "it has neither summary"),
        ({"findings": [1]}, "is no object"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(session: Session, place: Path, line: object, why: str) -> None:
    (row,) = findings(session, place, [line], looked_up=True)
    assert str(row["error"]).startswith(why) or why in str(row["error"])


@pytest.mark.parametrize(
    "odd",
    [
        {"summary": "\ud800 half", "evidence": ["\udfff"], "path": "\ud800"},
        {"summary": "x", "path": "pump.py", "line": 10**30},
        {"summary": "x", "path": "pump.py", "line": -(10**30)},
        {"summary": {"deep": [1, None]}, "evidence": {"a": 1}, "severity": 5, "line": True},
        {"summary": "x", "line": float("nan")},
        {"summary": "\0 nul " * 1000},
    ],
)
def test_odd_values_are_kept_as_texts(session: Session, place: Path, odd: dict[str, object]) -> None:
    (row,) = findings(session, place, [odd], looked_up=True)
    assert row["error"] is None
    assert row["text"]


def test_files_that_cannot_be_read_are_told(session: Session, place: Path, tmp_path: Path) -> None:
    call = "select * from repo_findings(?)"
    (tmp_path / "other.jsonl").write_text("{}")
    (place / "empty.jsonl").write_text("\n")
    for where, kind, why in (
        (str(tmp_path / "other.jsonl"), Forbidden, "not in a folder"),
        (str(place / "none.jsonl"), NotFound, "does not exist"),
        (str(place / "project"), Invalid, "not a regular file"),
        (str(place / "empty.jsonl"), NotFound, "holds no finding"),
        (None, Invalid, "a file of findings is needed"),
    ):
        with pytest.raises(kind, match=why):
            session.run(call, [where])
