"""What the wire costs: the server beside DuckDB and bare Arrow Flight in one run, CPU seconds of the server's process.

python -m bench.wire [--part bulk|small|load|mixed] [--gigabytes 1] [--seconds 60] [--write]

The clients are processes of their own (`bench/wire_clients.py`). A reference is what a program would cost that does
nothing but the work itself: DuckDB makes the same batches, or writes the same Arrow, in this process; a Flight server
without SQL, sessions or checks sends the same batches. Best of several runs, since the machine may be busy.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import flight

from bench.wire_clients import numbers
from engine import duck
from engine.lake import Lake
from engine.session import Session
from engine.storage.buckets import attach_buckets
from flight.server import Server, serve
from lakehouse import open_lake

REPORT = Path(__file__).parents[1] / "docs" / "wire.md"
HEAD = """# What the wire costs

`python -m bench.wire --write` made this page. CPU seconds are those of the server's process; clients are processes of
their own. The reference of a line is measured in the same run, in turns with it: DuckDB makes the same batches or
inserts the same Arrow in process, and a Flight server without SQL, sessions or checks sends them. The least of three
rounds counts, of six for `select 1` and loads.
"""
ROW_BYTES = 42  # of `facts`, in Arrow
ROUNDS = 3
Row = tuple[str, str, str, str]  # what, measured, reference or bound, verdict
ROWS: list[Row] = []


def say(what: str, measured: str, bound: str, holds: bool) -> None:
    """One line of the report."""
    ROWS.append((what, measured, bound, "yes" if holds else "no"))
    print(f"{what:<62} {measured:<34} {bound:<30} {'yes' if holds else 'NO'}", flush=True)


@contextmanager
def client(kind: str, uri: str, token: str, *arguments: object) -> Iterator[Callable[[], dict[str, Any]]]:
    """A client process that has warmed up; calling it lets it work and returns its answer."""
    words = [sys.executable, "-m", "bench.wire_clients", kind, uri, token, *map(str, arguments)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    talk, listen = process.stdin, process.stdout

    def work() -> dict[str, Any]:
        talk.write("\n")
        talk.flush()
        answer: dict[str, Any] = json.loads(listen.readline())
        return answer

    try:
        if listen.readline().strip() != "ready":
            raise RuntimeError(f"the client {kind} did not start")
        yield work
        talk.write("\n")
        talk.flush()
        process.wait(30)
    finally:
        process.kill()
        process.communicate()


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process while `work` runs, and what it returns."""
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer


class Plain(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """The reference: sends kept batches, or answers every ticket with `select 1` of DuckDB. Nothing else."""

    def __init__(self, kept: pa.Table | None = None) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._kept = kept
        self._duck = duckdb.connect()

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        schema = (
            self._kept.schema if self._kept is not None else self._duck.cursor().sql("select 1").to_arrow_table().schema
        )
        return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(descriptor.command, [])], -1, -1)

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        if self._kept is None:
            return flight.RecordBatchStream(self._duck.cursor().execute("select 1").to_arrow_table())
        return flight.GeneratorStream(self._kept.schema, iter(self._kept.to_batches()))


def make_facts(session: Session, gigabytes: float) -> None:
    """The table `facts`, of about so many gigabytes as Arrow."""
    rows = max(5_000_000, int(gigabytes * (1 << 30) / ROW_BYTES))
    session.run(
        "create table facts as select i as id, i::double as measure, (i * 7919) % 1000003 as part, "
        f"'customer ' || (i % 99991) as name from range({rows}) as r(i)"
    )


def bulk(lake: Lake, server: Server, token: str) -> None:
    """All rows of a large table: to a local client, against DuckDB making the batches and Flight sending them."""
    sql = "select * from facts"
    kept = lake.session().run(sql).read_all()
    plain = Plain(kept)
    made, sent, ours, first, first_alone, size = (float("inf"),) * 5 + (0,)
    for _ in range(ROUNDS):  # in turns, so that what else the machine does meets all of them
        made = min(made, cpu(lambda: produce(lake, sql))[0])
        sent = min(sent, with_client("plain", plain.uri, "", 1, "all")[0])
        taken, answer = with_client("bulk", server.uri, token, sql)
        ours, first, size = min(ours, taken), min(first, answer["first"]), answer["bytes"]
        first_alone = min(first_alone, first_batch(lake, sql))
    plain.shutdown()
    ratio = ours / (made + sent)
    say(
        f"bulk read of {size / (1 << 30):.2f} GiB, server CPU",
        f"{ours:.2f} s = {ratio:.2f} ×",
        f"≤ 1.15 × ({made:.2f} + {sent:.2f} s)",
        ratio <= 1.15,
    )
    bound = 2 * first_alone + 0.005
    say("first batch of it", f"{first * 1e3:.1f} ms", f"≤ 2 × {first_alone * 1e3:.1f} + 5 ms", first <= bound)


def produce(lake: Lake, sql: str) -> int:
    """DuckDB alone: every batch of `sql`, as large as the server asks for them."""
    held = lake.cursors.take(lake.session().search_path)
    try:
        return sum(batch.num_rows for batch in duck.reader(held.cursor, sql))
    finally:
        lake.cursors.give(held)


def first_batch(lake: Lake, sql: str) -> float:
    """Seconds until DuckDB alone has described `sql` and made its first batch."""
    held = lake.cursors.take(lake.session().search_path)
    try:
        began = time.monotonic()
        duck.reader(held.cursor, sql).read_next_batch()
        return time.monotonic() - began
    finally:
        held.dirty = True
        lake.cursors.give(held)


