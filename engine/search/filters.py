"""Filters: the caller's predicate, evaluated over the metadata of a generation before any top k."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import duck, faults, guard
from engine.errors import Invalid, nearest
from engine.search.generation import Generation
from engine.search.segment import Segment
from sql import words

Mask = NDArray[np.bool_]


@cache
def allowed_functions() -> frozenset[str]:
    """Names of scalar functions that may stand in a filter: a reviewed list, without those that reach outside."""
    return frozenset(name for name in words("filter_functions.txt") if name not in guard.CLOSED_FUNCTIONS)


def check(cursor: duck.Cursor, predicate: str, columns: list[str]) -> list[str]:
    """The columns that a predicate uses. Raises Invalid or Forbidden; an unknown column is not an error here."""
    return guard.check_predicate(cursor, predicate, ["id", *columns], allowed_functions())


def missing(used: list[str], generation: Generation) -> list[str]:
    """Those of the `used` columns that the corpus does not have."""
    return [name for name in used if name != "id" and name not in generation.metadata_columns]


def unknown_column(name: str, generation: Generation) -> Invalid:
    """The error for a column that a named corpus does not have."""
    known = ["id", *generation.metadata_columns]
    return Invalid(f"corpus {generation.corpus!r} has no column {name!r} to filter by", nearest(name, known))


def masks(new_cursor: Callable[[], duck.Cursor], generation: Generation, predicate: str | None) -> list[Mask]:
    """For each segment of the generation, which of its documents are alive and match."""
    if predicate is None:
        return generation.alive
    cursor = new_cursor()
    try:
        matching = [_evaluate(cursor, segment, predicate) for segment in generation.segments]
    except duck.Error as error:
        fault = faults.translate(error)
        raise Invalid(f"the filter fails on corpus {generation.corpus!r}: {fault.message}", fault.hint) from None
    finally:
        cursor.close()
    return [mask & alive for mask, alive in zip(matching, generation.alive, strict=True)]


def _evaluate(cursor: duck.Cursor, segment: Segment, predicate: str) -> Mask:
    table = segment.documents
    names = ["id", *segment.metadata_columns]
    columns = [table.column("_id"), *(table.column(name) for name in segment.metadata_columns)]
    cursor.register("document", pa.table(columns, names=names))
    try:
        answer = duck.table(cursor, f"select coalesce((\n{predicate}\n)::boolean, false) as keep from document")
    finally:
        cursor.unregister("document")
    mask: Mask = answer.column("keep").to_numpy().astype(np.bool_)
    return mask
