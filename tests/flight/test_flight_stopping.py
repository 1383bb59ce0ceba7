"""A client that cancels, runs out of time or is killed stops its statement within half a second."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import duckdb
import pyarrow as pa
import pytest
from adbc_driver_flightsql import ConnectionOptions
from pyarrow import flight as arrow_flight

from engine.lake import Lake
from flight import messages
from flight.server import Server
from lakehouse import open_lake
from tests.flight.door import Connect, descriptor, in_background, query, running, wait_for

SECONDS = 0.5
QUERY = "select count(*) from range(100_000_000_000) as a(i), range(1000) as b(j) where hash(i + j) = 1"
SEARCH = "select count(*) from range(300_000) as r(i), lateral vector_search('question ' || i, corpora := ['docs'])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes long to ingest, though it is small."""
    folder = tmp_path_factory.mktemp("files")
    with duckdb.connect() as maker:
        rows = "select i as id, 'x' as a, 'y' as b, 7 as c from range(20_000_000) as r(i)"
        maker.execute(f"copy ({rows}) to '{folder / 'long.csv.gz'}' (format csv, header, compression gzip)")
    return folder


@pytest.fixture(scope="module")
def lake(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = open_lake(tmp_path_factory.mktemp("home"), settings={"models.embedder": "hash:64"}, allowed=[folder])
    session = lake.session()
    session.run("create table docs as select i as id, 'document number ' || i as body from range(300) as r(i)")
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'body')").rows()
    yield lake
    lake.close()


@pytest.fixture(params=["query", "search", "ingest"])
def sql(request: pytest.FixtureRequest, folder: Path) -> str:
    ingest = f"select * from ingest('{folder / 'long.csv.gz'}', 'long')"
    return {"query": QUERY, "search": SEARCH, "ingest": ingest}[request.param]


def at_work(lake: Lake, sql: str) -> bool:
    """Whether it has run for a moment: what is cancelled at its very start is another story."""
    return any(one.sql == sql and time.monotonic() - one.started > 0.3 for one in lake.statements())


def check_stopped(lake: Lake, sql: str, since: float) -> None:
    wait_for(lambda: not running(lake, sql))
    took = time.monotonic() - since
    print(f"stopped after {took:.3f} s")
    assert took < SECONDS
    names = lake.session().run("select table_name from duckdb_tables() where database_name = 'primary'").rows()
    assert {"table_name": "long"} not in names


def fetch(cursor: Any, sql: str) -> None:
    cursor.execute(sql)
    cursor.fetch_arrow_table()


def test_a_cursor_is_cancelled(connection: Any, lake: Lake, sql: str) -> None:
    with connection.cursor() as cursor:
        thread, errors = in_background(lambda: fetch(cursor, sql))
        wait_for(lambda: at_work(lake, sql))
        cancelled = time.monotonic()
        cursor.adbc_cancel()
        check_stopped(lake, sql, cancelled)
        thread.join(10)
        assert len(errors) == 1
    if not connection._autocommit:
        connection.rollback()


def test_the_time_of_the_client_runs_out(server: Server, lake: Lake, sql: str) -> None:
    options = dict.fromkeys((ConnectionOptions.TIMEOUT_QUERY.value, ConnectionOptions.TIMEOUT_FETCH.value), "1.5")
    with adbc.connect(server.uri, conn_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        started = time.monotonic()
        with pytest.raises((adbc_driver_manager.Error, pa.ArrowException, OSError)):
            fetch(cursor, sql)
        ended = time.monotonic()
        assert ended - started < 4.5
        check_stopped(lake, sql, ended)


def test_a_deadline_of_arrow(client: arrow_flight.FlightClient, lake: Lake, sql: str) -> None:
    with pytest.raises(arrow_flight.FlightTimedOutError):
        query(client, sql, options=arrow_flight.FlightCallOptions(timeout=1.2))
    check_stopped(lake, sql, time.monotonic())


CLIENT = """
import sys
import adbc_driver_flightsql.dbapi as adbc
with adbc.connect(sys.argv[1], autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute(sys.argv[2])
    cursor.fetch_arrow_table()
"""


def test_a_client_is_killed(server: Server, lake: Lake, sql: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", CLIENT, server.uri, sql], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: at_work(lake, sql))
        killed = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        check_stopped(lake, sql, killed)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("temporary", [False, True])
def test_a_client_that_is_killed_amid_a_load_writes_nothing(server: Server, lake: Lake, temporary: bool) -> None:
    loading = f"""
import sys, time
import pyarrow as pa
import adbc_driver_flightsql.dbapi as adbc
def batches():
    while True:
        yield pa.record_batch({{"a": range(1000)}})
        time.sleep(0.02)
schema = pa.schema([("a", pa.int64())])
with adbc.connect({server.uri!r}, autocommit=True) as connection, connection.cursor() as cursor:
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    cursor.adbc_ingest("long", reader, temporary={temporary})
"""
    process = subprocess.Popen([sys.executable, "-c", loading], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: any(one.sql.startswith("load") for one in lake.statements()))
        (sql,) = [one.sql for one in lake.statements() if one.sql.startswith("load")]
        wait_for(lambda: at_work(lake, sql))
        killed = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        check_stopped(lake, sql, killed)
    finally:
        process.kill()
        process.wait()


def test_planning_a_long_statement_that_returns_rows_is_answered_at_once(
    client: arrow_flight.FlightClient, connect: Connect, lake: Lake, folder: Path
) -> None:
    """GetFlightInfo comes back while the statement still runs, so that the time limit of any client can work."""
    with connect(autocommit=True).cursor() as cursor:
        cursor.execute("create table many as select hash(i) % 50 as k, i from range(30_000_000) as r(i)")
    for sql in (
        f"select * from ingest('{folder / 'long.csv.gz'}', 'long')",
        "from (pivot (select k, i from many, range(400)) on k using sum(i), count(distinct i))",
        QUERY,
        SEARCH,
    ):
        started = time.monotonic()
        info = client.get_flight_info(descriptor(messages.CommandStatementQuery(sql)))
        took = time.monotonic() - started
        print(f"planned in {took:.3f} s: {sql[:60]}")
        assert took < 0.8
        assert len(info.endpoints) == 1
        with pytest.raises(arrow_flight.FlightTimedOutError):
            client.do_get(info.endpoints[0].ticket, arrow_flight.FlightCallOptions(timeout=0.3)).read_all()
        check_stopped(lake, sql, time.monotonic())


def test_statements_without_rows_are_stopped_too(connect: Connect, lake: Lake) -> None:
    connection = connect(autocommit=True)
    for sql in (f"create table never as {QUERY}", f"delete from docs where id = ({QUERY})"):
        with connection.cursor() as cursor:
            for call in (cursor.execute, cursor.executescript):
                thread, errors = in_background(partial(call, sql))
                wait_for(partial(at_work, lake, sql))
                cancelled = time.monotonic()
                cursor.adbc_cancel()
                check_stopped(lake, sql, cancelled)
                thread.join(10)
                assert len(errors) == 1
