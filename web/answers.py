"""What a statement answered, cut to what one response may hold."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.session import Session
from engine.statement import Result
from web.cells import Cell, cell, is_number, plain, sql_type

COUNTED_ROWS = 1_000_000  # beyond those kept, rows are only counted, up to here
COUNTED_SECONDS = 2.0


@dataclass(frozen=True)
class Column:
    """A column of an answer; `type` is its SQL name."""

    name: str
    type: str
    is_number: bool


@dataclass(frozen=True)
class Answer:
    """The rows of one statement, or the number it affected. Values are those of `cells.plain`."""

    columns: list[Column]
    rows: list[list[Any]]
    statement_id: str
    seconds: float
    rows_affected: int | None = None
    more: int = 0  # rows that are not in `rows`
    counted: bool = True  # false when there are more than `more`

    @property
    def truncated(self) -> bool:
        """Whether rows are missing."""
        return self.more > 0

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows as tables show them."""
        return [[cell(value) for value in row] for row in self._readable(str)]

    @property
    def brief_cells(self) -> list[list[Cell]]:
        """Like `cells`, with moments to the second."""
        return [
            [cell(value) for value in row]
            for row in self._readable(lambda moment: moment.partition(".")[0].rstrip("Z"))
        ]

    def _readable(self, moment: Callable[[str], str]) -> Iterator[list[Any]]:
        """The rows with their timestamps written the way people write them, then as `moment` does."""
        dated = [column.type.startswith("TIMESTAMP") for column in self.columns]
        for row in self.rows:
            yield [
                moment(value.replace("T", " ")) if is_moment and isinstance(value, str) else value
                for value, is_moment in zip(row, dated, strict=True)
            ]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


@dataclass
class _Taken:
    """The rows that fit, and the count of those that do not."""

    limit: int
    size: int
    rows: list[list[Any]] = field(default_factory=list)
    more: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        wanted = 0 if self.more else self.limit - len(self.rows)
        values = [plain(column) for column in batch.slice(0, wanted).columns]
        taken = 0
        for row in zip(*values, strict=True):
            self.size -= len(json.dumps(row, ensure_ascii=False))
            if self.size < 0:
                break
            self.rows.append(list(row))
            taken += 1
        self.more += batch.num_rows - taken


def take(
    session: Session, sql: str, params: Sequence[object] | None = None, *, limit: int, size: int, count: bool = False
) -> Answer:
    """Run `sql` and keep at most `limit` rows and about `size` characters of JSON.

    The first row too many ends it, or with `count` the others are counted as far as that is quick.
    Raises LakehouseError.
    """
    started = time.perf_counter()
    with session.run(sql, params) as result:
        taken = _Taken(limit, size)
        counted = _drain(result, taken, started, count)
        return Answer(
            columns=[Column(one.name, sql_type(one.type), is_number(one.type)) for one in result.schema],
            rows=taken.rows,
            statement_id=result.statement_id,
            seconds=round(time.perf_counter() - started, 6),
            rows_affected=result.rows_affected,
            more=taken.more,
            counted=counted,
        )


def _drain(result: Result, taken: _Taken, started: float, count: bool) -> bool:
    for batch in result.batches():
        taken.add(batch)
        late = taken.more > COUNTED_ROWS or time.perf_counter() - started > COUNTED_SECONDS
        if taken.more and (late or not count):
            return False
    return True
