import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest

from engine.errors import Busy, Conflict, Invalid, LakehouseError, NotFound, TimedOut
from engine.lake import Lake
from engine.session import Session
from flight import messages
from flight.caller import Caller, Cancel
from flight.errors import Unsupported
from flight.service import Limits, Service
from tests.asking import session_of
from tests.flight.commands import ask, begin, bind, end, fetch, prepare, rows, update
from tests.flight.door import Acts


def test_a_read_is_described_and_runs_when_it_is_fetched(service: Service, caller: Caller) -> None:
    info = ask(service, caller, "select 1 / 0 as x, error('it ran') as y")
    assert info.schema is not None
    assert info.schema.names == ["x", "y"]
    assert info.records == -1
    with pytest.raises(Invalid, match="it ran"):
        fetch(service, caller, info)


def test_the_announced_schema_is_that_of_the_stream(service: Service, caller: Caller) -> None:
    sql = (
        "select 1::tinyint as a, 'x' as b, 1.5::decimal(9, 3) as c, now() as d, [1, 2] as e, {'p': 1, 'q': ['r']} as f,"
        "map {'k': 1} as g, 'u'::enum('u', 'v') as h, null as i, interval 1 day as j, 1::hugeint as k, 'x'::blob as l, "
        "uuid() as m, time '01:02:03' as n, timestamp_ns '2020-01-01' as o, 1::ubigint as p, true as q, '{}'::json as r"
    )
    info = ask(service, caller, sql)
    assert info.schema is not None
    assert fetch(service, caller, info).schema.equals(info.schema)


def test_columns_that_change_between_planning_and_fetching_are_a_conflict(
    service: Service, caller: Caller, table: str
) -> None:
    update(service, caller, f"create table {table} (a integer)")
    info = ask(service, caller, f"select * from {table}")
    update(service, caller, f"alter table {table} add column b varchar")
    with pytest.raises(Conflict, match="run it again"):
        fetch(service, caller, info)


def test_a_statement_without_rows_runs_once_when_it_is_planned(service: Service, caller: Caller, table: str) -> None:
    created = ask(service, caller, f"create table {table} (a integer)")
    inserted = ask(service, caller, f"insert into {table} values (1), (2)")
    assert (created.ticket, created.records, inserted.ticket, inserted.records) == (None, 0, None, 2)
    assert rows(service, caller, f"select count(*) as n from {table}") == [{"n": 2}]


def test_a_statement_that_acts_and_answers_runs_once_and_is_served_again(
    service: Service, caller: Caller, acts: Acts
) -> None:
    before = acts.runs
    info = ask(service, caller, "select * from act(rows := 3)")
    assert (acts.runs, info.records) == (before + 1, 3)
    first = fetch(service, caller, info)
    assert first == fetch(service, caller, info)
    assert first.column("n").to_pylist() == [before + 1] * 3
    assert acts.runs == before + 1


def test_a_slow_statement_that_acts_is_announced_before_it_ends(caller: Caller, acts: Acts) -> None:
    service, before = Service(Limits(wait_seconds=0.05)), acts.runs
    info = ask(service, caller, "select n from act(seconds := 0.3)")
    assert (info.records, acts.runs) == (-1, before)
    assert info.schema == pa.schema([("n", pa.int64())])
    assert fetch(service, caller, info).to_pylist() == [{"n": before + 1}]


def test_an_error_of_a_statement_that_acts_arrives_where_it_was_sent(service: Service, caller: Caller) -> None:
    with pytest.raises(Invalid, match="boom"):
        ask(service, caller, "select error('boom') from act()")


def test_large_answers_of_statements_that_act_are_kept_whole(service: Service, caller: Caller, acts: Acts) -> None:
    before = acts.runs
    info = ask(service, caller, "select n, i, repeat('x', 100) as s from act(rows := 100_000)")
    assert fetch(service, caller, info).num_rows == 100_000
    assert fetch(service, caller, info).num_rows == 100_000
    assert acts.runs == before + 1


def test_asking_for_a_schema_runs_nothing(service: Service, caller: Caller, acts: Acts, table: str) -> None:
    before = acts.runs
    assert service.schema(caller, messages.CommandStatementQuery("select n from act()")).names == ["n"]
    assert service.schema(caller, messages.CommandStatementQuery(f"create table {table} (a integer)")).names == []
    handle = prepare(service, caller, "select n from act()").prepared_statement_handle
    assert service.schema(caller, messages.CommandPreparedStatementQuery(handle)).names == ["n"]
    with pytest.raises(Unsupported):
        service.schema(caller, messages.CommandStatementUpdate("drop table x"))
    assert acts.runs == before
    with pytest.raises(NotFound):
        ask(service, caller, f"select * from {table}")


