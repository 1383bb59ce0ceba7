"""Folders that are walked: what is read, what is left out, what is refused, and that nothing outside is ever read."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from engine.errors import Forbidden, Invalid, NotFound, TimedOut
from engine.lake import Lake
from engine.search.repository import folder, patterns
from engine.search.repository.folder import Folder
from engine.session import Session

DOCUMENTS = "select * from repo_documents(?, include := ?, max_bytes := ?)"
FUNCTIONS = ["repo_documents", "repo_symbols"]


@pytest.fixture
def project(tmp_path: Path, lake: Lake) -> Path:
    """A small repository in the folder that may be read."""
    made = tmp_path / "in" / "project"
    (made / "docs").mkdir(parents=True)
    (made / "code.py").write_text('"""What it is."""\n\n\ndef work() -> None:\n    """Do it."""\n')
    (made / "docs" / "page.md").write_text("# Page\n\nWords.\n")
    return made


def paths(session: Session, where: Path, include: list[str] | None = None, most: int | None = None) -> list[object]:
    return [row["path"] for row in session.run(DOCUMENTS, [str(where), include, most]).rows()]


def errors(session: Session, where: Path, most: int | None = None) -> dict[object, str]:
    rows = session.run(DOCUMENTS, [str(where), None, most]).rows()
    return {row["path"]: str(row["error"]) for row in rows if row["error"] is not None}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_folder_that_is_not_allowed_is_forbidden(
    session: Session, lake: Lake, project: Path, tmp_path: Path, function: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.py").write_text("KEY = 1\n")
    (project / "out").symlink_to(tmp_path / "secret")
    for where in (tmp_path / "secret", project / ".." / ".." / "secret", project / "out", lake.home, "/", "/etc"):
        with pytest.raises(Forbidden):
            session.run(f"select * from {function}(?)", [str(where)])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_no_folder_is_told(session: Session, project: Path, function: str) -> None:
    call = f"select * from {function}(?)"
    with pytest.raises(NotFound, match="does not exist"):
        session.run(call, [str(project / "nowhere")])
    with pytest.raises(Invalid, match="is not a folder"):
        session.run(call, [str(project / "code.py")])
    for odd, why in ((None, "a folder is needed"), ("", "empty"), ("a\0b", "NUL"), ("https://example.com", "scheme")):
        with pytest.raises(Invalid, match=why):
            session.run(call, [odd])


def test_an_empty_folder_is_an_error(session: Session, project: Path) -> None:
    (project / "empty").mkdir()
    for function in FUNCTIONS:
        with pytest.raises(NotFound, match="holds no"):
            session.run(f"select * from {function}(?)", [str(project / "empty")])


def test_what_gitignore_names_is_left_out(session: Session, project: Path) -> None:
    (project / ".gitignore").write_bytes(b"\xef\xbb\xbf*.log\r\n/build/\r\n# a remark\r\n[\r\n!kept.log\r\n")
    (project / "docs" / ".gitignore").write_text("draft-*\n!draft-last.md\n")
    for name in ("a.log", "kept.log", "build/b.txt", "docs/build/c.txt", "docs/draft-1.md", "docs/draft-last.md"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("words\n")
    found = ["code.py", "docs/build/c.txt", "docs/draft-last.md", "docs/page.md", "kept.log"]
    assert paths(session, project) == found
    assert paths(session, project, most=100) == found, "a small max_bytes is no reason to forget the rules"


def test_rules_of_windows_are_read(session: Session, project: Path) -> None:
    (project / "code.md").write_text("# Code\n")
    (project / ".gitignore").write_bytes(b"docs/\r\ncode.md\r")
    assert paths(session, project) == ["code.py"]


FILES = [
    "a.txt", "b.log", "keep.txt", "foo", "foobar", "aXb", "a1b", "data/keep.txt", "data/a.bin", "data/sub/keep.txt",
    "data/sub/deep/z.log", "logs/a.log", "logs/sub/b.log", "secret/key.txt", "secret/in/key.txt", "foo1/bar",
    "foo1/x/bar", "src/foo/bar.py", "src/foo/baz/bar.py", "src/a]b", "src/[x]", "src/a-b", "src/data/keep.txt",
    "bar/foo", "bar/foo1/bar", "#hash", "!bang", "x\\y",
]  # fmt: skip
RULES = [  # lines with a bar between them
    "*|!*/|!*.txt", "*|!*/|!*.txt|!/src/**", "*|!secret", "*|!secret/|!secret/**", "data/**|!data/keep.txt",
    "/data/**|!data/keep.txt", "**/data/**|!data/keep.txt", "data/*|!data/sub|!keep.txt", "logs/**/", "logs/*/",
    "logs/**", "**/logs", "secret/|!secret/**", "secret|!secret/**", "/secret|!secret/key.txt",
    "secret/*|!secret/in/", "**", "/**", "**/", "/*", "*/", "/", "//", "!", "", " ", "#hash", "\\#hash", "\\!bang",
    "!bang", "foo", "/foo", "foo/", "src/foo", "foo/bar.py", "src/*/bar.py", "src/**/bar.py", "src/**bar.py", "foo**",
    "bar/foo**/bar", "foo**/bar", "foo**/*a*/", "**foo", "a?b", "a[0-9]b", "a[!0-9]b", "a[^0-9]b", "a[[:digit:]]b",
    "a[[:upper:]]b", "a[[:no:]]b", "src/a[]]b", "src/a[]-]b", "src/a[--.]b", "src/a[%--]b", "src/[[]x]",
    "src/\\[x\\]", "[", "a[", "[z-a]", "foo[a-", "src/a\\]b", "a.txt ", "a.txt\\ ", "x\\\\y", "a\\", "\\a.txt",
    "f*o*b*r", "*a*/*e*/*e*/**/*.l*", "*f*o*o*b*a*r*", "**/**/keep.txt", "**/sub/**/z.log", "data/***/z.log",
    "src[/]foo", "data//sub", "./foo", "../foo", "KEEP.txt", "*.TXT",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="git, whose answer this is, is not there")
def test_what_is_left_out_is_what_git_leaves_out(tmp_path: Path) -> None:
    """Also with a second .gitignore further down, which has the last word on what it names."""
    alone = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    root = tmp_path / "repository"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("words\n")
    subprocess.run(["git", "init", "-q", "."], cwd=root, env=alone, check=True)
    listing = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    for below in ("", "!keep.txt|*.py|!/foo/"):
        (root / "src" / ".gitignore").write_text(below.replace("|", "\n"))
        for rules in RULES:
            (root / ".gitignore").write_text(rules.replace("|", "\n") + "\n")
            listed = subprocess.run(listing, cwd=root, env=alone, check=True, capture_output=True).stdout.decode()
            walked = Folder(root, None, None, 1 << 20, lambda path: True, lambda files: None)
            assert [file.path for file in walked.files()] == sorted(
                path for path in listed.split("\0") if path and not path.rpartition("/")[2].startswith(".")
            ), rules


@pytest.mark.parametrize("pattern", ["*a" * 100 + "b", "/" + "*a" * 100 + "b", "**/a/" * 100 + "b", "*a*/" * 60 + "b"])
def test_patterns_of_many_stars_take_linear_time(pattern: str) -> None:
    begin = time.monotonic()
    ignored = patterns.Ignored().below("", pattern, lambda: None)
    for path in ("a" * 255, "a/" * 120 + "a", "/".join(["a" * 255] * 60)):
        assert not ignored.leaves_out(path)
    assert time.monotonic() - begin < 2
    assert ignored.leaves_out(pattern.replace("**/", "").replace("*", "x").removeprefix("/"))


def test_a_gitignore_that_cannot_be_read_is_an_error(session: Session, project: Path) -> None:
    (project / ".gitignore").write_text("x\n" * (folder.USUAL_BYTES // 2 + 1))
    with pytest.raises(Invalid, match=r"\.gitignore has 1048578 bytes"):
        paths(session, project)


def test_hidden_and_binary_files_links_and_pipes_are_left_out(session: Session, project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret\n")
    (project / ".env").write_text("KEY=1\n")
    (project / ".git").mkdir()
    (project / ".git" / "config").write_text("[core]\n")
    (project / "picture.bin").write_bytes(b"\x89PNG\0\x01")
    (project / "huge.bin").write_bytes(bytes(2 << 20))
    (project / "link.md").symlink_to(tmp_path / "secret.md")
    (project / "round").symlink_to(project, target_is_directory=True)
    (project / "docs" / "up").symlink_to("..", target_is_directory=True)
    (project / "self").symlink_to("self")
    os.mkfifo(project / "pipe.md")
    assert paths(session, project) == ["code.py", "docs/page.md"]


def test_a_folder_may_be_named_by_a_link_to_an_allowed_one(session: Session, project: Path) -> None:
    (project.parent / "alias").symlink_to(project)
    assert paths(session, project.parent / "alias") == paths(session, project)


def test_no_two_documents_have_the_same_id(session: Session, project: Path) -> None:
    (project / "docs" / "page.md#page").write_text("Words.\n")
    (project / "docs" / "page.md#page~2").write_text("Words.\n")
    (project / "code.py#work").write_text("Words.\n")
    source = f"select * from repo_documents('{project}')"
    ids = [row["id"] for row in session.run(source).rows()]
    assert ids == ["code.py", "code.py#work", "docs/page.md#page", "docs/page.md#page~2", "docs/page.md#page~2~2"]
    create = "select rows from create_corpus('c', source := $${}$$, id := 'id', text := 'text')"
    assert session.run(create.format(source)).rows() == [{"rows": 5}]


def test_no_two_definitions_have_the_same_id(session: Session, project: Path) -> None:
    (project / "code.py#work.py").write_text('"""A file."""\n')
    (project / "code.py").write_text("class work:\n    def py(self): ...\n")
    ids = [row["id"] for row in session.run(f"select * from repo_symbols('{project}')").rows()]
    assert ids == ["code.py#work", "code.py#work.py", "code.py#work.py~2"]


def test_a_file_that_is_too_large_says_so(session: Session, project: Path) -> None:
    (project / "large.txt").write_text("word " * 1000)
    assert errors(session, project, 4999) == {"large.txt": "has 5000 bytes; max_bytes is 4999"}
    assert errors(session, project, 5000) == {}
    for wrong in (0, -1, (64 << 20) + 1):
        with pytest.raises(Invalid, match="max_bytes"):
            paths(session, project, most=wrong)


def test_a_document_without_text_is_counted_by_the_corpus(session: Session, project: Path) -> None:
    (project / "large.txt").write_text("word " * 1000)
    source = f"select * from repo_documents('{project}', max_bytes := 1000)"
    create = "select rows, failed from create_corpus('c', source := $${}$$, id := 'id', text := 'text')"
    assert session.run(create.format(source)).rows() == [{"rows": 3, "failed": 1}]


@pytest.mark.parametrize(
    ("include", "found"),
    [
        (["*.md"], ["docs/page.md"]),
        (["/docs/"], ["docs/page.md"]),
        (["*", "!*.md"], ["code.py"]),
        (["CODE.py", "code.*"], ["code.py"]),
        (["docs/", "!docs/page.md", "*.py"], ["code.py"]),
        (["*c*o*d*e*.*p*y*"], ["code.py"]),
    ],
)
def test_include_chooses_files(session: Session, project: Path, include: list[str], found: list[str]) -> None:
    assert paths(session, project, include) == found


@pytest.mark.parametrize(
    ("include", "why"),
    [
        ([], "empty"),
        ([""], "empty"),
        ([" "], "empty"),
        ([None], "empty"),
        (["!"], "no pattern"),
        (["[a-z"], "no pattern"),
    ],
)
def test_a_bad_pattern_is_refused(session: Session, project: Path, include: list[str], why: str) -> None:
    for function in FUNCTIONS:
        with pytest.raises(Invalid, match=why):
            session.run(f"select * from {function}(?, include := ?)", [str(project), include])


def test_a_pattern_that_no_file_has_is_an_error(session: Session, project: Path) -> None:
    with pytest.raises(NotFound, match="holds no text file that include names"):
        paths(session, project, ["*.rst"])


def test_too_many_files_are_refused(session: Session, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST_FILES", 1)
    with pytest.raises(Invalid, match="more than 1 files"):
        paths(session, project)
    monkeypatch.undo()
    monkeypatch.setattr(folder, "MOST_BYTES", 60)
    with pytest.raises(Invalid, match="MiB"):
        paths(session, project, most=60)


def test_a_folder_that_is_too_deep_is_refused(session: Session, project: Path) -> None:
    (project / "/".join("d" * 1 for _ in range(folder.DEEPEST + 1))).mkdir(parents=True)
    with pytest.raises(Invalid, match="folders deep"):
        paths(session, project)


def test_walking_stops_when_it_is_cancelled(project: Path) -> None:
    """Also where no file is of interest."""

    def stop(files: int) -> None:
        raise TimedOut("cancelled")

    walked = Folder(project, None, None, 1 << 20, lambda path: False, stop)
    with pytest.raises(TimedOut):
        list(walked.files())


def test_a_home_inside_the_folder_is_not_read(tmp_path: Path, project: Path, lake: Lake, session: Session) -> None:
    inside = project / "home"
    (inside / "buckets").mkdir(parents=True)
    (inside / "buckets" / "note.txt").write_text("of the lake\n")
    found = inside.stat()
    walked = Folder(project, (found.st_dev, found.st_ino), None, 1 << 20, lambda path: True, lambda files: None)
    assert [file.path for file in walked.files()] == ["code.py", "docs/page.md"]


def test_who_may_not_ingest_may_not_read_files(session: Session, lake: Lake, project: Path) -> None:
    session.run("select * from create_profile('reader', role := 'contributor')")
    reader = lake.session("reader")
    for call in ("repo_documents(?)", "repo_symbols(?)", "repo_findings(?)"):
        with pytest.raises(Forbidden, match="which the role 'contributor' may not"):
            reader.run(f"select * from {call}", [str(project)])
