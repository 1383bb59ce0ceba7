"""`kill -9` in the middle of builds, records and loads: every acknowledged row is there, and no half of anything.

A child process serves a lake to four clients that insert batches, and works in a loop of its own, of which it prints
each acknowledgement; it is killed at a random but seeded moment; then the home is opened and held against what was
acknowledged.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.session import Session
from flight import messages
from flight.messages import IfExists, IfMissing
from lakehouse import open_lake
from tests.flight.walk import Walk

ROOT = Path(__file__).parents[2]
SETTINGS = {"models.embedder": "hash:64"}
CLIENTS = 4
BATCH = 50  # rows
WORKER = """
import sys
from flight.server import serve
from lakehouse import open_lake
lake = open_lake(sys.argv[1], settings={"models.embedder": "hash:64"})
session = lake.session()
start = int(sys.argv[2])
print(serve(lake).uri, flush=True)
for n in range(start, start + 500):
    session.run("insert into docs values (?, ?)", [f"d{n:05d}", f"document number {n} about topic {n % 5}"])
    print("row", n, flush=True)
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    print("corpus", n, flush=True)
    session.run("select * from playbook_record(?, 'docs', ?, 1.0)", [f"question {n}", f"d{n:05d}"])
    print("outcome", n, flush=True)
"""


def insert(uri: str, name: int, acknowledged: list[int]) -> None:
    """Insert batches until the server is gone: every other client by SQL, the others in bulk."""
    append = messages.TableDefinitionOptions(IfMissing.FAIL, IfExists.APPEND)
    with suppress(pa.ArrowException, arrow_flight.FlightError, OSError), arrow_flight.connect(uri) as client:
        walk = Walk(client)
        for number in count(acknowledged[name] + 1):
            if name % 2:
                walk.update(f"insert into batches select {name}, {number}, i from range({BATCH}) as r(i)")
            else:
                rows = pa.table({"client": [name] * BATCH, "number": [number] * BATCH, "row": range(BATCH)})
                walk.put(messages.CommandStatementIngest(append, "batches"), rows)
            acknowledged[name] = number


def run_until_killed(home: Path, start: int, batches: list[int], patience: float, *, begun: bool) -> dict[str, int]:
    """Run the worker and the clients, kill it after `patience` seconds of work; what it acknowledged last, by kind.

    `batches`: the last batch of each client, brought up to date. `begun`: the seconds count from the first row on.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(home), str(start)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    uri = worker.stdout.readline().strip()
    assert uri.startswith("grpc://")
    clients = [threading.Thread(target=insert, args=(uri, client, batches)) for client in range(CLIENTS)]
    for client in clients:
        client.start()
    output = worker.stdout.readline() if begun else ""
    try:
        worker.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        worker.send_signal(signal.SIGKILL)
    output += worker.communicate()[0]
    for client in clients:
        client.join()
    last: dict[str, int] = {}
    for line in output.splitlines():
        kind, _, number = line.partition(" ")
        if number.isdigit():
            last[kind] = int(number)
    return last


def check_batches(session: Session, batches: list[int]) -> None:
    """Every acknowledged batch is there, at most one more of each client, and each is whole."""
    found = session.run(
        'select client, number, count(*) as n, count(distinct "row") as rows from batches group by client, number'
    ).rows()
    assert all((batch["n"], batch["rows"]) == (BATCH, BATCH) for batch in found), "a torn batch"
    for client in range(CLIENTS):
        numbers = sorted(int(str(batch["number"])) for batch in found if batch["client"] == client)
        assert numbers == list(range(len(numbers)))
        assert batches[client] <= len(numbers) - 1 <= batches[client] + 1, "an acknowledged batch is lost"
        batches[client] = len(numbers) - 1


def check(home: Path, last: dict[str, int], batches: list[int]) -> int:
    """Open the home and compare; returns the next free number."""
    lake = open_lake(home, settings=SETTINGS)
    try:
        session = lake.session()
        check_batches(session, batches)
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


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
@pytest.mark.timeout(300)
def test_every_acknowledged_row_survives(tmp_path: Path, kills: int) -> None:
    home = tmp_path / "home"
    lake = open_lake(home, settings=SETTINGS)
    owner = lake.session()
    owner.run("create table docs (id varchar, text varchar)")
    owner.run('create table batches (client bigint, number bigint, "row" bigint)')
    lake.close()
    chance = random.Random(20261)
    following, acknowledged, batches = 0, {"row": -1, "corpus": -1, "outcome": -1}, [-1] * CLIENTS
    for kill in range(kills):
        patience = chance.uniform(0.02, 0.8)
        acknowledged |= run_until_killed(home, following, batches, patience, begun=kill % 2 == 1)
        following = check(home, acknowledged, batches)
    print(f"{kills} kills: {following} rounds of the worker, batches of the clients {[last + 1 for last in batches]}")
    assert following > kills / 3, "the worker was killed before it could do anything"
    assert min(batches) >= kills / 3, "a client was killed before it could do anything"
