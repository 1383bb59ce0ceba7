"""A home whose files this user may not read or write: one true error, and nothing that harms the files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import Busy
from lakehouse import open_lake
from tests.conftest import FAST

ROOT = Path(__file__).parents[2]
WORK = """
import os, sys
from pathlib import Path
from engine.errors import LakehouseError
from lakehouse import open_lake

home, rights, *statements = sys.argv[1:]
lake = None

def shut():
    for path in [*([] if rights == "0" else sorted(Path(home).rglob("*"), reverse=True)), Path(home)]:
        path.chmod(int(rights, 8) if path.is_dir() else 0o444)

try:
    if statements:
        lake = open_lake(home, settings={"models.embedder": "hash:256"})
    shut()
    for statement in statements:
        try:
            lake.session().run(statement).read_all()
            print("it ran:", statement)
        except LakehouseError as error:
            print(error)
    if not statements:
        open_lake(home, settings={"models.embedder": "hash:256"})
        print("it opened")
except LakehouseError as error:
    print(error)
sys.stdout.flush()
os._exit(0)  # the end of the journal cannot be written
"""
CAPABILITIES = "-dac_override,-dac_read_search"


@pytest.fixture
def ordinary() -> list[str]:
    """The beginning of a command that runs without the rights of root over files."""
    if os.geteuid() != 0:
        return []
    command = ["setpriv", f"--bounding-set={CAPABILITIES}", f"--inh-caps={CAPABILITIES}"]
    if shutil.which("setpriv") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("root may read and write everything, and setpriv cannot take that from it here")
    return command


def told(ordinary: list[str], home: Path, rights: str, *statements: str) -> list[str]:
    command = [*ordinary, sys.executable, "-c", WORK, str(home), rights, *statements]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    home.chmod(0o755)
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            Path(folder, name).chmod(0o755)
    assert not done.stderr
    assert str(home) not in done.stdout
    return done.stdout.splitlines()


@pytest.fixture
def seeded(tmp_path: Path) -> Path:
    lake = open_lake(tmp_path / "block", settings=FAST)
    session = lake.session()
    session.run("create table workers as select range as id, 'word ' || range as text from range(100)")
    session.run("select * from create_corpus('notes', 'workers', 'id', 'text')").read_all()
    lake.close()
    return tmp_path / "block"


TOLD = "[BUSY] the home 'block' cannot be read or written: Permission denied, <home>"
NEXT = "; let the user of this process read and write that folder and all that is in it, and repeat"


@pytest.mark.parametrize("rights", ["555", "444", "0"])
def test_it_cannot_be_opened(ordinary: list[str], seeded: Path, rights: str) -> None:
    (error,) = told(ordinary, seeded, rights)
    assert error.startswith(TOLD)
    assert error.endswith(NEXT)
    assert "toml" not in error  # there is none
    open_lake(seeded, settings=FAST).close()


def test_it_is_closed_while_it_is_open(ordinary: list[str], seeded: Path) -> None:
    statements = [
        "insert into workers values (1, 'one')",
        "create table many as select range as a from range(100000)",
        "select * from create_corpus('others', 'workers', 'id', 'text')",
        "select * from refresh_corpus('notes')",
        "select * from text_search('word')",
    ]
    errors = told(ordinary, seeded, "555", *statements)
    assert len(errors) == len(statements)
    for error in errors:
        assert error.startswith(TOLD)
        assert error.endswith(NEXT)
    lake = open_lake(seeded, settings=FAST)
    assert lake.session().run("select count(*)::integer as n from workers").rows() == [{"n": 100}]
    assert lake.session().run("select corpus from lake.corpora").rows() == [{"corpus": "notes"}]
    lake.close()


def test_a_full_disk_is_told_wherever_it_is_met(small_disk: Path) -> None:
    open_lake(small_disk / "home", settings=FAST).close()
    lake = open_lake(small_disk / "home", settings=FAST)
    session = lake.session()
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        fill(filler.fileno())
        for statement in ("create table small (a integer)", "select * from create_profile('ann', 'reader')"):
            with pytest.raises(Busy, match="the disk is full; free space and repeat; nothing was half-written"):
                session.run(statement).read_all()
        with pytest.raises(Busy, match="the disk is full"):
            open_lake(small_disk / "another", settings=FAST)
        filler.truncate(0)
    session.run("create table small (a integer)")
    lake.close()


def fill(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except OSError:
        return
