"""Lakehouse: an embedded, SQL-centric AI lakehouse. `connect()` in Python, `lakehouse` on the command line."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.statement import Result
from udfs import open_lake

__all__ = ["Connection", "Lake", "LakehouseError", "Result", "connect", "main", "open_lake"]
__version__ = "0.1.0"


class Connection:
    """A lake in this process, with the SQL that its server speaks."""

    def __init__(self, lake: Lake) -> None:
        """Made by `connect`."""
        self._lake = lake
        self._session = lake.session()

    def execute(self, sql: str, params: Sequence[object] | None = None) -> Result:
        """Run one statement; read the result as a stream (`batches`), a table (`read_all`) or rows (`rows`).

        Raises LakehouseError: `[CODE] what happened; what to do next`.
        """
        return self._session.run(sql, params)

    def sql(self, sql: str, params: Sequence[object] | None = None) -> pa.Table:
        """Run one statement and return its rows as an Arrow table."""
        return self._session.run(sql, params).read_all()

    def close(self) -> None:
        """Close the lake."""
        self._session.close()
        self._lake.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    home: str | Path = "lakehouse-home", *, allowed: Sequence[str | Path] = (".",), **settings: Any
) -> Connection:
    """Open the lake of `home` in this process, making it when it is not there.

    `allowed`: folders whose files may be ingested. `settings`: dotted keys of the configuration as `section__key`.
    Raises Conflict when another process has it open.
    """
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    return Connection(open_lake(home, settings=dotted, allowed=[Path(folder) for folder in allowed]))


def main() -> None:
    """The command `lakehouse`."""
    from cli.main import run  # the command line is not needed by those who import this module

    run()


if __name__ == "__main__":
    main()
