"""What the tests of this door share: a function with effects that counts, and calls through pyarrow's client."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import flight as arrow_flight

from engine import duck
from engine.lake import Lake
from flight import codec, messages
from udfs import kernels
from udfs.kernel import Call, Kernel, installable

Connect = Callable[..., Any]


MACRO = """
create macro fn.act(seconds := 0.0, rows := 1) as table
select n, i
from (select _test_act(seconds::double, getvariable('lakehouse_call')) as n), range(rows) as r(i)
"""
COMMENT = """
comment on macro table fn.act is
'Count a run, after some seconds.
@area storage
@effect writes
@required 0
@signature act(seconds := 0.0, rows := 1)
@answers n, i
@example select * from act()'
"""


class Acts:
    """`select * from act(seconds := …)`: a function with effects that counts how often it ran to its end."""

    def __init__(self) -> None:
        self.runs = 0

    def open_lake(self, home: Path) -> Lake:
        """A lake that has the function, installed as the product installs its own."""
        lake = Lake(home, settings={"models.embedder": "hash:64"})
        count = Kernel("_test_act", ("DOUBLE",), "BIGINT", "writes", self._act)
        ((name, self._body, parameters, returns),) = installable(lake, [count])
        duck.register_kernel(lake.root, name, self._body, parameters, returns)
        lake.root.execute(MACRO)
        lake.root.execute(COMMENT)
        lake.install(installable(lake, kernels()))
        return lake

    def _act(self, call: Call, rows: list[tuple[Any, ...]]) -> list[int]:
        end = time.monotonic() + rows[0][0]
        while time.monotonic() < end:
            call.statement.cancelled.wait(0.01)
            call.check()
        self.runs += 1
        return [self.runs] * len(rows)


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


def running(lake: Lake, sql: str) -> bool:
    return any(statement.sql == sql for statement in lake.statements())


def under_way(lake: Lake, sql: str) -> bool:
    """Whether a statement is past its description: a driver cancels the call under way, and none between two calls."""
    executions = list(lake.executions.items())
    return any(one.sql == sql and execution.checked.kind != "DESCRIBE" for one, execution in executions)


def in_background(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def caught() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=caught)
    thread.start()
    return thread, errors
