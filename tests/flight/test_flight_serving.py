"""How the server behaves while it serves: cancelling, many clients, memory, shutting down, who may connect."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.errors import Forbidden
from engine.lake import Lake
from flight import codec, messages
from flight.server import Server, serve
from flight.service import Limits
from tests.flight.door import Acts, Connect, action, descriptor, in_background, query, running, under_way, wait_for

ENDLESS = "select count(*) from range(100_000_000_000) as a(i), range(1000) as b(j) where hash(i + j) = 1"
ENDLESS_ROWS = "select i, i * 2 as j from range(100_000_000_000) as r(i)"


@pytest.mark.parametrize("sql", [ENDLESS, ENDLESS_ROWS, f"create table never as {ENDLESS_ROWS}"])
def test_cancelling_a_cursor_stops_the_statement(connection: Any, lake: Lake, sql: str) -> None:
    with connection.cursor() as cursor:

        def fetch() -> None:
            cursor.execute(sql)
            for _ in cursor.fetch_record_batch():
                pass

        thread, errors = in_background(fetch)
        wait_for(lambda: under_way(lake, sql))
        cursor.adbc_cancel()
        assert wait_for(lambda: not running(lake, sql)) < 1.0
        thread.join(10)
        assert len(errors) == 1
    if not connection._autocommit:
        connection.rollback()


def test_a_client_that_hangs_up_stops_its_statement(server: Server, lake: Lake) -> None:
    client = arrow_flight.connect(server.uri)
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery(ENDLESS_ROWS)))
    reader = client.do_get(info.endpoints[0].ticket)
    reader.read_chunk()
    assert running(lake, ENDLESS_ROWS)
    reader.cancel()
    assert wait_for(lambda: not running(lake, ENDLESS_ROWS)) < 1.0
    client.close()


def test_a_deadline_of_the_client_stops_the_statement(client: arrow_flight.FlightClient, lake: Lake) -> None:
    with pytest.raises(arrow_flight.FlightTimedOutError):
        query(client, ENDLESS, options=arrow_flight.FlightCallOptions(timeout=0.3))
    assert wait_for(lambda: not running(lake, ENDLESS)) < 1.0


def test_cancelling_by_flight_info_stops_the_statement(
    client: arrow_flight.FlightClient, lake: Lake, acts: Acts
) -> None:
    before = acts.runs
    for sql in (ENDLESS, "select n from act(seconds := 60)"):
        info = client.get_flight_info(descriptor(messages.CommandStatementQuery(sql)))
        thread, errors = in_background(lambda ticket=info.endpoints[0].ticket: client.do_get(ticket).read_all())  # type: ignore[misc]
        wait_for(lambda sql=sql: running(lake, sql))  # type: ignore[misc]
        ticket = messages.Ticket(info.endpoints[0].ticket.ticket)
        request = messages.CancelFlightInfoRequest(messages.FlightInfo((messages.FlightEndpoint(ticket),)))
        action(client, "CancelFlightInfo", codec.serialize(request))
        assert wait_for(lambda sql=sql: not running(lake, sql)) < 1.0  # type: ignore[misc]
        thread.join(10)
        # The second runs before its ticket is fetched, so that the ticket may be gone by then.
        assert [type(error) for error in errors] in ([arrow_flight.FlightTimedOutError], [pa.lib.ArrowKeyError])
    assert acts.runs == before


def test_an_unread_stream_gives_its_cursor_back(client: arrow_flight.FlightClient, lake: Lake) -> None:
    for _ in range(5):
        info = client.get_flight_info(descriptor(messages.CommandStatementQuery(ENDLESS_ROWS)))
        client.do_get(info.endpoints[0].ticket).cancel()
    wait_for(lambda: not running(lake, ENDLESS_ROWS))


def test_eight_clients_at_once(server: Server, table: str) -> None:
    def work(number: int) -> int:
        with adbc.connect(server.uri, autocommit=True) as connection, connection.cursor() as cursor:
            total = 0
            for turn in range(6):
                cursor.execute("select ? + i as x from range(1000) as r(i)", (number,))
                total += sum(row[0] for row in cursor.fetchall())
                cursor.execute(f"insert into {table} values (?, ?)", (number, turn))
            return total

    with adbc.connect(server.uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"create table {table} (client integer, turn integer)")
        with ThreadPoolExecutor(8) as pool:
            totals = list(pool.map(work, range(8)))
        assert totals == [6 * (499_500 + 1000 * number) for number in range(8)]
        cursor.execute(f"select client, count(*), count(distinct turn) from {table} group by 1 order by 1")
        assert cursor.fetchall() == [(number, 6, 6) for number in range(8)]


def test_one_connection_used_by_many_threads(connect: Connect) -> None:
    connection = connect(autocommit=True)

    def work(number: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"select sum(i) + {number} from range(100_000) as r(i)")
            return int(cursor.fetchone()[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [4_999_950_000 + number for number in range(40)]


def test_open_sessions_are_bounded_and_close_with_their_clients(lake: Lake) -> None:
    server = serve(lake, limits=Limits(sessions=2))
    try:
        first, second = (adbc.connect(server.uri, autocommit=False) for _ in range(2))
        with adbc.connect(server.uri, autocommit=True) as third, third.cursor() as cursor:
            with pytest.raises(adbc_driver_manager.Error, match=r"\[BUSY\] 2 sessions are open"):
                cursor.execute("select 1 as x")
            first.close()
            cursor.execute("select 1 as x")
            assert cursor.fetchall() == [(1,)]
        second.close()
    finally:
        server.shutdown(1)


def test_only_loopback_is_served(lake: Lake) -> None:
    for host in ("0.0.0.0", "192.168.1.1", "example.com", "::"):
        with pytest.raises(Forbidden, match="needs TLS and a token"):
            serve(lake, host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_names(lake: Lake, host: str) -> None:
    server = serve(lake, host)
    try:
        assert server.uri == f"grpc://{host}:{server.port}"
        with arrow_flight.connect(server.uri) as client:
            assert query(client, "select 1 as x").num_rows == 1
    finally:
        server.shutdown(1)


def test_shutting_down_lets_running_statements_end(lake: Lake, acts: Acts) -> None:
    server, before = serve(lake), acts.runs
    client = arrow_flight.connect(server.uri)
    sql = "select n from act(seconds := 1.0)"
    found: list[pa.Table] = []
    thread, errors = in_background(lambda: found.append(query(client, sql)))
    wait_for(lambda: running(lake, sql))
    stopping, _ = in_background(lambda: server.shutdown(20))
    other = arrow_flight.connect(server.uri)

    def refused() -> bool:
        try:
            query(other, "select 1")
        except arrow_flight.FlightUnavailableError as error:
            return "[BUSY] the server is shutting down" in str(error)
        return False

    wait_for(refused)
    thread.join(10)
    stopping.join(10)
    assert errors == []
    assert found[0].to_pylist() == [{"n": before + 1}]
    assert acts.runs == before + 1
    client.close()
    other.close()


def test_shutting_down_cancels_what_does_not_end(lake: Lake, acts: Acts) -> None:
    server, before = serve(lake), acts.runs
    client = arrow_flight.connect(server.uri)
    jobs = [in_background(lambda sql=sql: query(client, sql)) for sql in (ENDLESS, "select n from act(seconds := 90)")]  # type: ignore[misc]
    wait_for(lambda: running(lake, ENDLESS) and running(lake, "select n from act(seconds := 90)"))
    started = time.monotonic()
    server.shutdown(0.2)
    assert time.monotonic() - started < 5
    for thread, errors in jobs:
        thread.join(10)
        assert len(errors) == 1
    assert acts.runs == before
    assert not running(lake, ENDLESS)
    client.close()


SCRIPT = """
import sys
from pathlib import Path
from flight.server import serve
from lakehouse import open_lake
lake = open_lake(Path(sys.argv[1]), settings={"models.embedder": "hash:64"})
server = serve(lake)
print(server.uri, flush=True)
sys.stdin.read()
server.shutdown(5)
lake.close()
"""


class Process:
    """A server in a process of its own, so that its memory can be measured."""

    def __init__(self, home: Path) -> None:
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", str(root))},
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()

    def peak(self, call: Callable[[], object]) -> float:
        """By how many MiB the resident memory grows at most while `call` runs."""
        proc = Path(f"/proc/{self.process.pid}")
        (proc / "clear_refs").write_text("5")
        before = self._status(proc, "VmRSS")
        call()
        return self._status(proc, "VmHWM") - before

    def _status(self, proc: Path, key: str) -> float:
        lines = (proc / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024

    def close(self) -> int:
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("process"))
    yield process
    assert process.close() == 0


LARGE = "select i, i * 3 as j, repeat('x', 84) as s from range(2_000_000) as r(i)"  # about 200 MB of Arrow


def drain(uri: str, sql: str, **options: Any) -> int:
    with adbc.connect(uri, **options) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return sum(batch.nbytes for batch in cursor.fetch_record_batch())


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_large_result_streams_through_bounded_memory(process: Process, autocommit: bool) -> None:
    drain(process.uri, "select i from range(1_000_000) as r(i)", autocommit=autocommit)
    sizes: list[int] = []
    grown = process.peak(lambda: sizes.append(drain(process.uri, LARGE, autocommit=autocommit)))
    print(f"{sizes[0] / 1e6:.0f} MB streamed, memory of the server grew by {grown:.0f} MiB")
    assert sizes[0] > 180e6
    assert grown < 64


def test_a_large_load_goes_through_bounded_memory(process: Process) -> None:
    schema = pa.schema([("i", pa.int64()), ("s", pa.string())])
    batch = pa.record_batch([pa.array(range(20_000)), pa.array(["x" * 84] * 20_000)], schema=schema)

    def load() -> None:
        with adbc.connect(process.uri, autocommit=True) as connection, connection.cursor() as cursor:
            reader = pa.RecordBatchReader.from_batches(schema, (batch for _ in range(100)))
            assert cursor.adbc_ingest("large", reader, mode="replace") == 2_000_000

    load()
    grown = process.peak(load)
    print(f"{100 * batch.nbytes / 1e6:.0f} MB loaded, memory of the server grew by {grown:.0f} MiB")
    assert grown < 400


def test_a_slow_reader_does_not_fill_the_server(process: Process) -> None:
    def slow() -> None:
        with arrow_flight.connect(process.uri) as client:
            info = client.get_flight_info(descriptor(messages.CommandStatementQuery(LARGE)))
            reader = client.do_get(info.endpoints[0].ticket)
            for _ in range(20):
                reader.read_chunk()
                time.sleep(0.02)
            reader.cancel()

    assert process.peak(slow) < 64
