"""Fixtures for every room, and the reader of `.test` files: SQL in, rows out, errors by code."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake

FAST = {"models.embedder": "hash:256"}
AS = re.compile(r"as ([\w-]+):")  # the title of a block that another profile runs


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """An empty lake with the test embedder; files below `tmp_path / 'in'` may be ingested."""
    folder = tmp_path / "in"
    folder.mkdir()
    opened = open_lake(tmp_path / "home", settings=FAST, allowed=[folder])
    yield opened
    opened.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    """A session of that lake."""
    return lake.session()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not possible here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    """Collect `tests/sql/*.test`."""
    return SqlFile.from_parent(parent, path=file_path) if file_path.suffix == ".test" else None


@dataclass(frozen=True)
class Block:
    """One statement and what it must answer."""

    line: int
    title: str
    sql: str
    expected: list[str]
    fails: bool


def read_blocks(text: str) -> list[Block]:
    """Blocks are separated by blank lines: `# title`, the statement, `----` or `---- error`, the expected lines.

    A title that begins with `as ann:` lets the profile ann run the block.
    """
    blocks = []
    line = 1
    for chunk in re.split(r"\n[ \t]*\n", text):
        lines = chunk.strip("\n").split("\n")
        title = " ".join(part[1:].strip() for part in lines if part.startswith("#"))
        body = [part for part in lines if not part.startswith("#")]
        marks = [at for at, part in enumerate(body) if part.startswith("----")]
        if body and marks:
            at = marks[0]
            blocks.append(Block(line, title, "\n".join(body[:at]), body[at + 1 :], "error" in body[at]))
        elif any(part.strip() for part in body):
            blocks.append(Block(line, title, "\n".join(body), [], False))
        line += chunk.count("\n") + 2
    return blocks


class SqlFile(pytest.File):
    """A `.test` file: one lake, one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item a file: its blocks build on each other."""
        yield SqlStory.from_parent(self, name=self.path.stem)


class SqlStory(pytest.Item):
    """Runs the blocks of a file in order on one fresh lake."""

    def runtest(self) -> None:
        """Run every block; raise with the line of the first that answers otherwise."""
        factory = self.session.config._tmp_path_factory  # type: ignore[attr-defined]  # pytest offers no public way here
        folder: Path = factory.mktemp(self.name)
        (folder / "in").mkdir()
        lake = open_lake(folder / "home", settings=FAST, allowed=[folder / "in", Path(__file__).parent / "sql"])
        try:
            sessions: dict[str, Session] = {}
            for block in read_blocks(self.path.read_text(encoding="utf-8")):
                asking = AS.match(block.title)
                name = asking.group(1) if asking else "admin"
                if name not in sessions:
                    sessions[name] = lake.session(name)
                self._run(sessions[name], block, folder / "in")
        finally:
            lake.close()

    def _run(self, session: Session, block: Block, folder: Path) -> None:
        where = f"{self.path.name}:{block.line} {block.title}"
        sql = block.sql.replace("$IN", str(folder)).replace("$HERE", str(Path(__file__).parent / "sql"))
        try:
            result = session.run(sql)
            found = [str(result.rows_affected)] if result.rows_affected is not None else rendered(result.rows())
        except LakehouseError as error:
            if block.fails and block.expected and str(error).startswith(block.expected[0]):
                return
            raise AssertionError(f"{where}\n{sql}\nexpected: {block.expected}\nerror:    {error}") from error
        if block.fails:
            raise AssertionError(f"{where}\n{sql}\nexpected an error {block.expected}\nfound: {found}")
        if "----" in self.path.read_text(encoding="utf-8") and block.expected != ["…"] and block.expected != found:
            if not block.expected and result.rows_affected is not None:
                return
            shown = "\n".join(found)
            raise AssertionError(f"{where}\n{sql}\nexpected:\n" + "\n".join(block.expected) + f"\nfound:\n{shown}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The message without a trace of this file."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test stands."""
        return self.path, 0, f"sql/{self.name}"


def rendered(rows: list[dict[str, object]]) -> list[str]:
    """Rows as lines: values joined by a tab, NULL as `NULL`, booleans in lower case."""
    return ["\t".join(_value(value) for value in row.values()) for row in rows]


def _value(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
