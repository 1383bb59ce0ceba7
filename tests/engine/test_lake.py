"""Opening, migrating, closing and reopening a home, by one process and by two, and after a crash."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from engine.errors import Conflict, Internal, Invalid, LakehouseError
from engine.instance import migrate
from engine.lake import Lake
from lakehouse import open_lake
from sql import Script, scripts
from tests.conftest import FAST

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was used and closed, and beside it a copy to restore it from. Its name is not the word lock."""
    home = tmp_path_factory.mktemp("seeded") / "block"
    lake = opened(home)
    session = lake.session()
    session.run("create table workers as select range as id from range(100)")
    session.run("create macro twice(x) as x * 2")
    session.run("create view few as from workers limit 3")
    lake.close()
    shutil.copytree(home, home.with_name("pristine"))
    return home


@pytest.fixture
def home(seeded: Path) -> Path:
    """That home as it was at first."""
    shutil.rmtree(seeded)
    shutil.copytree(seeded.with_name("pristine"), seeded)
    return seeded


OPEN_LAKES: list[Lake] = []


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    while OPEN_LAKES:
        OPEN_LAKES.pop().close()


def opened(home: Path, **settings: Any) -> Lake:
    OPEN_LAKES.append(open_lake(home, settings={**FAST, **settings}))
    return OPEN_LAKES[-1]


def answer(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in lake.session().run(sql).rows()]


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A second process with the product's code."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_home_is_made_and_found_again(tmp_path: Path, home: Path) -> None:
    lake = opened(home)
    assert answer(lake, "select count(*), sum(id)::integer from workers") == [(100, 4950)]
    assert answer(lake, "select twice(id) from few order by id") == [(0,), (2,), (4,)]
    assert answer(lake, "select outcome from lake.statements where sql like 'create macro%'") == [("ok",)]
    lake.session().run("create or replace macro twice(x) as x + x")
    lake.close()
    fresh = opened(tmp_path / "a" / "new" / "home")
    assert (tmp_path / "a" / "new" / "home" / "lake.duckdb").is_file()
    fresh.close()


def test_a_closed_lake_says_so(home: Path) -> None:
    lake = opened(home)
    session = lake.session()
    transaction = session.begin()
    lake.close()
    lake.close()
    for act in (
        lambda: session.run("select 1"),
        lambda: session.describe("select 1"),
        lambda: session.run_many("insert into workers values (?)", pa.table({"id": [1]})),
        lambda: session.load(pa.table({"id": [1]}).to_reader(), "more", mode="create"),
        session.begin,
        lambda: session.commit(transaction),
    ):
        with pytest.raises(Conflict, match="the lake is closed; open it again"):
            act()
    session.close()


def test_closing_frees_the_files_whatever_is_open(home: Path) -> None:
    lake = opened(home)
    session = lake.session()
    unread = session.run("select * from range(10_000_000)")
    half = session.run("select * from range(10_000_000)").batches()
    next(half)
    transaction = session.begin()
    session.run("insert into workers values (1000)", transaction=transaction)
    failures: list[LakehouseError] = []

    def run() -> None:
        try:
            session.run("select count(*) from range(1_000_000_000_000) t(a) where hash(a) % 7 = 1").read_all()
        except LakehouseError as error:
            failures.append(error)

    running = threading.Thread(target=run)
    running.start()
    while not any("hash" in statement.sql for statement in lake.statements()):
        pass
    lake.close()
    running.join(10)
    assert [error.code for error in failures] == ["TIMEOUT"]
    for rest in (unread.batches(), half):
        with pytest.raises(LakehouseError, match=r"\[TIMEOUT\]"):
            next(rest)
    again = opened(home)
    assert answer(again, "select max(id)::integer from workers") == [(99,)]
    again.close()


