"""Every error arrives as `[CODE] message; hint` with its gRPC status, and nothing of the process with it."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode
from pyarrow import flight as arrow_flight

from engine.access.credentials import Credentials
from engine.errors import BY_CODE, parse
from engine.lake import Lake
from engine.session import Session
from flight import codec, messages
from flight.server import Server, serve
from flight.service import Limits
from tests.flight.door import Connect, action, descriptor, query

STATUS = {
    "INVALID": (pa.ArrowInvalid, AdbcStatusCode.INVALID_ARGUMENT),
    "UNAUTHENTICATED": (arrow_flight.FlightUnauthenticatedError, AdbcStatusCode.UNAUTHENTICATED),
    "FORBIDDEN": (arrow_flight.FlightUnauthorizedError, AdbcStatusCode.UNAUTHORIZED),
    "NOT_FOUND": (pa.lib.ArrowKeyError, AdbcStatusCode.NOT_FOUND),
    "CONFLICT": (pa.ArrowInvalid, AdbcStatusCode.INVALID_ARGUMENT),
    "RULE": (pa.ArrowInvalid, AdbcStatusCode.INVALID_ARGUMENT),
    "BUSY": (arrow_flight.FlightUnavailableError, AdbcStatusCode.IO),
    "TIMEOUT": (arrow_flight.FlightTimedOutError, AdbcStatusCode.TIMEOUT),
    "INTERNAL": (arrow_flight.FlightInternalError, AdbcStatusCode.INTERNAL),
}


def check_text(error: BaseException, code: str) -> None:
    text = str(error)
    found = parse(text)
    assert found is not None, text
    assert found.code == code, text
    for leak in ("Traceback", 'File "', ".py", "/work", "/tmp", "site-packages", "0x"):
        assert leak not in text


def fetch(cursor: Any, sql: str) -> pa.Table:
    """The rows of a query: ADBC tells its errors when it is sent or when it is fetched."""
    cursor.execute(sql)
    return cursor.fetch_arrow_table()


class Failing:
    """A source whose sessions fail in a chosen way, at once or after some batches."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.error, self.after = lake, Exception(), 0

    @property
    def credentials(self) -> Credentials:
        return self.lake.credentials

    def session(self, profile: str = "admin", token_id: str | None = None) -> Session:
        session = self.lake.session(profile, token_id)
        run, source = session.run, self

        def failing(*args: Any, **options: Any) -> Any:
            result = run(*args, **options)
            batches = result.batches

            def some() -> Iterator[pa.RecordBatch]:
                for number, batch in enumerate(batches()):
                    if number == source.after:
                        raise source.error
                    yield batch

            if source.after < 0:
                result.close()
                raise source.error
            result.batches = some  # type: ignore[method-assign]
            return result

        session.run = failing  # type: ignore[method-assign]  # the seam of these tests
        return session


@pytest.fixture
def failing(lake: Lake) -> Failing:
    return Failing(lake)


@pytest.fixture
def failing_server(failing: Failing) -> Iterator[Server]:
    server = serve(failing)
    yield server
    server.shutdown(1)


ROWS = "select i from range(100_000) as r(i)"
WHERE = {"before the first row": -1, "with the first batch": 0, "in the middle of the stream": 3}


@pytest.mark.parametrize("after", WHERE.values(), ids=list(WHERE))
@pytest.mark.parametrize("code", BY_CODE)
def test_each_class_has_its_status(failing: Failing, failing_server: Server, code: str, after: int) -> None:
    failing.error, failing.after = BY_CODE[code]("it did not work", "try it otherwise"), after
    expected, status = STATUS[code]
    with arrow_flight.connect(failing_server.uri) as client, pytest.raises(expected) as caught:
        query(client, ROWS)
    check_text(caught.value, code)
    assert "it did not work; try it otherwise" in str(caught.value)
    with adbc.connect(failing_server.uri, autocommit=True) as connection, connection.cursor() as cursor:
        with pytest.raises((adbc_driver_manager.Error, pa.ArrowException, OSError)) as also:
            fetch(cursor, ROWS)
        check_text(also.value, code)
        if isinstance(also.value, adbc_driver_manager.Error):
            assert also.value.status_code == status


