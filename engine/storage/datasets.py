"""Datasets: the tables of the buckets, found by name, with what the ledger knows of them."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import duck
from engine.errors import Conflict, Invalid, NotFound
from engine.guard import RESERVED_SCHEMAS
from engine.statement import Statement
from engine.storage import ducklake, ledger
from engine.storage.buckets import BUCKETS
from engine.storage.columns import Column, described, fold, missing

if TYPE_CHECKING:
    from engine.lake import Lake

LONGEST_NAME = 200
SCHEMA = "main"


@dataclass(frozen=True)
class Place:
    """Where a dataset is."""

    bucket: str
    schema: str
    name: str

    def __str__(self) -> str:
        """The full name as quoted SQL."""
        return duck.qualified(self.bucket, self.schema, self.name)


@dataclass(frozen=True)
class State:
    """A dataset as it is now; `columns` is empty when it does not exist."""

    place: Place
    columns: tuple[Column, ...]
    contents: tuple[ledger.Entry, ...]  # the ingests that are in it, oldest first

    @property
    def exists(self) -> bool:
        """Whether there is a table."""
        return bool(self.columns)

    @property
    def key(self) -> list[str]:
        """The columns by which it merges, empty for none."""
        keys = [entry.key for entry in self.contents if entry.key]
        return keys[-1] if keys else []

    @property
    def digests(self) -> frozenset[str]:
        """The contents that are in it."""
        return frozenset(entry.sha256 for entry in self.contents if entry.sha256)


def check_name(name: str | None) -> str:
    """`name` when a dataset may have it; raises Invalid otherwise."""
    if name is None or not name.strip():
        raise Invalid("the dataset has no name", "name it: ingest('file.csv', 'workers')")
    if name != name.strip() or len(name) > LONGEST_NAME:
        raise Invalid(
            "the dataset name begins or ends with a space, or is too long", f"at most {LONGEST_NAME} characters"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise Invalid("the dataset name holds a control character", "use letters, digits and _")
    if fold(name) in RESERVED_SCHEMAS:
        raise Invalid(f"the name {name!r} is reserved", "choose another name")
    return name


@contextmanager
def working(lake: "Lake", statement: Statement | None = None) -> Iterator[duck.Cursor]:
    """A fresh cursor for work on datasets; what runs on it stops when `statement` is cancelled."""
    cursor = lake.cursor()
    try:
        if statement is None:
            yield cursor
        else:
            with statement.interrupting(cursor.interrupt):
                yield cursor
    finally:
        cursor.close()


@contextmanager
def writing(lake: "Lake", statement: Statement) -> Iterator[None]:
    """Hold the write lock of the lake for one call: other calls of the same statement wait for it, too."""
    with statement.writer, lake.writing(statement.statement_id):
        yield


def places(cursor: duck.Cursor) -> list[Place]:
    """Every dataset of every bucket."""
    return [
        Place(bucket, life.schema, life.name)
        for bucket in BUCKETS
        for life in ducklake.tables(cursor, bucket)
        if life.end is None
    ]


def resolve(cursor: duck.Cursor, name: str) -> Place:
    """The dataset that `name` means: its name, or `bucket.name`, `schema.name`, `bucket.schema.name`.

    Raises NotFound naming the nearest.
    """
    found = places(cursor)
    for same in (str, fold):
        for place in found:
            names = {place.name} if place.schema == SCHEMA else set()
            names |= {f"{place.schema}.{place.name}", f"{place.bucket}.{place.schema}.{place.name}"}
            names |= {f"{place.bucket}.{place.name}"} if place.schema == SCHEMA else set()
            if same(name) in {same(one) for one in names}:
                return place
    raise missing(name, [place.name for place in found])


def meant(lake: "Lake", name: str | None) -> Place:
    """The dataset that `name` means; the one that it would name where `ingest` makes them when there is none."""
    with working(lake) as cursor:
        try:
            return resolve(cursor, name or "")
        except NotFound:
            return Place(BUCKETS[0], SCHEMA, name or "")


def dataset_table(lake: "Lake", name: str) -> str:
    """The full, quoted name of the table of a dataset. Raises NotFound naming the nearest."""
    with working(lake) as cursor:
        return str(resolve(cursor, name))


def look(cursor: duck.Cursor, bucket: str, name: str) -> State:
    """The state of the dataset `name` of a bucket, which need not exist. Raises Conflict when a view has the name."""
    lives = [
        life for life in ducklake.tables(cursor, bucket) if life.schema == SCHEMA and fold(life.name) == fold(name)
    ]
    alive = [life for life in lives if life.end is None]
    place = Place(bucket, SCHEMA, alive[0].name if alive else name)
    if not alive:
        views = cursor.execute(
            "select 1 from duckdb_views() where (database_name, schema_name) = (?, ?) and lower(view_name) = lower(?)",
            [bucket, SCHEMA, name],
        ).fetchall()
        if views:
            raise Conflict(f"{name!r} is a view", "choose another name for the dataset")
        return State(place, (), ())
    contents = ledger.in_force(ledger.entries(cursor, bucket, place.name), [life.begin for life in lives])
    return State(place, tuple(described(cursor, f"select * from {place}")), tuple(contents))


def existing(cursor: duck.Cursor, name: str | None) -> State:
    """The state of a dataset that must exist, in the schema where `ingest` makes them."""
    place = resolve(cursor, name or "")
    if place.schema != SCHEMA:
        raise NotFound(f"{name!r} is not in the schema {SCHEMA}", "change it with plain SQL")
    return look(cursor, place.bucket, place.name)