def test_preparing_tells_queries_from_updates_and_runs_neither(
    service: Service, caller: Caller, acts: Acts, table: str
) -> None:
    before = acts.runs
    reads = prepare(service, caller, "select 1 as x where 1 = ?")
    assert pa.ipc.read_schema(pa.py_buffer(reads.dataset_schema)).names == ["x"]
    assert len(pa.ipc.read_schema(pa.py_buffer(reads.parameter_schema))) == 1
    assert reads.is_update is False
    writes = prepare(service, caller, f"create table {table} (a integer)")
    assert (writes.dataset_schema, writes.is_update) == (b"", True)
    prepare(service, caller, "select n from act()")
    assert acts.runs == before
    with pytest.raises(NotFound):
        ask(service, caller, f"select * from {table}")


def test_each_bound_row_gives_its_rows(service: Service, caller: Caller) -> None:
    handle = prepare(service, caller, "select ? * 2 as x, ? as y").prepared_statement_handle
    info = bind(service, caller, handle, {"a": [1, 2, 3], "b": ["p", None, "r"]})
    assert fetch(service, caller, info).to_pylist() == [{"x": 2, "y": "p"}, {"x": 4, "y": None}, {"x": 6, "y": "r"}]


def test_bound_values_keep_their_types(service: Service, caller: Caller) -> None:
    handle = prepare(service, caller, "select ? as x").prepared_statement_handle
    for value in (True, 7, 2.5, "ü", b"\x00\xff", None, [1, 2]):
        answer = fetch(service, caller, bind(service, caller, handle, {"p": [value]}))
        assert answer.to_pylist() == [{"x": value}]


def test_columns_with_the_names_of_the_parameters_are_bound_by_name(service: Service, caller: Caller) -> None:
    handle = prepare(service, caller, "select $low as low, $high as high").prepared_statement_handle
    answer = fetch(service, caller, bind(service, caller, handle, {"high": [9], "low": [1]}))
    assert answer.to_pylist() == [{"low": 1, "high": 9}]


def test_too_few_or_no_values_are_invalid(service: Service, caller: Caller) -> None:
    handle = prepare(service, caller, "select ? as x, ? as y").prepared_statement_handle
    with pytest.raises(Invalid, match="2 parameters have no value"):
        service.prepared_query(caller, messages.CommandPreparedStatementQuery(handle))
    with pytest.raises(Invalid, match="1 values were bound to 2 parameters"):
        bind(service, caller, handle, {"a": [1]})


def test_a_prepared_update_runs_once_for_each_row(service: Service, caller: Caller, table: str) -> None:
    update(service, caller, f"create table {table} (a integer, b varchar)")
    handle = prepare(service, caller, f"insert into {table} values (?, ?)").prepared_statement_handle
    command = messages.CommandPreparedStatementUpdate(handle)
    assert service.prepared_update(caller, command, pa.table({"a": [1, 2], "b": ["x", "y"]})) == 2
    assert service.prepared_update(caller, command, pa.table({"a": pa.array([], pa.int64()), "b": []})) == 0
    once = prepare(service, caller, f"update {table} set b = 'z'").prepared_statement_handle
    assert service.prepared_update(caller, messages.CommandPreparedStatementUpdate(once), None) == 2
    assert rows(service, caller, f"select sum(a) as a, min(b) as b from {table}") == [{"a": 3, "b": "z"}]


def test_many_rows_of_an_update_are_all_or_nothing(service: Service, caller: Caller, table: str) -> None:
    update(service, caller, f"create table {table} (a integer)")
    handle = prepare(service, caller, f"insert into {table} values (?::varchar::integer)").prepared_statement_handle
    with pytest.raises(Invalid):
        service.prepared_update(
            caller, messages.CommandPreparedStatementUpdate(handle), pa.table({"a": ["1", "2", "three"]})
        )
    assert rows(service, caller, f"select count(*) as n from {table}") == [{"n": 0}]


def test_a_closed_prepared_statement_is_gone(service: Service, caller: Caller) -> None:
    handle = prepare(service, caller, "select 1").prepared_statement_handle
    service.close_prepared(caller, messages.ActionClosePreparedStatementRequest(handle))
    with pytest.raises(NotFound):
        service.prepared_query(caller, messages.CommandPreparedStatementQuery(handle))


def test_an_update_that_returns_rows_runs_once_and_has_no_count(service: Service, caller: Caller, acts: Acts) -> None:
    before = acts.runs
    assert update(service, caller, "select * from act()") == -1
    assert acts.runs == before + 1


