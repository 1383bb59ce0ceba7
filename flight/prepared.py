"""A prepared statement, and the values that are bound to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from engine.errors import Invalid
from engine.session import Description, Session


@dataclass
class Prepared:
    """A prepared statement. `transaction_id`: that it was prepared in. `bound`: the parameter rows.

    One that was never `used` may go when room is needed: its handle may have been lost on the way to its client.
    """

    session: Session
    sql: str
    transaction_id: bytes | None
    description: Description
    bound: pa.Table | None = None
    used: bool = False

    busy = False

    @property
    def disposable(self) -> bool:
        """Whether it was never used."""
        return not self.used

    def close(self) -> None:
        """Nothing is held."""


def values(bound: pa.Table, names: Sequence[str]) -> tuple[Sequence[object], ...]:
    """The rows of `bound` as parameter lists, in the order of the parameter `names` when the columns have those names.

    Raises Invalid when the number of columns is another one, or a value has no Python form.
    """
    columns = bound.columns
    if len(columns) != len(names):
        raise Invalid(f"{len(columns)} values were bound to {len(names)} parameters", "bind one value to each")
    by_name = dict(zip(bound.column_names, columns, strict=True))
    if set(by_name) == set(names):
        columns = [by_name[name] for name in names]
    try:
        return tuple(list(row) for row in zip(*(column.to_pylist() for column in columns), strict=True))
    except (ValueError, OverflowError, ImportError) as error:
        raise Invalid(f"a bound value cannot be used: {error}", "bind values of a finer range") from None
