"""What the tests of this door share: a function with effects that counts, and calls through pyarrow's client."""

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import flight as arrow_flight

from engine import duck
from engine.catalogue import Function
from engine.lake import Lake
from flight import codec, messages

Connect = Callable[..., Any]


class Acts:
    """`select * from act(seconds := …)`: a function with effects that counts how often it ran."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self.runs = 0
        self.stopped = 0
        duck.register_kernel(lake.root, "_test_act", self._act, ["DOUBLE", "VARCHAR"], "BIGINT")
        lake.root.execute(
            "create macro fn.main.act(seconds := 0.0, rows := 1) as table select n, i from "
            "(select _test_act(seconds::double, getvariable('lakehouse_call')) as n), range(rows) as r(i)"
        )
        lake.functions = {
            **lake.functions,
            "act": Function("act", "storage", "writes", ("seconds", "rows"), 0, "act(seconds, rows)"),
        }

    def _act(self, seconds: pa.ChunkedArray, token: pa.ChunkedArray) -> pa.Array:
        statement = self._lake.running[token[0].as_py()]
        end = time.monotonic() + seconds[0].as_py()
        while time.monotonic() < end:
            if statement.cancelled.wait(0.01):
                self.stopped += 1
                raise statement.stopped()
        self.runs += 1
        return pa.array([self.runs] * len(seconds), pa.int64())


def descriptor(command: object) -> arrow_flight.FlightDescriptor:
    return arrow_flight.FlightDescriptor.for_command(codec.encode(command))


def query(client: arrow_flight.FlightClient, sql: str, **options: Any) -> pa.Table:
    """Run `sql` with pyarrow's client and fetch its rows."""
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery(sql)), **options)
    return client.do_get(info.endpoints[0].ticket, **options).read_all()


def action(client: arrow_flight.FlightClient, kind: str, body: bytes = b"") -> list[bytes]:
    return [result.body.to_pybytes() for result in client.do_action(arrow_flight.Action(kind, body))]


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait until `condition`; returns how long it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.005)
    return time.monotonic() - started