def test_a_transaction_is_seen_by_itself_only_until_it_commits(service: Service, caller: Caller, table: str) -> None:
    update(service, caller, f"create table {table} (a integer)")
    one, other = begin(service, caller), begin(service, caller)
    update(service, caller, f"insert into {table} values (1)", one)
    count = f"select count(*) as n from {table}"
    assert rows(service, caller, count, one) == [{"n": 1}]
    assert rows(service, caller, count, other) == [{"n": 0}]
    assert rows(service, caller, count) == [{"n": 0}]
    end(service, caller, one, messages.Ending.COMMIT)
    assert rows(service, caller, count) == [{"n": 1}]
    assert rows(service, caller, count, other) == [{"n": 0}]
    end(service, caller, other, messages.Ending.ROLLBACK)


def test_an_ended_or_unknown_transaction_is_not_found(service: Service, caller: Caller) -> None:
    transaction = begin(service, caller)
    end(service, caller, transaction, messages.Ending.ROLLBACK)
    for gone in (transaction, b"\xff\xfe", b""):
        with pytest.raises(NotFound):
            ask(service, caller, "select 1", gone)
        with pytest.raises(NotFound):
            end(service, caller, gone, messages.Ending.COMMIT)
    open_one = begin(service, caller)
    with pytest.raises(Invalid):
        end(service, caller, open_one, messages.Ending.UNSPECIFIED)
    end(service, caller, open_one, messages.Ending.COMMIT)


def test_after_a_failed_commit_nothing_is_kept_and_rollback_is_accepted(
    service: Service, caller: Caller, table: str
) -> None:
    update(service, caller, f"create table {table} (a integer)")
    update(service, caller, f"insert into {table} values (1)")
    one, other = begin(service, caller), begin(service, caller)
    update(service, caller, f"update {table} set a = 2", one)
    update(service, caller, f"update {table} set a = 3", other)
    end(service, caller, one, messages.Ending.COMMIT)
    with pytest.raises(Conflict):
        end(service, caller, other, messages.Ending.COMMIT)
    with pytest.raises(NotFound):
        ask(service, caller, "select 1", other)
    end(service, caller, other, messages.Ending.ROLLBACK)
    with pytest.raises(NotFound):
        end(service, caller, other, messages.Ending.ROLLBACK)
    assert rows(service, caller, f"select a from {table}") == [{"a": 2}]


def test_a_prepared_statement_outlives_its_transaction(service: Service, caller: Caller, table: str) -> None:
    update(service, caller, f"create table {table} (a integer)")
    first = begin(service, caller)
    handle = prepare(service, caller, f"insert into {table} values (1)", first).prepared_statement_handle
    command = messages.CommandPreparedStatementUpdate(handle)
    end(service, caller, first, messages.Ending.COMMIT)
    second = begin(service, caller)
    assert service.prepared_update(caller, command, None) == 1
    end(service, caller, second, messages.Ending.ROLLBACK)
    assert rows(service, caller, f"select count(*) as n from {table}") == [{"n": 0}]
    assert service.prepared_update(caller, command, None) == 1
    assert rows(service, caller, f"select count(*) as n from {table}") == [{"n": 1}]


def test_handles_of_another_profile_are_not_found(service: Service, caller: Caller, lake: Lake) -> None:
    stranger = Caller(session_of(lake, "stranger"))
    info = ask(service, caller, "select 1")
    transaction = begin(service, caller)
    handle = prepare(service, caller, "select 1").prepared_statement_handle
    with pytest.raises(NotFound):
        fetch(service, stranger, info)
    with pytest.raises(NotFound):
        ask(service, stranger, "select 1", transaction)
    with pytest.raises(NotFound):
        end(service, stranger, transaction, messages.Ending.COMMIT)
    with pytest.raises(NotFound):
        service.prepared_query(stranger, messages.CommandPreparedStatementQuery(handle))
    end(service, caller, transaction, messages.Ending.COMMIT)


def test_another_session_of_the_profile_may_use_handles(service: Service, caller: Caller, lake: Lake) -> None:
    """A client without cookies that connects again keeps its transaction."""
    again = Caller(lake.session("admin"))
    transaction = begin(service, caller)
    assert rows(service, again, "select 1 as x", transaction) == [{"x": 1}]
    end(service, again, transaction, messages.Ending.COMMIT)


def test_a_ticket_is_too_old_after_its_time(caller: Caller) -> None:
    now = [1000.0]
    service = Service(Limits(ticket_seconds=300), clock=lambda: now[0])
    info = ask(service, caller, "select n from act()")
    assert info.expires == 1300.0
    assert info.ticket is not None
    now[0] = 1200.0
    assert service.renew(caller, messages.TicketStatementQuery(info.ticket)) == 1500.0
    now[0] = 1499.0
    fetch(service, caller, info)
    now[0] = 1501.0
    with pytest.raises(NotFound, match="run the statement again"):
        fetch(service, caller, info)


