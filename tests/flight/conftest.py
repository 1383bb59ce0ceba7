from collections.abc import Iterator
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import pytest
from pyarrow import flight as arrow_flight

from engine.lake import Lake
from engine.session import Session
from flight.caller import Caller
from flight.server import Server, serve
from flight.service import Service
from tests.flight.door import Acts, Connect


@pytest.fixture(scope="module")
def acts() -> Acts:
    return Acts()


@pytest.fixture(scope="module")
def lake(acts: Acts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = acts.open_lake(tmp_path_factory.mktemp("home"))
    yield lake
    lake.close()


@pytest.fixture(scope="module")
def server(lake: Lake) -> Iterator[Server]:
    server = serve(lake)
    yield server
    server.shutdown(2)


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    """Open an ADBC connection; it and its cursors are closed at the end of the test."""
    opened: list[Any] = []

    def open_one(**options: Any) -> Any:
        opened.append(adbc.connect(server.uri, **options))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture(params=[True, False], ids=["autocommit", "transaction"])
def connection(request: pytest.FixtureRequest, connect: Connect) -> Any:
    """An ADBC connection, once in each mode."""
    return connect(autocommit=request.param)


@pytest.fixture
def client(server: Server) -> Iterator[arrow_flight.FlightClient]:
    """pyarrow's own Flight client."""
    with arrow_flight.connect(server.uri) as client:
        yield client


@pytest.fixture
def session(lake: Lake) -> Iterator[Session]:
    session = lake.session("admin")
    yield session
    session.close()


@pytest.fixture
def caller(session: Session) -> Caller:
    return Caller(session)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.forget()


@pytest.fixture
def table(lake: Lake, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a table of this test's own, dropped at the end."""
    name = "t_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)[:40].lower()
    yield name
    cleaner = lake.session("admin")
    cleaner.run(f'drop table if exists "primary".main."{name}"').close()
    cleaner.close()