def with_client(kind: str, uri: str, token: str, *arguments: object) -> tuple[float, dict[str, Any]]:
    """CPU seconds of this process while a client works, and its answer."""
    with client(kind, uri, token, *arguments) as work:
        return cpu(work)


def small(server: Server, token: str) -> None:
    """`select 1` by GetFlightInfo and DoGet."""
    times = 2000
    plain = Plain()
    bare = admin = held = float("inf")
    for _ in range(2 * ROUNDS):
        bare = min(bare, with_client("plain", plain.uri, "", times, "1")[0] / times * 1e3)
        admin = min(admin, with_client("small", server.uri, "", times, "select 1")[0] / times * 1e3)
        held = min(held, with_client("small", server.uri, token, times, "select 1")[0] / times * 1e3)
    plain.shutdown()
    what = "`select 1` by two calls, server CPU"
    say(what, f"{admin:.2f} ms = {admin / bare:.1f} ×", f"≤ 1.2 ms ({bare:.2f} bare)", admin <= 1.2)
    what = "the same with a token, a restricted profile, guard and log"
    say(what, f"{held:.2f} ms = {held / bare:.1f} ×", "≤ 1.8 ms", held <= 1.8)


def load(lake: Lake, server: Server, token: str, folder: Path) -> None:
    """A bulk load of a million rows, against DuckDB inserting the same Arrow into a bucket of the same kind."""
    rows = 1_000_000
    made = numbers(rows).read_all()
    root = duck.connect(0, "", folder / "temp", "10GiB")
    attach_buckets(root, folder)
    bare = ours = float("inf")
    for at in range(2 * ROUNDS):
        bare = min(bare, cpu(lambda at=at: insert(root, made, f"t{at}"))[0])  # type: ignore[misc]
        ours = min(ours, with_client("load", server.uri, token, rows, f"loaded_{at}")[0])
    root.close()
    found = lake.session().run("select count(*) as n, sum(id) as s from loaded_0").rows()[0]
    assert found == {"n": rows, "s": rows * (rows - 1) // 2}, found
    say(
        f"adbc_ingest of {rows:,} rows, server CPU",
        f"{ours:.2f} s = {ours / bare:.2f} ×",
        f"≤ 1.25 × {bare:.2f} s of DuckDB",
        ours <= 1.25 * bare,
    )


def insert(root: duck.Cursor, made: pa.Table, table: str) -> None:
    """The reference of a load: in process, from the same batches."""
    cursor = root.cursor()
    cursor.register("stream", made.to_reader().__arrow_c_stream__())
    cursor.execute(f'create table "primary".main.{table} as select * from stream')
    cursor.unregister("stream")


def mixed(server: Server, seconds: float) -> None:
    """64 clients in four processes for a minute: short, long, loads, cancelled."""
    taken: dict[str, list[float]] = {}
    errors: list[str] = []
    with ExitStack() as clients, ThreadPoolExecutor(4) as pool:
        works = [clients.enter_context(client("mixed", server.uri, "", 16, seconds, seed)) for seed in range(4)]
        for answer in pool.map(lambda work: work(), works):
            errors += answer["errors"]
            for kind, times in answer["taken"].items():
                taken.setdefault(kind, []).extend(times)
    for text in sorted(set(errors))[:10]:
        print("  error:", text)
    count = sum(len(times) for times in taken.values())
    say(f"64 clients for {seconds:g} s, {count:,} statements", f"{len(errors)} errors", "0 errors", not errors)
    for kind, times in sorted(taken.items()):
        middle, late = median(times), sorted(times)[int(0.99 * len(times))]
        say(
            f"{kind}: {len(times):,} of them, p99 / p50",
            f"{late * 1e3:.0f} / {middle * 1e3:.0f} ms = {late / middle:.1f}",
            "≤ 20",
            late <= 20 * middle,
        )


def report() -> str:
    """The page."""
    machine = f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    lines = [
        HEAD,
        f"{machine}, DuckDB {duckdb.__version__}, Arrow {pa.__version__}.",
        "",
        "| what | measured | bound, reference | holds |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in ROWS),
        "",
        "A cancelled statement counts from its start to the error. The four kinds of clients share the cores, so that",
        "a short statement waits for its turn behind long ones. Decision 0019 says what was done.",
    ]
    return "\n".join(lines) + "\n"


def restricted(lake: Lake) -> str:
    """A token of a profile that may read and load, but is no admin."""
    session = lake.session()
    session.run("select * from create_profile('analyst', 'contributor')").read_all()
    session.run("select * from grant_access('analyst', 'primary')").read_all()
    row = session.run("select * from create_token('analyst')").rows()[0]
    return str(row["token"])


def main() -> None:
    """Measure the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["bulk", "small", "load", "mixed"], action="append")
    parser.add_argument("--gigabytes", type=float, default=1.05)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", action="store_true", help="write the figures to docs/wire.md")
    given = parser.parse_args()
    parts = given.part or ["small", "bulk", "load", "mixed"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = open_lake(folder / "home", settings={"models.embedder": "hash:64"})
        server = serve(lake)
        token = restricted(lake)
        if {"bulk", "mixed"} & set(parts):
            make_facts(lake.session(), given.gigabytes if "bulk" in parts else 0)
        measures: dict[str, Callable[[], None]] = {
            "small": lambda: small(server, token),
            "bulk": lambda: bulk(lake, server, ""),
            "load": lambda: load(lake, server, "", folder / "bare"),
            "mixed": lambda: mixed(server, given.seconds),
        }
        for part in parts:
            measures[part]()
        server.shutdown(2)
        lake.close()
    if given.write:
        REPORT.write_text(report())


if __name__ == "__main__":
    main()
