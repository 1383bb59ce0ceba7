"""Filters: the caller's predicate, evaluated over the metadata of a generation before any top k."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import duck, faults, guard
from engine.access.masks import expression
from engine.access.profiles import Grant
from engine.errors import Invalid, nearest
from engine.search.generation import Generation
from engine.search.segment import Segment
from sql import words

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
KEPT = 64  # masks of grants that are kept with a generation


@cache
def allowed_functions() -> frozenset[str]:
    """Names of scalar functions that may stand in a filter: a reviewed list, without those that reach outside."""
    return frozenset(name for name in words("filter_functions.txt") if name not in guard.CLOSED_FUNCTIONS)


def check(cursor: duck.Cursor, predicate: str, columns: list[str]) -> list[str]:
    """The columns that a predicate uses. Raises Invalid or Forbidden; an unknown column is not an error here."""
    return guard.check_predicate(cursor, predicate, ["id", *columns], allowed_functions())


def columns(generation: Generation, grant: Grant | None) -> list[str]:
    """The metadata columns that a filter may use: those that the grant shows."""
    return [name for name in generation.metadata_columns if grant is None or not grant.hides(name)]


def missing(used: list[str], generation: Generation, grant: Grant | None) -> list[str]:
    """Those of the `used` columns that the corpus does not have."""
    known = columns(generation, grant)
    return [name for name in used if name != "id" and name not in known]


def unknown_column(name: str, generation: Generation, grant: Grant | None) -> Invalid:
    """The error for a column that a named corpus does not have."""
    known = ["id", *columns(generation, grant)]
    return Invalid(f"corpus {generation.corpus!r} has no column {name!r} to filter by", nearest(name, known))


def seen(new_cursor: Callable[[], duck.Cursor], generation: Generation, grant: Grant | None) -> list[Mask]:
    """For each segment of the generation, which of its documents are alive and shown by the grant."""
    if grant is None or grant.filter is None:
        return generation.alive
    known = generation.kept_masks.get(grant.filter)
    if known is None:
        known = _each(new_cursor, generation, generation.alive, grant.filter, None, "")
        generation.kept_masks[grant.filter] = known
        while len(generation.kept_masks) > KEPT:
            generation.kept_masks.pop(next(iter(generation.kept_masks)), None)
    return known


def masks(
    new_cursor: Callable[[], duck.Cursor], generation: Generation, predicate: str, grant: Grant | None, key: str
) -> list[Mask]:
    """For each segment, which of its documents are alive, shown by the grant, and match.

    The predicate is evaluated on what the grant shows and on nothing else: masked values, and no hidden document.
    `key`: the secret of the mask `hash`.
    """
    return _each(new_cursor, generation, seen(new_cursor, generation, grant), predicate, grant, key)


def _each(
    new_cursor: Callable[[], duck.Cursor],
    generation: Generation,
    allowed: list[Mask],
    predicate: str,
    grant: Grant | None,
    key: str,
) -> list[Mask]:
    cursor = new_cursor()
    try:
        return [
            _evaluate(cursor, segment, predicate, mask, grant, key)
            for segment, mask in zip(generation.segments, allowed, strict=True)
        ]
    except duck.Error as error:
        fault = faults.translate(error)
        raise Invalid(f"the filter fails on corpus {generation.corpus!r}: {fault.message}", fault.hint) from None
    finally:
        cursor.close()


def _evaluate(
    cursor: duck.Cursor, segment: Segment, predicate: str, allowed: Mask, grant: Grant | None, key: str
) -> Mask:
    with registered(cursor, segment, allowed, grant, key) as shown:
        answer = duck.table(cursor, f"select coalesce((\n{predicate}\n)::boolean, false) as keep from {shown}")
    mask = np.zeros(len(allowed), np.bool_)
    mask[np.flatnonzero(allowed)] = answer.column("keep").to_numpy().astype(np.bool_)
    return mask


@contextmanager
def registered(
    cursor: duck.Cursor, segment: Segment, chosen: Mask | Rows, grant: Grant | None, key: str
) -> Iterator[str]:
    """Some documents of a segment as a relation with the columns that a grant shows: what to select from."""
    table = segment.documents
    names = ["id", *segment.metadata_columns]
    columns = [table.column("_id"), *(table.column(name) for name in segment.metadata_columns)]
    rows = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
    document = pa.table(columns, names=names)
    cursor.register("document", document if len(rows) == table.num_rows else document.take(pa.array(rows)))
    try:
        if grant is None or (grant.columns is None and not grant.masks):
            yield "document"
        else:
            kinds = {row[0]: row[1] for row in cursor.execute("describe document").fetchall()}
            shown = [_shown(name, kinds[name], grant, key) for name in names if name == "id" or not grant.hides(name)]
            yield f"(select {', '.join(shown)} from document)"
    finally:
        cursor.unregister("document")


def _shown(name: str, sql_type: str, grant: Grant, key: str) -> str:
    mask = grant.mask(name)
    return duck.identifier(name) if mask is None else expression(name, sql_type, mask, key)
