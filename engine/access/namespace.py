"""The namespace of a restricted profile: a catalog in memory with a view for everything that it sees, and nothing else.

The profile's statements run with this catalog in the place of the buckets: a name that is not in it does not exist. Row
filters and masks are the bodies of the views; the filter stands below a limit that no query reaches, so that nothing of
the caller's statement is evaluated on a hidden row. A profile that sees all of a bucket as it is uses the bucket.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Template
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine import duck
from engine.access import fence, masks
from engine.access.fence import Name
from engine.access.profiles import Grant, Profile
from engine.cursors import path_of
from engine.errors import Conflict, Invalid, LakehouseError, NotFound
from engine.guard import LEDGER_SCHEMA, NAMESPACES, Checked
from engine.storage.buckets import BUCKETS
from sql import scripts

if TYPE_CHECKING:
    from engine.lake import Lake

NO_LIMIT = 2**63 - 1
PLACE = re.compile(r" \(line \d+, near .*\)$", re.DOTALL)  # where in the text: that which ran is not that of the caller
VERSION = re.compile(r"(?i)\bat\s*\(\s*(version|timestamp)")
SEEN: Mapping[str, pa.Schema] = {
    "relation": pa.schema(
        [("bucket", pa.string()), ("schema", pa.string()), ("name", pa.string()), ("whole", pa.bool_())]
    ),
    "field": pa.schema([(name, pa.string()) for name in ("bucket", "schema", "relation", "name", "type")]),
    "place": pa.schema([("bucket", pa.string()), ("schema", pa.string())]),
    "corpus": pa.schema([("corpus", pa.string()), ("whole", pa.bool_())]),
}


@dataclass(frozen=True)
class Relation:
    """A table or view that is seen: its grant, and its columns with their types."""

    grant: Grant
    columns: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The columns that are seen, with the types that they are seen with."""
        return [
            (name, masks.shown_type(kind, self.grant.mask(name)))
            for name, kind in self.columns
            if not self.grant.hides(name)
        ]


