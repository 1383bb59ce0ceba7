"""Transactions that are left open, and prepared statements that outlive theirs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pytest

from engine.errors import Conflict, NotFound
from engine.lake import Lake
from flight import messages
from flight.caller import Caller
from flight.server import Server
from flight.service import Limits, Service
from tests.asking import session_of
from tests.flight.commands import begin, end, update
from tests.flight.door import Connect


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patient(clock: Clock) -> Service:
    return Service(Limits(transaction_idle_seconds=300), clock=clock)


def test_an_idle_transaction_is_rolled_back_and_says_so(
    patient: Service, caller: Caller, clock: Clock, table: str
) -> None:
    update(patient, caller, f"create table {table} (a integer)")
    idle, used = begin(patient, caller), begin(patient, caller)
    update(patient, caller, f"insert into {table} values (1)", idle)
    clock.now += 299
    update(patient, caller, "select 1", used)
    patient.sweep()
    update(patient, caller, f"insert into {table} values (2)", idle)  # this, too, is a use
    clock.now += 200
    update(patient, caller, "select 1", used)
    clock.now += 101
    patient.sweep()
    for refused in (
        lambda: update(patient, caller, "select 1", idle),
        lambda: end(patient, caller, idle, messages.Ending.COMMIT),
    ):
        with pytest.raises(Conflict, match="rolled back, because it was idle for 300 seconds"):
            refused()
    update(patient, caller, "select 1", used)
    end(patient, caller, idle, messages.Ending.ROLLBACK)
    with pytest.raises(NotFound):
        end(patient, caller, idle, messages.Ending.ROLLBACK)
    end(patient, caller, used, messages.Ending.COMMIT)
    assert caller.session.run(f"select count(*) as n from {table}").rows() == [{"n": 0}]


def test_a_transaction_at_work_is_not_idle(patient: Service, caller: Caller, clock: Clock) -> None:
    transaction = begin(patient, caller)
    clock.now += 1000
    patient.sweep({caller.session})
    patient.sweep()
    end(patient, caller, transaction, messages.Ending.COMMIT)


def test_another_profile_learns_nothing_of_an_idle_transaction(
    patient: Service, caller: Caller, clock: Clock, lake: Lake
) -> None:
    transaction = begin(patient, caller)
    clock.now += 301
    patient.sweep()
    stranger = session_of(lake, "stranger")
    with pytest.raises(NotFound):
        end(patient, Caller(stranger), transaction, messages.Ending.ROLLBACK)
    end(patient, caller, transaction, messages.Ending.ROLLBACK)


def test_a_cached_statement_never_runs_outside_of_its_lost_transaction(
    patient: Service, caller: Caller, clock: Clock, table: str
) -> None:
    update(patient, caller, f"create table {table} (a integer)")
    transaction = begin(patient, caller)
    request = messages.ActionCreatePreparedStatementRequest(f"insert into {table} values (1)", transaction)
    command = messages.CommandPreparedStatementUpdate(patient.prepare(caller, request).prepared_statement_handle)
    clock.now += 301
    patient.sweep()
    with pytest.raises(Conflict, match="idle"):
        patient.prepared_update(caller, command, None)
    end(patient, caller, transaction, messages.Ending.ROLLBACK)
    again = begin(patient, caller)
    assert patient.prepared_update(caller, command, None) == 1
    end(patient, caller, again, messages.Ending.ROLLBACK)
    assert caller.session.run(f"select count(*) as n from {table}").rows() == [{"n": 0}]


@pytest.fixture
def watched(lake: Lake, clock: Clock) -> Iterator[Server]:
    server = Server(lake, limits=Limits(transaction_idle_seconds=60), clock=clock).start()
    yield server
    server.shutdown(1)


def test_stock_adbc_after_an_idle_transaction(watched: Server, clock: Clock, table: str) -> None:
    with adbc.connect(watched.uri, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer)")
        connection.commit()
        cursor.execute(f"insert into {table} values (?)", (1,))
        clock.now += 61
        watched._sweep()
        with pytest.raises(adbc_driver_manager.Error, match=r"\[CONFLICT\] .*idle for 60 seconds; roll back"):
            cursor.execute(f"insert into {table} values (?)", (2,))
        connection.rollback()
        cursor.execute(f"insert into {table} values (?)", (3,))
        connection.commit()
        cursor.execute(f"select a from {table}")
        assert cursor.fetchall() == [(3,)]


@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_the_prepared_statement_of_a_cursor_outlives_transactions(connect: Connect, table: str, how: str) -> None:
    connection: Any = connect(autocommit=False)
    with connection.cursor() as cursor, connection.cursor() as reader:
        cursor.execute(f"create table {table} (a integer)")
        connection.commit()
        sql, count = f"insert into {table} values (?)", f"select count(*) from {table} where a < ?"
        for turn in range(3):
            cursor.execute(sql, (turn,))
            reader.execute(count, (100,))
            seen = turn + 1 if how == "commit" else 1
            assert reader.fetchall() == [(seen,)]
            getattr(connection, how)()
