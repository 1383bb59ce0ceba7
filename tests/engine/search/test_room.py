"""A full disk and a full memory: a build ends with an error that says so, what is live stays, and later it succeeds."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Busy, LakehouseError
from engine.lake import Lake
from engine.search import generation, room, segment, text
from engine.search.vectors import stored
from engine.search.vectors.compact import Compact
from engine.search.vectors.usearch import Usearch
from engine.session import Session
from lakehouse import open_lake
from tests.engine.search.indexed import GRAPH, SETTINGS, corpus, open_small, table

ROWS, MORE = 2000, 300
LEFT = [4, 16, 48, 100, 200, 400]  # KB that are left on the disk
REFRESH = "select status from refresh_corpus('docs')"
BUILD = "select status from build_index('docs', engine := '{}', m := 8, wait := true)"
IMPORT = "select status from import_index('docs', '{}')"
FULL = r"the disk is full; free space and repeat; nothing was half-written"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_small(tmp_path / "home")
    corpus(opened.session(), "docs", 300)
    yield opened
    opened.close()


def standing(lake: Lake) -> tuple[object, ...]:
    """What a failure must leave as it is: the answer, the folders, and the rows."""
    session, folder = lake.session(), lake.corpora.folder("docs")
    sql = "select id, _score, _generation from vector_search('forklift night', k := 5)"
    rows = session.run("select generation, status from lake.generations").rows()
    return session.run(sql).rows(), sorted(path.name for path in folder.iterdir()), rows


class Disk:
    """A small disk that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    def fill(self, left: int) -> None:
        """Leave so many bytes."""
        found = os.statvfs(self.folder)
        self._ballast.write_bytes(bytes(max(0, found.f_bavail * found.f_frsize - left)))

    def empty(self) -> None:
        self._ballast.unlink()


def failure(session: Session, sql: str) -> str | None:
    """What a statement fails with; None when it does not."""
    try:
        session.run(sql).read_all()
    except LakehouseError as error:
        return str(error)
    return None


@pytest.mark.parametrize("engine", [None, GRAPH, "usearch", "compact", "import"])
def test_a_disk_that_fills_up_leaves_what_is_live(small_disk: Path, engine: str | None) -> None:
    disk = Disk(small_disk)
    lake = open_lake(small_disk / "home", settings=SETTINGS, allowed=[small_disk])
    try:
        session = lake.session()
        corpus(session, "docs", ROWS)
        sql = BUILD.format(engine) if engine else REFRESH
        if engine == "import":
            session.run(BUILD.format("usearch")).close()
            session.run(f"select * from export_index('docs', '{small_disk / 'docs.lhv1'}')").close()
            session.run("select * from rollback_index('docs')").close()
            sql = IMPORT.format(small_disk / "docs.lhv1")
        if engine is None:
            table(session, "docs", ROWS, ROWS + MORE)
        before, refused = standing(lake), 0
        for left in LEFT:
            disk.fill(left << 10)
            told = failure(session, sql)
            disk.empty()
            if told is None:
                break
            assert told == f"[BUSY] {FULL}"
            assert standing(lake) == before, left
            refused += 1
        else:
            session.run(sql).read_all()
        assert refused
        assert standing(lake) != before
        assert {row["status"] for row in session.run("select status from lake.generations").rows()} <= {
            "live",
            "retired",
            "built",
        }
        assert lake.corpora.damage.verify() == [("docs", None)]
        assert "disk is full" in str(session.run("select message from lake.errors").rows()[0]["message"])
    finally:
        lake.close()


WRITERS: list[tuple[object, str, str]] = [
    (stored, "write", REFRESH),
    (text, "write", REFRESH),
    (segment, "sync", REFRESH),
    (generation, "write", REFRESH),
    (Usearch, "save", BUILD.format("usearch")),
    (Compact, "save", BUILD.format("compact")),
    (generation, "write", BUILD.format("usearch")),
]