class Namespace:
    """What one profile sees, kept up to date: `refresh` before every statement."""

    def __init__(self, lake: "Lake", profile: Profile, version: int) -> None:
        """Makes the catalog. `profile` is not an admin; `version` tells one catalog of it from the next."""
        self._lake, self.profile = lake, profile
        self.catalog = f"{NAMESPACES}{profile.name}_{version}"
        self._lock = threading.Lock()
        self._stamp: object = None
        self._made: dict[Name, str] = {}
        self.relations: Mapping[Name, Relation] = {}
        self.whole = frozenset(bucket for bucket in BUCKETS if profile.whole(bucket))
        self._create()

    def _create(self) -> None:
        names = {"space": duck.identifier(self.catalog), "profile": duck.literal(self.profile.name)}
        with self._lake.cursor() as cursor:
            cursor.execute(f"attach ':memory:' as {names['space']}")
            for script in scripts("access"):
                cursor.execute(Template(script.text).substitute(names))
        self.admit = lru_cache(maxsize=512)(self._admit)

    def _admit(self, sql: str, checked: Checked, place: tuple[str, str]) -> str:
        most = self._lake.config.limits.statement_bytes
        if len(sql.encode("utf-8", "replace")) > most:
            raise Invalid(f"the statement is longer than {most} bytes", "send data as parameters or load it in bulk")
        with self._lake.cursor() as cursor:
            return fence.admit(cursor, sql, checked, place, self, self._lake.known)

    @property
    def stamp(self) -> object:
        """Another value after everything that may change what is seen."""
        return (self._lake.version, tuple(self._lake.corpora.names()))

    @property
    def filters(self) -> bool:
        """Whether some rows or columns of what is seen are hidden or masked."""
        return any(not grant.is_plain for grant in self.profile.grants)

    @property
    def names(self) -> list[Name]:
        """The tables and views that are seen."""
        return list(self.relations)

    def refresh(self) -> None:
        """Bring the catalog up to date with the buckets and corpora, when they have changed."""
        stamp = self.stamp
        if stamp == self._stamp:
            return
        with self._lock:
            if stamp == self._stamp:
                return
            with self._lake.cursor() as cursor, duck.transaction(cursor):
                self.relations = self._relations(cursor)
                self._write(cursor)
                self._make_views(cursor)
            self.admit.cache_clear()
            self._stamp = stamp

    def _relations(self, cursor: duck.Cursor) -> Mapping[Name, Relation]:
        """Every table and view of the buckets that some grant names."""
        rows = cursor.execute(
            "select database_name, schema_name, table_name, column_name, data_type from duckdb_columns() "
            "where list_contains(?, database_name) and schema_name <> ? and not internal "
            "order by database_name, schema_name, table_name, column_index",
            [list(BUCKETS), LEDGER_SCHEMA],
        ).fetchall()
        columns: dict[Name, list[tuple[str, str]]] = {}
        for bucket, schema, table, column, kind in rows:
            columns.setdefault((bucket, schema, table), []).append((column, kind))
        found = {}
        for name, mine in columns.items():
            grant = self.profile.on_table(*name)
            if grant is not None:
                found[name] = Relation(grant, tuple(mine))
        return found

    def _write(self, cursor: duck.Cursor) -> None:
        """Fill the tables of the schema `__seen`."""
        own = [("lake", "main", view) for view in self._lake_views(cursor)]
        lake_columns = cursor.execute(
            "select 'lake', 'main', table_name, column_name, data_type from duckdb_columns() where database_name = ? "
            "and schema_name = '__lake'",
            [self.catalog],
        ).fetchall()
        places = self._places(cursor)
        fields = [(*name, *column) for name, one in self.relations.items() for column in one.shown]
        corpora = [(name, self.profile.on_corpus(name)) for name in self._lake.corpora.names()]
        rows: dict[str, Sequence[tuple[Any, ...]]] = {
            "relation": [(*name, one.grant.is_plain) for name, one in self.relations.items()]
            + [(*name, False) for name in own],
            "field": fields + lake_columns,
            "place": sorted(places),
            "corpus": [(name, grant.is_plain) for name, grant in corpora if grant is not None],
        }
        for table, schema in SEEN.items():
            target = f"{duck.identifier(self.catalog)}.__seen.{table}"
            cursor.execute(f"delete from {target}")
            columns = zip(*rows[table], strict=True) if rows[table] else [()] * len(schema)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            cursor.register("seen_rows", pa.table(arrays, schema=schema))
            cursor.execute(f"insert into {target} from seen_rows")
            cursor.unregister("seen_rows")

    def _lake_views(self, cursor: duck.Cursor) -> list[str]:
        rows = cursor.execute(
            "select view_name from duckdb_views() where database_name = ? and schema_name = '__lake'", [self.catalog]
        ).fetchall()
        return [name for (name,) in rows]

    def _places(self, cursor: duck.Cursor) -> set[tuple[str, str]]:
        """The schemas in which something is seen, or may be made."""
        rows = cursor.execute(
            "select database_name, schema_name from duckdb_schemas() where list_contains(?, database_name) "
            "and schema_name <> ? and not internal",
            [list(BUCKETS), LEDGER_SCHEMA],
        ).fetchall()
        granted = [one.pattern for one in self.profile.grants]
        return {name[:2] for name in self.relations} | {
            (bucket, schema) for bucket, schema in rows if any(one.is_schema(bucket, schema) for one in granted)
        }

    def _make_views(self, cursor: duck.Cursor) -> None:
        wanted = {name: f"select * from {self.source(name)}" for name in self.relations if name[0] not in self.whole}
        for name in set(self._made) - set(wanted):
            cursor.execute(f"drop view {duck.qualified(self.catalog, *name[1:])}")
        for schema in {schema for bucket, schema in self._places(cursor) if bucket not in self.whole}:
            cursor.execute(f"create schema if not exists {duck.qualified(self.catalog, schema)}")
        for name, body in wanted.items():
            if self._made.get(name) != body + str(self.relations[name].columns):
                cursor.execute(f"create or replace view {duck.qualified(self.catalog, *name[1:])} as {body}")
        self._made = {name: body + str(self.relations[name].columns) for name, body in wanted.items()}

    def source(self, name: Name, at: str = "") -> str:
        """What stands for a table or view in a statement: itself, or a select in brackets that filters and masks it.

        `at`: an AT clause, for a version of it.
        """
        relation, table = self.relations[name], duck.qualified(*name)
        grant = relation.grant
        if grant.is_plain:
            return f"{table} {at}".strip()
        rows = f"{table} {at}"
        if grant.filter is not None:
            rows = f"(select * from {rows} where (\n{grant.filter}\n) limit {NO_LIMIT})"
        shown = [self._column(grant, column, kind) for column, kind in relation.columns if not grant.hides(column)]
        return f"(select {', '.join(shown)} from {rows})"

    def _column(self, grant: Grant, column: str, sql_type: str) -> str:
        mask = grant.mask(column)
        if mask is None:
            return duck.identifier(column)
        return masks.expression(column, sql_type, mask, self._lake.mask_key)

    def find(self, parts: tuple[str, ...], place: tuple[str, str]) -> Name | None:
        """The table or view that a name of one to three parts means in a place; None when it is hidden."""
        folded = tuple(part.lower() for part in parts)
        full = (*place, "", "")[: 3 - len(folded)] + folded
        wanted = {tuple(part.lower() for part in full)}
        if len(folded) == 2:
            wanted.add((folded[0], "main", folded[1]))
        return next((name for name in self.relations if tuple(part.lower() for part in name) in wanted), None)

    def locate(self, place: tuple[str, str]) -> tuple[str, str]:
        """Where the names of a place (bucket and schema, or `lake`) are found."""
        if place[0] == "lake":
            return self.catalog, "__lake"
        return place if place[0] in self.whole else (self.catalog, place[1])

    def search_path(self, place: tuple[str, str] | None) -> str:
        """The search path of a statement in that place; None: it names nothing of a bucket.

        Raises NotFound for a catalog that is hidden.
        """
        if place is None:
            return path_of((self.catalog, "__catalog"))
        if place[0] not in (*BUCKETS, "lake") or place[1].lower() == LEDGER_SCHEMA:
            raise NotFound(f"{place[0]}.{place[1]} does not exist", "run show all tables")
        return path_of(self.locate(place), (self.catalog, "__catalog"))

    def may_change(self, bucket: str, schema: str, table: str) -> bool:
        """Whether a table, which need not exist, lies where the profile sees everything as it is."""
        return self.profile.changes(bucket, schema, table)

    def written(self, place: tuple[str, str]) -> list[str]:
        """The tables and views that are seen, as a statement in that place would write them."""
        return [name if (bucket, schema) == place else f"{schema}.{name}" for bucket, schema, name in self.relations]

    def scrubbed(self, fault: LakehouseError, sql: str) -> LakehouseError:
        """`fault` of the statement `sql` without what only the namespace knows: its name, the text that ran, hints."""
        if self.filters and isinstance(fault, Invalid) and VERSION.search(sql):
            return Conflict("that version of a table has other columns than your profile sees", "read it as it is now")
        shown = [PLACE.sub("", fault.message), fault.hint]
        for written, known in (
            ('"__lake"', "lake"), ("__lake", "lake"), (f'"{self.catalog}".', ""), (f"{self.catalog}.", ""),
            (self.catalog, BUCKETS[0]),
        ):  # fmt: skip
            shown = [text and text.replace(written, known) for text in shown]
        if isinstance(fault, NotFound) and (shown[1] or "").startswith("did you mean"):
            shown[1] = "see lake.datasets, lake.corpora and lake.functions"  # the engine also knows what is hidden
        return type(fault)(*shown)

    def shown(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with the names that the engine makes of an expression's text as they are outside the namespace."""
        lake, bucket = duck.qualified(self.catalog, "__lake"), duck.identifier(BUCKETS[0])
        names = [
            name.replace(lake, "lake").replace(f"{self.catalog}.__lake", "lake").replace(self.catalog, bucket)
            for name in schema.names
        ]
        return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)], schema.metadata)

    def close(self) -> None:
        """Remove the catalog. Statements that run in it end first."""
        with self._lake.cursor() as cursor:
            cursor.execute(f"detach {duck.identifier(self.catalog)}")
