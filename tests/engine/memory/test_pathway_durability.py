"""`kill -9` while pathways are recorded and replayed: what was acknowledged is there, and no half of anything."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse import open_lake
from tests.conftest import FAST

ROOT = Path(__file__).parents[3]
WORKER = """
import sys
from lakehouse import open_lake
session = open_lake(sys.argv[1], settings={"models.embedder": "hash:256"}).session()
start = int(sys.argv[2])
print("ready", flush=True)
for n in range(start, start + 100000):
    session.run("from pathway_record(?)", ['{"uid": "p%d", "task_class": "t"}' % n])
    print("record", n, flush=True)
    session.run("from pathway_replay(?, true)", ["p%d" % n])
    print("replay", n, flush=True)
    session.run("from pathway_revise(?, ?)", ["p%d" % n, '{"uid": "r%d"}' % n])
    print("revise", n, flush=True)
"""


def run_until_killed(home: Path, start: int, lines: int) -> set[tuple[str, int]]:
    """What was acknowledged, acts and numbers; the worker is killed in the act that follows so many lines."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(home), str(start)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    told = "".join(worker.stdout.readline() for _ in range(lines))
    worker.send_signal(signal.SIGKILL)
    told += worker.communicate()[0]
    acts = [line.split(" ") for line in told.split("\n")[:-1]]
    return {(act, int(number)) for act, number in acts}


@pytest.mark.timeout(240)
def test_every_acknowledged_act_survives(tmp_path: Path) -> None:
    home, chance, following = tmp_path / "home", random.Random(20262), 0
    acknowledged: set[tuple[str, int]] = set()
    for _ in range(5):
        acknowledged |= run_until_killed(home, following, chance.randint(1, 40))
        lake = open_lake(home, settings=FAST)
        session = lake.session()
        rows = {str(row["uid"]): row for row in session.run("from lake.pathways").rows()}
        told = session.run(
            "select subject, list(body ->> 'action' order by entry) as acts from lake.journal where kind = 'pathway' "
            "group by subject"
        ).rows()
        lake.close()
        for act, n in acknowledged:
            row = rows[f"p{n}"]
            assert act != "replay" or row["replays_succeeded"] == 1
            assert act != "revise" or row["superseded_by"] == f"r{n}"
        for uid, row in rows.items():  # a revision is there with its link, or not at all
            assert row["superseded_by"] is None or row["superseded_by"] in rows
            assert uid[0] == "p" or rows["p" + uid[1:]]["superseded_by"] == uid
        acts = {str(row["subject"]): row["acts"] for row in told}
        expected = {
            uid: ["revised"]
            if uid[0] == "r"
            else ["added"] + ["replayed"] * row["replay_count"] + ["superseded"] * (row["superseded_by"] is not None)  # type: ignore[operator]
            for uid, row in rows.items()
        }
        assert acts == expected, "an act without its history, or history without the act"
        following = max([int(uid[1:]) for uid in rows], default=-1) + 1
    assert following > 5, "the worker was killed before it could do anything"
