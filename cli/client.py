"""One way to run SQL for the command line: through the server of a home when one runs, else in this process."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from cli.serving import running_server
from engine.errors import Internal, parse
from udfs import open_lake

TOKEN = "LAKEHOUSE_TOKEN"


class Client(Protocol):
    """Runs one statement."""

    def query(self, sql: str) -> tuple[pa.Table, int | None]:
        """The rows, and the rows affected when it is a statement without rows."""


class Local:
    """A lake in this process."""

    def __init__(self, home: Path, settings: dict[str, Any], allowed: list[Path]) -> None:
        """Open `home`; raises Conflict when another process has it open."""
        self._lake = open_lake(home, settings=settings, allowed=allowed)
        self._session = self._lake.session()

    def query(self, sql: str) -> tuple[pa.Table, int | None]:
        """Run one statement."""
        result = self._session.run(sql)
        return result.read_all(), result.rows_affected

    def close(self) -> None:
        """Close the lake."""
        self._session.close()
        self._lake.close()


class Remote:
    """A server, through ADBC, as any other client."""

    def __init__(self, uri: str, token: str | None) -> None:
        """Connect to `uri`, a server on this machine, with a token when it asks for one."""
        import adbc_driver_flightsql.dbapi as flight_sql  # a second of start-up that a local lake saves

        options = {"adbc.flight.sql.authorization_header": f"Bearer {token}"} if token else {}
        if uri.startswith("grpc+tls:"):  # its certificate is made for the name that others know it by
            options["adbc.flight.sql.client_option.tls_skip_verify"] = "true"
        self._connection = flight_sql.connect(uri, options, autocommit=True)

    def query(self, sql: str) -> tuple[pa.Table, int | None]:
        """Run one statement; errors are those of the server."""
        import adbc_driver_manager

        with coded_errors():
            cursor = self._connection.cursor()
            try:
                cursor.execute(sql)
                if not cursor.description:
                    return pa.table({}), max(cursor.rowcount, 0)
                return cursor.fetch_arrow_table(), None
            finally:
                with suppress(adbc_driver_manager.Error):  # what was fetched counts
                    cursor.close()

    def close(self) -> None:
        """Disconnect; a server that has stopped meanwhile does not matter any more."""
        import adbc_driver_manager

        with suppress(adbc_driver_manager.Error):
            self._connection.close()


@contextmanager
def coded_errors() -> Iterator[None]:
    """Turn errors of the ADBC driver back into those of the server."""
    import adbc_driver_manager

    try:
        yield
    except adbc_driver_manager.Error as error:
        raise parse(str(error)) or Internal(re.sub(r"\s+", " ", str(error))[:300], "is the server up?") from None


def local(uri: str) -> str:
    """The address of a server of this machine: one that listens everywhere listens on the loopback interface, too."""
    return uri.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _remote(uri: str) -> Remote:
    return Remote(local(uri), os.environ.get(TOKEN))


@contextmanager
def client(home: Path, settings: dict[str, Any], allowed: list[Path]) -> Iterator[Client]:
    """A client of the running server of `home`, or of the home itself."""
    running = running_server(home)
    opened: Local | Remote = _remote(running["flight"]) if running else Local(home, settings, allowed)
    try:
        yield opened
    finally:
        opened.close()


def timed(source: Client, sql: str) -> tuple[pa.Table, int | None, float]:
    """Run one statement: rows, rows affected, wall seconds."""
    started = time.monotonic()
    table, affected = source.query(sql)
    return table, affected, time.monotonic() - started
