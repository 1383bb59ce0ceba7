"""The clients of `bench/wire.py`: processes of their own, so that what the server uses is all that its process counts.

python -m bench.wire_clients KIND URI TOKEN ARGUMENTS…

Each makes its connection, warms it up, writes `ready` and waits for a line; then it works, writes its answer as one
line of JSON and waits for another line.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight

from flight import codec, messages

LONG = (
    "select sum(a * b), count(distinct a % 1000) from generate_series(1, 3_000_000) as r(a), (values (1), (2)) as v(b)"
)
ENDLESS = "select sum(a * b) from range(10_000_000) as r(a), range(100_000) as s(b)"
LOAD_ROWS = 1000

Answer = dict[str, object]
Work = Callable[[], Answer]


def calls(token: str) -> flight.FlightCallOptions:
    """The options of a call of the holder of `token`."""
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    return flight.FlightCallOptions(headers=headers)


def command(sql: str) -> flight.FlightDescriptor:
    """A statement as Flight SQL has it."""
    return flight.FlightDescriptor.for_command(codec.encode(messages.CommandStatementQuery(sql)))


def small(uri: str, token: str, times: str, sql: str) -> Work:
    """One statement again and again, by two calls each."""
    client, options, asked = flight.connect(uri), calls(token), command(sql)

    def one() -> None:
        ticket = client.get_flight_info(asked, options).endpoints[0].ticket
        client.do_get(ticket, options).read_all()

    for _ in range(50):
        one()

    def work() -> Answer:
        for _ in range(int(times)):
            one()
        return {"times": int(times)}

    return work


def each(uri: str, token: str, path: str) -> Work:
    """The statements of a file, a JSON list, one after the other by two calls each; all of them once before."""
    client, options = flight.connect(uri), calls(token)
    statements = [command(sql) for sql in json.loads(Path(path).read_text(encoding="utf-8"))]

    def work() -> Answer:
        for asked in statements:
            ticket = client.get_flight_info(asked, options).endpoints[0].ticket
            client.do_get(ticket, options).read_all()
        return {"times": len(statements)}

    work()
    return work


def plain(uri: str, token: str, times: str, ticket: str) -> Work:
    """The reference servers of `bench/wire.py`: GetFlightInfo, DoGet, all rows are read and dropped."""
    client, options = flight.connect(uri), calls(token)
    asked = flight.FlightDescriptor.for_command(ticket.encode())

    def one() -> int:
        found = client.get_flight_info(asked, options).endpoints[0].ticket
        return sum(chunk.data.nbytes for chunk in client.do_get(found, options))

    if int(times) > 1:
        for _ in range(50):
            one()
    return lambda: {"bytes": sum(one() for _ in range(int(times)))}


def bulk(uri: str, token: str, sql: str) -> Work:
    """All rows of a large result, read and dropped; when the first ones came."""
    client, options, asked = flight.connect(uri), calls(token), command(sql)
    client.do_get(client.get_flight_info(command("select 1"), options).endpoints[0].ticket, options).read_all()

    def work() -> Answer:
        began = time.monotonic()
        first, size = 0.0, 0
        reader = client.do_get(client.get_flight_info(asked, options).endpoints[0].ticket, options)
        for chunk in reader:
            first = first or time.monotonic() - began
            size += chunk.data.nbytes
        return {"bytes": size, "first": first, "seconds": time.monotonic() - began}

    return work


def numbers(rows: int, batch: int = 65_536) -> pa.RecordBatchReader:
    """`rows` rows of a number, a measure and a name, in batches."""

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, batch):
            ids = pa.array(range(start, min(rows, start + batch)), pa.int64())
            names = pa.array([f"name {i % 9973}" for i in range(start, min(rows, start + batch))])
            yield pa.record_batch([ids, ids.cast(pa.float64()), names], ["id", "measure", "name"])

    return pa.RecordBatchReader.from_batches(
        pa.schema([("id", pa.int64()), ("measure", pa.float64()), ("name", pa.string())]), batches()
    )


def load(uri: str, token: str, rows: str, table: str) -> Work:
    """A bulk load of so many rows."""
    connection = connected(uri, token)
    made = numbers(int(rows)).read_all()

    def work() -> Answer:
        with connection.cursor() as cursor:
            return {"rows": cursor.adbc_ingest(table, made.to_reader(), mode="create")}

    return work


def connected(uri: str, token: str) -> adbc.Connection:
    """A stock ADBC connection."""
    given = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"} if token else {}
    return adbc.connect(uri, db_kwargs=given, autocommit=True)


def mixed(uri: str, token: str, clients: str, seconds: str, seed: str) -> Work:
    """Some clients side by side, each again and again: of eight, five short, one long, one loads, one cancels."""
    kinds = [
        ("short", "short", "short", "short", "short", "long", "load", "cancel")[i % 8] for i in range(int(clients))
    ]
    connections = [connected(uri, token) for _ in kinds]
    loaders = [f"mixed_{seed}_{at}" for at, _ in enumerate(kinds)]
    for connection, kind, table in zip(connections, kinds, loaders, strict=True):
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.fetchall()
            if kind == "load":
                cursor.adbc_ingest(table, numbers(1), mode="create")

    def work() -> Answer:
        taken: dict[str, list[float]] = {kind: [] for kind in kinds}
        errors: list[str] = []
        until = time.monotonic() + float(seconds)
        threads = [
            threading.Thread(target=repeat, args=(connection, kind, table, until, taken[kind], errors, at))
            for at, (connection, kind, table) in enumerate(zip(connections, kinds, loaders, strict=True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"taken": taken, "errors": errors}

    return work


def repeat(
    connection: adbc.Connection,
    kind: str,
    table: str,
    until: float,
    taken: list[float],
    errors: list[str],
    seed: int,
) -> None:
    """One of the mixed clients."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            with connection.cursor() as cursor:
                once(cursor, kind, table, chance)
        except Exception as error:  # every one is counted, whatever it is
            errors.append(f"{kind}: {error}"[:300])
        taken.append(time.monotonic() - began)


