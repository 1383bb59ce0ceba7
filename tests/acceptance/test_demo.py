"""The demo, run as a stranger runs it, with the real model on a small company."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-c", "import lakehouse; lakehouse.main()", "demo", "--workers", "120"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def demo(cwd: Path) -> str:
    """Run the demo to its end and return what it printed."""
    done = subprocess.run(DEMO, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.timeout(500)
def test_the_walk_and_its_repeat(tmp_path: Path) -> None:
    first = demo(tmp_path)
    rank = re.search(r"(W-\d+) was at rank (\d+), now at rank (\d+)\.", first)
    assert rank
    assert int(rank.group(3)) < int(rank.group(2))
    assert "not changed by it: the same rows, scores and order." in first
    assert len(re.findall(r"\bcreated\b", first)) == 8  # four datasets, three corpora, one outcome
    assert "Keep it running:" in first.splitlines()[-1]
    again = demo(tmp_path)
    assert "are in demo-home/demo/120/ already" in again
    assert len(re.findall(r"\bunchanged\b", again)) == 5  # four datasets and the outcome
    assert len(re.findall(r"\bexists\b", again)) == 3
    assert f"{rank.group(1)} was at rank {rank.group(2)}, now at rank {rank.group(3)}." in again


@pytest.mark.timeout(300)
def test_serve_prints_the_addresses_and_stays_until_interrupted(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "LAKEHOUSE_FLIGHT__PORT": "0", "LAKEHOUSE_WEB__PORT": "0"}
    environment["LAKEHOUSE_MODELS__EMBEDDER"] = "hash:256"
    served = subprocess.Popen([*DEMO, "--serve"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    assert served.stdout is not None
    try:
        lines: list[str] = []
        for line in served.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        printed = "".join(lines)
        uri = re.search(r"Flight SQL  (grpc://\S+)", printed)
        assert uri, printed
        with flight_sql.connect(uri.group(1), autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("select count(*) from workers")
            assert cursor.fetchone() == (120,)
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=60) == 0
    finally:
        served.kill()
        served.wait()
        served.stdout.close()