@pytest.mark.parametrize("after", WHERE.values(), ids=list(WHERE))
def test_a_fault_of_ours_tells_nothing_and_is_logged(
    failing: Failing, failing_server: Server, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    failing.error, failing.after = OSError("cannot read /srv/secret/key.pem"), after
    with (
        arrow_flight.connect(failing_server.uri) as client,
        caplog.at_level(logging.ERROR),
        pytest.raises(arrow_flight.FlightInternalError) as caught,
    ):
        query(client, ROWS)
    check_text(caught.value, "INTERNAL")
    assert "secret" not in str(caught.value)
    assert "secret" in caplog.text


def test_a_dictionary_stream_that_fails_tells_nothing_more(failing: Failing, failing_server: Server) -> None:
    failing.error, failing.after = BY_CODE["INVALID"]("it did not work"), 3
    with arrow_flight.connect(failing_server.uri) as client, pytest.raises(pa.ArrowException) as caught:
        query(client, "select 'u'::enum('u', 'v') as e from range(100_000)")
    check_text(caught.value, "INVALID")


STATEMENTS = {
    "selec 1": "INVALID",
    "select * from nowhere": "NOT_FOUND",
    "select nope from range(3)": "INVALID",
    "select 1; select 2": "INVALID",
    "-- nothing": "INVALID",
    "select 'x'::integer": "INVALID",
    "attach ':memory:' as x": "FORBIDDEN",
    "select * from read_csv('/etc/passwd')": "FORBIDDEN",
}


@pytest.mark.parametrize(("sql", "code"), STATEMENTS.items())
def test_statements_that_fail(client: arrow_flight.FlightClient, connect: Connect, sql: str, code: str) -> None:
    with pytest.raises(STATUS[code][0]) as caught:
        query(client, sql)
    check_text(caught.value, code)
    with connect(autocommit=True).cursor() as cursor:
        with pytest.raises((adbc_driver_manager.Error, pa.ArrowException, OSError)) as also:
            fetch(cursor, sql)
        check_text(also.value, code)
        with pytest.raises(adbc_driver_manager.Error) as updating:
            cursor.executescript(sql)
        check_text(updating.value, code)


def test_errors_of_get_schema(client: arrow_flight.FlightClient) -> None:
    """Arrow sends a FlightError of GetSchema with its traceback; ours come without."""
    for sql, code in (("selec", "INVALID"), ("select * from nowhere", "NOT_FOUND"), ("attach 'x'", "FORBIDDEN")):
        with pytest.raises(pa.ArrowException) as caught:
            client.get_schema(descriptor(messages.CommandStatementQuery(sql)))
        check_text(caught.value, code)


def test_requests_that_are_not_flight_sql(client: arrow_flight.FlightClient) -> None:
    calls: list[Callable[[], object]] = [
        lambda: client.get_flight_info(arrow_flight.FlightDescriptor.for_path("a", "b")),
        lambda: client.get_flight_info(arrow_flight.FlightDescriptor.for_command(b"junk")),
        lambda: client.get_schema(arrow_flight.FlightDescriptor.for_command(b"")),
        lambda: client.do_get(arrow_flight.Ticket(b"junk")).read_all(),
        lambda: action(client, "CreatePreparedStatement", b"junk"),
        lambda: action(client, "CreatePreparedStatement", codec.encode(messages.CommandGetCatalogs())),
        lambda: action(client, "CancelFlightInfo", b"\xff"),
    ]
    for call in calls:
        with pytest.raises(pa.ArrowInvalid) as caught:
            call()
        check_text(caught.value, "INVALID")


def test_parts_of_the_protocol_that_are_not_spoken(client: arrow_flight.FlightClient) -> None:
    def exchange() -> None:
        writer, reader = client.do_exchange(descriptor(messages.CommandGetCatalogs()))
        writer.done_writing()
        reader.read_all()

    calls: list[Callable[[], object]] = [
        lambda: list(client.list_flights()),
        exchange,
        lambda: action(client, "BeginSavepoint"),
        lambda: client.get_flight_info(descriptor(messages.CommandStatementUpdate("select 1"))),
        lambda: client.do_get(arrow_flight.Ticket(codec.encode(messages.CommandStatementQuery("x")))).read_all(),
    ]
    for call in calls:
        with pytest.raises(pa.ArrowNotImplementedError) as caught:
            call()
        check_text(caught.value, "INVALID")


def test_unknown_handles_are_not_found(client: arrow_flight.FlightClient) -> None:
    ticket = codec.encode(messages.TicketStatementQuery(b"no such handle"))
    close = codec.encode(messages.ActionClosePreparedStatementRequest(b"x"))
    calls: list[Callable[[], object]] = [
        lambda: client.do_get(arrow_flight.Ticket(ticket)).read_all(),
        lambda: client.get_flight_info(descriptor(messages.CommandPreparedStatementQuery(b"x"))),
        lambda: client.get_flight_info(descriptor(messages.CommandStatementQuery("select 1", b"x"))),
        lambda: action(client, "ClosePreparedStatement", close),
    ]
    for call in calls:
        with pytest.raises(pa.lib.ArrowKeyError) as caught:
            call()
        check_text(caught.value, "NOT_FOUND")


def test_requests_that_are_too_large(lake: Lake) -> None:
    server = serve(lake, limits=Limits(request_bytes=1000))
    try:
        with arrow_flight.connect(server.uri) as client:
            with pytest.raises(pa.ArrowInvalid, match="longer than 1000 bytes"):
                query(client, "select 1 -- " + "x" * 1000)
            with pytest.raises(pa.ArrowInvalid, match="longer than 1000 bytes"):
                action(client, "CreatePreparedStatement", b"x" * 1001)
        with adbc.connect(server.uri, autocommit=True) as connection, connection.cursor() as cursor:
            with pytest.raises(adbc_driver_manager.ProgrammingError, match="larger than 1000 bytes"):
                cursor.execute("select ? as x", ("y" * 1000,))
            cursor.execute("select ? as x", ("y",))
            assert cursor.fetchall() == [("y",)]
    finally:
        server.shutdown(1)


def test_the_text_of_an_error_never_names_the_home(client: arrow_flight.FlightClient, lake: Lake) -> None:
    for sql in ("select * from read_parquet('x')", f"select * from '{lake.home}/lake.duckdb'", "from 'x.csv'"):
        with pytest.raises((pa.ArrowException, arrow_flight.FlightError)) as caught:
            query(client, sql)
        assert str(Path(lake.home).parent) not in str(caught.value).replace(sql, "")
        assert "Traceback" not in str(caught.value)