@pytest.mark.parametrize(("owner", "name", "sql"), WRITERS, ids=[f"{name}-{sql[20:32]}" for _, name, sql in WRITERS])
def test_a_write_that_finds_no_space(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, sql: str
) -> None:
    session = lake.session()
    session.run("update docs set text = text || ' dock'")
    before = standing(lake)

    def fail(*arguments: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(owner, name, fail)
        with pytest.raises(Busy, match=FULL):
            session.run(sql).read_all()
    assert standing(lake) == before
    session.run(sql).read_all()
    assert standing(lake) != before


def test_a_graph_that_was_written_in_part_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "graph"
    path.write_bytes(b"half")
    room.refuse_cut(path, 4)
    with pytest.raises(OSError, match="graph was cut"):
        room.refuse_cut(path, 5)


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [GRAPH, "usearch"])
def test_an_index_that_would_not_fit_is_refused_and_the_least_one_is_not(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    session = lake.session()
    before = standing(lake)
    monkeypatch.setattr(room, "free", lambda: 50_000)
    with pytest.raises(Busy, match=rf"an index of corpus 'docs' by {engine} needs about 0 MB of memory, 0 MB are free"):
        session.run(BUILD.format(engine)).read_all()
    assert standing(lake) == before
    monkeypatch.undo()
    assert session.run(BUILD.format(engine)).rows() == [{"status": "live"}]


def test_a_refresh_that_would_not_fit_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    session = lake.session()
    session.run("update docs set text = text || ' dock'")
    before = standing(lake)
    with monkeypatch.context() as tight:
        tight.setattr(room, "free", lambda: 100_000)
        with pytest.raises(Busy, match="embedding the documents needs about 0 MB of memory"):
            session.run(REFRESH).read_all()
    assert standing(lake) == before
    assert session.run(REFRESH).rows() == [{"status": "rebuilt"}]


def test_memory_that_runs_out_in_a_build_is_an_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    session, before = lake.session(), standing(lake)

    def fail(*arguments: Any, **named: Any) -> None:
        raise MemoryError("Unable to allocate 3.7 GiB")

    with monkeypatch.context() as broken:
        broken.setattr(Usearch, "build", fail)
        with pytest.raises(Busy, match="the memory is full; ask for less, or give the lake more memory"):
            session.run(BUILD.format("usearch")).read_all()
    assert standing(lake) == before
    assert session.run(BUILD.format("usearch")).rows() == [{"status": "live"}]


def test_the_memory_limit_of_the_engine_ends_a_build_with_its_name(tmp_path: Path) -> None:
    lake = open_small(tmp_path / "home", **{"engine.memory_limit": "48MB", "engine.temp_limit": "1MB"})
    try:
        session = lake.session()
        corpus(session, "docs", 300)
        before = standing(lake)
        texts = "select i as id, md5(i::varchar) || repeat('x', 200) as text from range(1000000) as r(i)"
        large = f"{texts} order by text offset 999990"
        with pytest.raises(Busy, match=r"narrow the statement or raise \[engine\] memory_limit"):
            session.run(
                f"select * from create_corpus('large', source := $${large}$$, id := 'id', text := 'text')"
            ).close()
        assert standing(lake) == before
        assert lake.corpora.names() == ["docs"]
        assert session.run(BUILD.format("usearch")).rows() == [{"status": "live"}]
    finally:
        lake.close()


LIMITED = """
import resource, sys
from pathlib import Path
from engine.errors import Busy, NotFound
from tests.engine.search.indexed import corpus, open_small

lake = open_small(Path(sys.argv[1]), **{"models.embedder": "hash:1024"})
session = lake.session()
corpus(session, "docs", 4000)
find = "select id, _generation from matrix_search('forklift night', k := 5)"
before = session.run(find).rows()
build = "select status from build_index('docs', engine := '{}', wait := true)"
try:
    session.run("select status from build_index('none')").read_all()  # the function is loaded when it is called first
except NotFound:
    pass
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (16 << 20), resource.RLIM_INFINITY))
try:
    session.run(build.format(sys.argv[2])).read_all()
except Busy as error:
    print(error)
assert session.run(find).rows() == before
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(session.run(build.format(sys.argv[2])).rows()[0]["status"])
lake.close()
"""


def test_a_process_with_too_little_memory_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "home"), GRAPH]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    refused, later = done.stdout.splitlines()
    assert refused.startswith(f"[BUSY] an index of corpus 'docs' by {GRAPH} needs about ")
    assert later == "live"


def test_the_least_of_all_limits_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CONTROL_GROUP", tmp_path)
    most = room.free()
    assert most is not None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5000\n")
    (tmp_path / "memory.stat").write_text("anon 4000\ninactive_file 1000\n")
    assert room.free() is not None
    (tmp_path / "memory.max").write_text("10000\n")
    assert room.free() == 6000
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (0, 0))
    assert room.free() == 0