def test_a_program_that_forgets_to_close_ends_well_and_loses_nothing(home: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lakehouse import open_lake; "
        "lake = open_lake(Path(sys.argv[1]), settings={'models.embedder': 'hash:64'}); "
        "lake.session().run('create table left as select 1 as a')"
    )
    for turn in range(3):
        words = [sys.executable, "-c", program.replace("left", f"left_{turn}"), str(home)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    lake = open_lake(home, settings=FAST)
    kept = lake.session().run("select count(*) as n from lake.statements where sql like 'create table left%'").rows()
    lake.close()
    assert kept == [{"n": 3}]


def test_a_second_open_in_this_process_is_a_conflict(home: Path) -> None:
    lake = opened(home)
    with pytest.raises(Conflict) as caught:
        opened(home)
    text = "[CONFLICT] the home 'block' is open in this process already; close it there first, or use it there"
    assert str(caught.value) == text
    assert answer(lake, "select count(*) from workers") == [(100,)]
    lake.close()


def test_a_second_process_is_a_conflict(home: Path) -> None:
    lake = opened(home)
    told, _ = python(OPEN, str(home)).communicate(timeout=60)
    assert told.startswith("[CONFLICT] the home 'block' is open in another process; end that process, ")
    lake.close()


OPEN = """
import sys
from lakehouse import open_lake
try:
    open_lake(sys.argv[1])
except Exception as error:
    print(error)
"""

CRASH = """
import sys
from lakehouse import open_lake
lake = open_lake(sys.argv[1], settings={"models.embedder": "hash:64", "journal.flush_seconds": 60})
session = lake.session()
session.run("insert into workers values (100)")
transaction = session.begin()
session.run("insert into workers values (101)", transaction=transaction)
try:
    session.run("select * from nothing_like_this")
except Exception:
    pass
with lake.control() as cursor:
    lake.journal.record_within(cursor, "note", "committed", {}, None)
cursor = lake.cursor()
cursor.execute("begin")
lake.journal.record_within(cursor, "note", "uncommitted", {}, None)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_what_was_committed_and_nothing_else(home: Path) -> None:
    process = python(CRASH, str(home))
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    lake = opened(home)
    assert answer(lake, "select max(id)::integer, count(*) from workers") == [(100, 101)]
    assert answer(lake, "select code, sql from lake.errors") == [("NOT_FOUND", "select * from nothing_like_this")]
    assert answer(lake, "select subject from lake.journal where kind = 'note'") == [("committed",)]
    lake.session().run("insert into workers values (101)")
    assert answer(lake, "select count(*) from workers") == [(102,)]
    lake.close()


@pytest.mark.parametrize("name", ["lake.duckdb", "buckets/primary/catalog.ducklake"])
def test_a_broken_file_is_not_taken_for_an_open_home(home: Path, name: str) -> None:
    (home / name).write_bytes(b"this is no database" * 1000)
    with pytest.raises(Internal, match=r"the home cannot be opened: .*; restore it from a backup") as caught:
        opened(home)
    assert str(home) not in str(caught.value)


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(Invalid, match="cannot be made") as caught:
            opened(home)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("engine.memory_limit", "lots"), ("engine.temp_limit", "lots")])
def test_settings_that_the_engine_does_not_take(home: Path, key: str, value: str) -> None:
    with pytest.raises(Invalid, match=r"the engine does not take its settings: .*; see \[engine\]"):
        opened(home, **{key: value})
    opened(home).close()


def test_migrations_run_once_in_order_and_are_recorded() -> None:
    root = duckdb.connect()
    root.execute("attach ':memory:' as control")
    first = Script("0001_a.sql", "create table control.a (x integer); insert into control.a values (1);")
    second = Script("0002_b.sql", "alter table control.a add column y integer;")
    assert migrate(root, [first]) == ["0001_a.sql"]
    assert migrate(root, [first]) == []
    assert migrate(root, [first, second]) == ["0002_b.sql"]
    assert root.execute("select * from control.a").fetchall() == [(1, None)]
    assert root.execute("select name, length(sha256) from control.migration order by name").fetchall() == [
        ("0001_a.sql", 64),
        ("0002_b.sql", 64),
    ]
    with pytest.raises(Internal, match=r"0001_a\.sql has changed since it ran"):
        migrate(root, [Script("0001_a.sql", first.text + " "), second])
    with pytest.raises(Internal, match=r"made by a newer version \(0002_b\.sql\)"):
        migrate(root, [first])
    root.close()


def test_a_migration_that_fails_leaves_nothing() -> None:
    root = duckdb.connect()
    root.execute("attach ':memory:' as control")
    broken = Script("0001_a.sql", "create table control.a (x integer); select * from control.nowhere;")
    with pytest.raises(duckdb.Error):
        migrate(root, [broken])
    assert root.execute("select count(*) from control.migration").fetchall() == [(0,)]
    assert root.execute("select count(*) from duckdb_tables() where table_name = 'a'").fetchall() == [(0,)]
    root.close()


def test_the_schema_of_a_home_is_the_sum_of_its_migrations(home: Path) -> None:
    lake = opened(home)
    names = [name for (name,) in lake.root.cursor().execute("select name from control.migration order by 1").fetchall()]
    assert names == [script.name for script in scripts("schema")]
    lake.close()


def test_the_files_of_the_host_are_closed(home: Path, tmp_path: Path) -> None:
    lake = opened(home)
    session = lake.session()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for sql in (
        f"select * from '{tmp_path}/secret.csv'",
        f"select * from read_csv('{tmp_path}/secret.csv')",
        f"select * from read_text('{home}/lake.duckdb')",
        f"select * from read_text('{home}/buckets/../lake.duckdb')",
        "select * from read_text('https://example.org/')",
        f"select * from glob('{tmp_path}/*')",
        f"explain select * from read_csv('{tmp_path}/secret.csv')",
        f"insert into workers select a from read_csv('{tmp_path}/secret.csv')",
        f"create view secret as from read_csv('{tmp_path}/secret.csv')",
    ):
        with pytest.raises(LakehouseError, match=r"\[FORBIDDEN\]|\[INVALID\]"):
            session.run(sql).read_all()
    lake.close()


def test_a_home_that_was_moved_opens(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "old", settings=FAST)
    lake.session().run("create table t as select range as n from range(100)")
    lake.close()
    (tmp_path / "old").rename(tmp_path / "new")
    lake = open_lake(tmp_path / "new", settings=FAST)
    try:
        session = lake.session()
        session.run("insert into t select range from range(100, 150)")
        assert session.run("select count(*) as n from t").rows() == [{"n": 150}]
    finally:
        lake.close()
    assert not (tmp_path / "old").exists()
