"""A lake with a folder of files, and short words for what the tests of storage do."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session

NUMBERS = count(1)


@dataclass
class Desk:
    """`folder` may be ingested; relative names are below it."""

    lake: Lake
    folder: Path

    @property
    def session(self) -> Session:
        """A new session of the administrator."""
        return self.lake.session()

    def write(self, name: str, data: str | bytes) -> Path:
        """Put a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def new(self) -> str:
        """A dataset name that nobody has."""
        return f"dataset_{next(NUMBERS)}"

    def ingest(self, name: str | Path, dataset: str, **arguments: object) -> dict[str, Any]:
        """Call `ingest` and return its one row. `name` below the folder, or an absolute path."""
        named = "".join(f", {argument} := ?" for argument in arguments)
        uri = str(name) if str(name).startswith("file:") else str(self.folder / name)
        values = [uri, dataset, *arguments.values()]
        rows = self.session.run(f"select * from ingest(?, ?{named})", values).rows()
        assert len(rows) == 1
        return rows[0]

    def taken(self, data: str | bytes, suffix: str = ".csv", **arguments: object) -> str:
        """Write a file, ingest it into a new dataset, and return the dataset's name."""
        dataset = self.new()
        self.write(f"{dataset}{suffix}", data)
        self.ingest(f"{dataset}{suffix}", dataset, **arguments)
        return dataset

    def fails(self, begins: str, name: str | Path, dataset: str | None = None, **arguments: object) -> LakehouseError:
        """`ingest` must fail with an error that begins so, and name no path of this machine."""
        with pytest.raises(LakehouseError) as caught:
            self.ingest(name, self.new() if dataset is None else dataset, **arguments)
        assert str(caught.value).startswith(begins), str(caught.value)
        return caught.value

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query as tuples."""
        return [tuple(row.values()) for row in self.session.run(sql, list(values)).rows()]

    def types(self, dataset: str) -> dict[str, str]:
        """The columns of a dataset with their types."""
        return dict(
            self.rows("select column_name, type from lake.columns where dataset = ? order by position", dataset)
        )
