"""Findings of reviewers: what is read of them, what is told of the rest, and whether their citations are true."""

import json
import os
from pathlib import Path

import pytest

from engine.errors import Forbidden, Invalid, NotFound
from engine.lake import Lake
from engine.search.repository import lines
from engine.search.repository.folder import Folder
from engine.search.repository.lines import Lines
from engine.session import Session


@pytest.fixture
def place(tmp_path: Path, lake: Lake) -> Path:
    """The folder that may be read, with a repository of one file."""
    made = tmp_path / "in"
    (made / "project").mkdir()
    (made / "project" / "pump.py").write_text("a = 1\nb = 2\n")
    return made


def findings(session: Session, place: Path, found: list[object], *, looked_up: bool = False) -> list[dict[str, object]]:
    written = [line if isinstance(line, str) else json.dumps(line) for line in found]
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


def grounded(session: Session, place: Path, *cited: str) -> dict[object, object]:
    found = findings(session, place, [{"summary": one} for one in cited], looked_up=True)
    return {row["summary"]: row["grounding"] for row in found}


def test_files_that_a_walk_leaves_out_are_looked_up(session: Session, place: Path) -> None:
    project = place / "project"
    (project / ".github").mkdir()
    (project / ".github" / "ci.yml").write_text("a\nb\nc\n")
    (project / ".gitignore").write_text("*.log\n")
    (project / "run.log").write_text("a\n")
    (project / "large.txt").write_text("word\n" * 500_000)
    (project / "picture.png").write_bytes(b"\0\n\0\n")
    (project / "wide.txt").write_bytes("a\r\nb\rc".encode("utf-16"))
    (project / "inner.py").symlink_to("pump.py")
    exist = [".github/ci.yml:3", "run.log:1", "large.txt:500000", "picture.png:2", "wide.txt:3", "inner.py:2"]
    exist += ["a/../pump.py:1"]
    missing = [".github/ci.yml:4", "large.txt:500001", "wide.txt:4", "inner.py:3", "pump.py:0"]
    assert grounded(session, place, *exist) == dict.fromkeys(exist, "verified")
    assert grounded(session, place, *missing) == dict.fromkeys(missing, "past the end of the file")


def test_nothing_outside_of_the_repository_is_looked_up(session: Session, place: Path) -> None:
    (place / "out.py").write_text("a\n")
    (place / "project" / "link.py").symlink_to(place / "out.py")
    (place / "project" / "up").symlink_to(place, target_is_directory=True)
    (place / "project" / "docs.py").mkdir()
    os.mkfifo(place / "project" / "pipe.py")
    cited = ["../out.py:1", "link.py:1", "up/out.py:1", "docs.py:1", "pipe.py:1", "pump.py/x.py:1", f"{'x' * 240}.py:1"]
    assert grounded(session, place, *cited) == dict.fromkeys(cited, "no such file")
    own = [{"summary": "x", "path": str(place / "out.py"), "line": 1}, {"summary": "y", "path": "pump.py\0", "line": 1}]
    assert [row["grounding"] for row in findings(session, place, list(own), looked_up=True)] == ["no such file"] * 2


def test_the_home_of_the_lake_is_not_looked_up(place: Path) -> None:
    found = (place / "project").stat()
    folder = Folder(place, (found.st_dev, found.st_ino), None, 1, lambda path: True, lambda files: None)
    assert Lines(folder).of("project/pump.py") is None


def test_what_lines_are(session: Session, place: Path) -> None:
    (place / "project" / "blank.txt").write_text("x\n\n\n\n")
    (place / "project" / "empty.txt").write_text("")
    assert grounded(session, place, "blank.txt:4", "blank.txt:5", "empty.txt:1") == {
        "blank.txt:4": "verified",
        "blank.txt:5": "past the end of the file",
        "empty.txt:1": "past the end of the file",
    }


def test_a_file_that_is_too_large_to_count_is_told(
    session: Session, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PIECE", 2)
    monkeypatch.setattr(lines, "MOST_BYTES", 2)
    assert grounded(session, place, "pump.py:9") == {"pump.py:9": "too large to tell"}


def test_hosts_versions_and_times_are_no_citations_unless_there_is_such_a_file(session: Session, place: Path) -> None:
    said = ["see example.com:443", "since 1.2.3:4", "at 12:30", "localhost:80", "note: 3"]
    assert grounded(session, place, *said) == dict.fromkeys(said, "cites no line")
    assert findings(session, place, [{"summary": "example.com:443"}])[0]["path"] is None
    (place / "project" / "example.com").write_text("a\n")
    (place / "project" / "run").write_text("a\n")
    assert grounded(session, place, "example.com:443", "run:1") == {
        "example.com:443": "past the end of the file",
        "run:1": "verified",
    }


def test_a_file_without_a_suffix_is_cited_by_its_name(session: Session, place: Path) -> None:
    (row,) = findings(session, place, [{"summary": "Makefile:3 is wrong"}])
    assert (row["path"], row["line"]) == ("Makefile", 3)
    assert grounded(session, place, "build/Makefile:3") == {"build/Makefile:3": "no such file"}


@pytest.mark.parametrize(
    ("line", "read"), [("2", 2), (" 2 ", 2), (2.0, 2), (2.5, None), ("two", None), ("9" * 5000, None), (True, None)]
)
def test_the_line_of_a_field_may_be_a_text(session: Session, place: Path, line: object, read: int | None) -> None:
    (row,) = findings(session, place, [{"summary": "x", "path": "pump.py", "line": line}], looked_up=True)
    assert (row["line"], row["grounding"]) == (read, "cites no line" if read is None else "verified")


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
