"""`kill -9` in the middle of builds and records: every acknowledged row is there, and no half of anything.

A child process works in a loop and prints each acknowledgement; it is killed at a random but seeded moment; then the
home is opened and held against what was acknowledged.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse import open_lake

ROOT = Path(__file__).parents[2]
SETTINGS = {"models.embedder": "hash:64"}
WORKER = """
import sys
from lakehouse import open_lake
lake = open_lake(sys.argv[1], settings={"models.embedder": "hash:64"})
session = lake.session()
start = int(sys.argv[2])
print("ready", flush=True)
for n in range(start, start + 500):
    session.run("insert into docs values (?, ?)", [f"d{n:05d}", f"document number {n} about topic {n % 5}"])
    print("row", n, flush=True)
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    print("corpus", n, flush=True)
    session.run("select * from playbook_record(?, 'docs', ?, 1.0)", [f"question {n}", f"d{n:05d}"])
    print("outcome", n, flush=True)
"""


def run_until_killed(home: Path, start: int, patience: float) -> dict[str, int]:
    """Run the worker, kill it after `patience` seconds of work; the last acknowledged number of each kind."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(home), str(start)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    try:
        worker.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        worker.send_signal(signal.SIGKILL)
    output = worker.communicate()[0]
    last: dict[str, int] = {}
    for line in output.splitlines():
        kind, _, number = line.partition(" ")
        if number.isdigit():
            last[kind] = int(number)
    return last


def check(home: Path, last: dict[str, int]) -> int:
    """Open the home and compare; returns the next free number."""
    lake = open_lake(home, settings=SETTINGS)
    try:
        session = lake.session()
        rows = session.run("select max(substr(id, 2)::integer) as n, count(*) as count from docs").rows()[0]
        newest, count = int(str(rows["n"] if rows["n"] is not None else -1)), int(str(rows["count"]))
        assert newest in (last["row"], last["row"] + 1), "an acknowledged row is lost"
        assert count == newest + 1
        searchable = -1
        if "docs" in lake.corpora.names():
            found = session.run("select id from text_search('document', k := 10000)").rows()
            numbers = sorted(int(str(row["id"])[1:]) for row in found)
            assert numbers == list(range(len(numbers))), "a half of a corpus"
            searchable = len(numbers) - 1
            folder = lake.corpora.folder("docs")
            assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
        assert last["corpus"] <= searchable <= newest
        outcomes = session.run(
            "select (select count(*) from lake.playbooks) as known, (select count(*) from lake.outcomes) as told, "
            "(select coalesce(max(substr(id, 2)::integer), -1) from lake.playbooks) as last"
        ).rows()[0]
        assert outcomes["known"] == outcomes["told"], "an outcome without its history"
        assert last["outcome"] <= int(str(outcomes["last"])) <= newest
        last.update(row=newest, corpus=searchable, outcome=int(str(outcomes["last"])))
        return newest + 1
    finally:
        lake.close()


@pytest.mark.parametrize("kills", [20, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
@pytest.mark.timeout(300)
def test_every_acknowledged_row_survives(tmp_path: Path, kills: int) -> None:
    home = tmp_path / "home"
    lake = open_lake(home, settings=SETTINGS)
    lake.session().run("create table docs (id varchar, text varchar)")
    lake.close()
    chance = random.Random(20261)
    following, acknowledged = 0, {"row": -1, "corpus": -1, "outcome": -1}
    for _ in range(kills):
        acknowledged |= run_until_killed(home, following, chance.uniform(0.02, 0.8))
        following = check(home, acknowledged)
    assert following > kills / 3, "the worker was killed before it could do anything"