def once(cursor: adbc.Cursor, kind: str, table: str, chance: random.Random) -> None:
    """One thing that a client of this kind does. Raises when the answer is wrong."""
    if kind == "short":
        wanted = chance.randrange(5_000_000)
        cursor.execute(f"select id, measure from facts where id = {wanted}")
        expect(cursor.fetchone() == (wanted, float(wanted)), "the row is wrong")
    elif kind == "long":
        cursor.execute(LONG)
        expect(cursor.fetchall()[0][1] == 1000, "the sum is wrong")
    elif kind == "load":
        expect(cursor.adbc_ingest(table, numbers(LOAD_ROWS), mode="append") == LOAD_ROWS, "rows are missing")
    else:
        ended = threading.Event()
        canceller = threading.Thread(target=cancel, args=(cursor, 0.1 + 0.2 * chance.random(), ended))
        canceller.start()
        try:
            cursor.execute(ENDLESS)
            cursor.fetchall()
            expect(False, "a statement without end ended")
        except adbc.Error as error:
            expect("cancel" in str(error).lower(), str(error))
        finally:
            ended.set()
            canceller.join()


def cancel(cursor: adbc.Cursor, seconds: float, ended: threading.Event) -> None:
    """Cancel what `cursor` runs after some time. ADBC stops the call under way; between two calls there is none."""
    while not ended.wait(seconds):
        cursor.adbc_cancel()


def expect(holds: bool, otherwise: str) -> None:
    """Raise when something does not hold."""
    if not holds:
        raise AssertionError(otherwise)


KINDS: dict[str, Callable[..., Work]] = {
    "small": small, "each": each, "plain": plain, "bulk": bulk, "load": load, "mixed": mixed,
}  # fmt: skip


def main() -> None:
    kind, *arguments = sys.argv[1:]
    work = KINDS[kind](*arguments)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(work()), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
