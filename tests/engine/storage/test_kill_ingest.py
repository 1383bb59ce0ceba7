"""Killed at any moment: what was acknowledged is there whole, the rest is there whole or not at all."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakehouse import open_lake
from tests.conftest import FAST

ROWS = 400
CHILD = """
import sys
from pathlib import Path
from lakehouse import open_lake
folder, first = Path(sys.argv[1]), int(sys.argv[2])
lake = open_lake(folder / "home", settings={"models.embedder": "hash:64"}, allowed=[folder])
session = lake.session()
print("open", flush=True)
for number in range(first, first + 1000):
    file = folder / "in" / f"{number}.csv"
    file.write_text("id,batch,text\\n" + "".join(f"{number}-{i},{number},text {i % 7}\\n" for i in range(ROWS)))
    for dataset, key in (("appended", None), ("merged", "id")):
        session.run("select * from ingest(?, ?, key := ?)", [str(file), dataset, key]).read_all()
        print(f"done {dataset} {number}", flush=True)
""".replace("ROWS", str(ROWS))


def run_and_kill(folder: Path, first: int, answers: int, seconds: float) -> list[tuple[str, int]]:
    """Let the child acknowledge `answers` ingests, kill it `seconds` later, and return all that it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(first)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    opened = child.stdout.readline()
    assert opened == "open\n", child.communicate()[1]
    lines = [child.stdout.readline() for _ in range(answers)]
    time.sleep(seconds)
    child.kill()
    lines += child.communicate()[0].splitlines(keepends=True)
    return [(line.split()[1], int(line.split()[2])) for line in lines if line.endswith("\n")]


def check(folder: Path, acknowledged: set[tuple[str, int]]) -> None:
    lake = open_lake(folder / "home", settings=FAST, allowed=[folder])
    try:
        session = lake.session()
        names = [row["dataset"] for row in session.run("select dataset from lake.datasets").rows()]
        whole = set()
        for dataset in names:
            found = session.run(
                f"select batch, count(*) as n, count(distinct id) as ids from {dataset} group by batch"
            ).rows()
            assert all((row["n"], row["ids"]) == (ROWS, ROWS) for row in found), found
            whole |= {(str(dataset), row["batch"]) for row in found}
        assert acknowledged <= whole, acknowledged - whole
        ledger = session.run("select dataset, file, rows from lake.ingests").rows()
        assert {(row["dataset"], int(str(row["file"]).partition(".")[0])) for row in ledger} == whole
        for dataset, number in sorted(whole)[-2:]:
            again = session.run(
                "select status from ingest(?, ?)", [str(folder / "in" / f"{number}.csv"), dataset]
            ).rows()
            assert again == [{"status": "unchanged"}]
    finally:
        lake.close()


def kill_often(folder: Path, times: int, seed: int) -> None:
    (folder / "in").mkdir()
    moments, acknowledged = random.Random(seed), set[tuple[str, int]]()
    for at in range(times):
        acknowledged |= set(run_and_kill(folder, at * 1000, moments.randrange(4), moments.uniform(0.0, 0.15)))
        if at % 4 == 3 or at == times - 1:
            check(folder, acknowledged)
    assert acknowledged


def test_killed_twelve_times(tmp_path: Path) -> None:
    kill_often(tmp_path, 12, 7)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_sixty_times(tmp_path: Path) -> None:
    kill_often(tmp_path, 60, 11)