def test_cancelling_a_ticket_stops_its_statement(caller: Caller, acts: Acts) -> None:
    service, before = Service(Limits(wait_seconds=0.01)), acts.runs
    info = ask(service, caller, "select n from act(seconds := 60)")
    assert info.ticket is not None
    ticket = messages.TicketStatementQuery(info.ticket)
    failures: list[LakehouseError] = []

    def wait() -> None:
        try:
            fetch(service, caller, info)
        except LakehouseError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert service.cancel(caller, [ticket]) == messages.CancelStatus.CANCELLED
    waiting.join(10)
    assert [type(failure) for failure in failures] in ([TimedOut], [NotFound])
    assert acts.runs == before
    with pytest.raises(NotFound):
        service.cancel(caller, [ticket])
    assert service.cancel(caller, []) == messages.CancelStatus.NOT_CANCELLABLE


def test_a_client_that_goes_away_stops_its_statement(session: Session, acts: Acts) -> None:
    before = acts.runs

    @contextmanager
    def gone(cancel: Cancel) -> Iterator[None]:
        again = threading.Event()
        caller = threading.Thread(target=lambda: [cancel() for _ in iter(lambda: again.wait(0.01), True)])
        caller.start()
        try:
            yield
        finally:
            again.set()
            caller.join()

    with pytest.raises(TimedOut):
        ask(Service(), Caller(session, gone), "select n from act(seconds := 60)")
    with pytest.raises(TimedOut):
        update(Service(), Caller(session, gone), "select n from act(seconds := 60)")
    assert acts.runs == before


def test_session_options(service: Service, caller: Caller) -> None:
    update(service, caller, 'create schema if not exists "primary".annex')
    assert service.options(caller) == {"catalog": "primary", "schema": "main"}
    assert service.set_options(caller, {"schema": "annex", "catalog": "primary"}) == {}
    assert service.options(caller) == {"catalog": "primary", "schema": "annex"}
    refused = service.set_options(caller, {"schema": "nowhere", "catalog": 3, "colour": "red"})
    assert refused == {
        "schema": messages.OptionError.INVALID_VALUE,
        "catalog": messages.OptionError.INVALID_VALUE,
        "colour": messages.OptionError.INVALID_NAME,
    }
    assert service.options(caller) == {"catalog": "primary", "schema": "annex"}


def test_a_server_that_shuts_down_refuses_new_statements_and_ends_old_ones(service: Service, caller: Caller) -> None:
    info, transaction = ask(service, caller, "select 1 as x"), begin(service, caller)
    service.drain()
    for refused in (
        lambda: ask(service, caller, "select 1"),
        lambda: update(service, caller, "select 1"),
        lambda: prepare(service, caller, "select 1"),
        lambda: begin(service, caller),
        lambda: service.answer(caller, messages.CommandGetCatalogs()),
        lambda: service.schema(caller, messages.CommandStatementQuery("select 1")),
    ):
        with pytest.raises(Busy, match="shutting down"):
            refused()
    assert fetch(service, caller, info).to_pylist() == [{"x": 1}]
    end(service, caller, transaction, messages.Ending.COMMIT)


def test_bounds_of_transactions_and_prepared_statements(caller: Caller) -> None:
    service = Service(Limits(transactions=1, prepared=1))
    transaction = begin(service, caller)
    with pytest.raises(Busy, match="1 transactions are open"):
        begin(service, caller)
    handle = prepare(service, caller, "select 1").prepared_statement_handle
    service.prepared_query(caller, messages.CommandPreparedStatementQuery(handle))
    with pytest.raises(Busy, match="1 prepared statements are open"):
        prepare(service, caller, "select 1")
    service.forget(caller.session)
    prepare(service, caller, "select 1")
    assert transaction
    begin(service, caller)


def test_prepared_statements_that_nobody_can_close_never_fill_the_server(caller: Caller) -> None:
    service = Service(Limits(prepared=2))
    used = prepare(service, caller, "select 1").prepared_statement_handle
    service.prepared_query(caller, messages.CommandPreparedStatementQuery(used))
    gone = Caller(caller.session, caller.watch, lambda: True)
    for _ in range(5):
        with pytest.raises(TimedOut, match="the client broke off the request"):
            prepare(service, gone, "select 2")
        prepare(service, caller, "select 3")  # its answer may have been lost on the way
    assert len(service._prepared) == 2
    service.prepared_query(caller, messages.CommandPreparedStatementQuery(used))


def test_unread_plans_never_fill_the_server(caller: Caller) -> None:
    service = Service(Limits(results=20))
    for _ in range(100):
        info = ask(service, caller, "select 1 as x")
    assert fetch(service, caller, info).to_pylist() == [{"x": 1}]


def test_unread_answers_of_acts_are_kept_until_the_bound(caller: Caller) -> None:
    service = Service(Limits(results=2))
    first = ask(service, caller, "select n from act()")
    ask(service, caller, "select n from act()")
    with pytest.raises(Busy):
        ask(service, caller, "select n from act()")
    fetch(service, caller, first)
    ask(service, caller, "select n from act()")
