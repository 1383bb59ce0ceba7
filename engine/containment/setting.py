"""Where the names of a contained statement are looked up, and what of the server's own state it reads."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from string import Template
from typing import TYPE_CHECKING

from engine import duck, tokens
from engine.access.roles import Effect
from engine.containment import frames
from engine.containment.orders import Name, Setting, Surface
from engine.cursors import OURS
from engine.errors import Invalid
from engine.tokens import Token
from sql import scripts

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.session import Session

MAX_STATE = 64 << 20  # bytes of all relations of the schema `lake` that one statement reads
MACRO = re.compile(r"\bmacro\s+fn\.(\w+)", re.IGNORECASE)
KERNEL = re.compile(r"\b(_[a-z]\w*)\(")
CATALOG = re.compile(r"\bcreate or replace macro fn\.catalog\.", re.IGNORECASE)
CATALOG_WORDS = ("show", "describe", "desc", "summarize")
CATALOG_NAMES = ("information_schema", "duckdb_", "pg_", "sqlite_", "pragma_")  # or what begins so
CREATES = re.compile(r"\s*(--[^\n]*\n\s*)*create\b", re.IGNORECASE)


def surface(lake: "Lake") -> Surface:
    """The functions of the lake that a worker has: those that only read."""
    effects: Mapping[str, Effect] = {name: one.effect for name, one in lake.known.ours.items()}
    macros = [
        text
        for script in scripts("functions")
        for text in _statements(lake, script.text)
        if (named := MACRO.search(text)) and effects.get(named.group(1).lower()) == "reads"
    ]
    called = sorted({name for text in macros for name in KERNEL.findall(text)} & set(lake.kernels))
    places = [f"create schema if not exists {duck.qualified(*place)}" for place in OURS]
    catalog = [text for script in scripts("views") for text in _statements(lake, script.text) if CATALOG.search(text)]
    return Surface((*places, *catalog, *macros), tuple((name, *lake.kernels[name][1:]) for name in called))


def _statements(lake: "Lake", script: str) -> list[str]:
    with lake.cursor() as cursor:
        return [one.query for one in duck.statements(cursor, script) if CREATES.match(one.query)]


def setting(lake: "Lake", session: "Session") -> Setting:
    """The setting of a session's statements: that of an admin is the bucket, others have views over it."""
    space = lake.spaces.of(session.profile)
    if space is None:
        return Setting((), session.search_path)
    catalog = duck.identifier(space.catalog)
    names = [name for name in space.relations if name[0] not in space.whole]
    schemas = {"main", "__lake", *(name[1] for name in names)}
    ddl = [f"attach ':memory:' as {catalog}", Template(_place()).substitute(space=catalog)]
    ddl += [f"create schema if not exists {catalog}.{duck.identifier(schema)}" for schema in sorted(schemas)]
    ddl += [
        f"create view {duck.qualified(space.catalog, *name[1:])} as select * from {space.source(name)}"
        for name in names
    ]
    return Setting(tuple(ddl), session.search_path)


@cache
def _place() -> str:
    return next(script.text for script in scripts("access") if script.name.endswith("_place.sql"))


def check_catalog(lake: "Lake", session: "Session", sql: str) -> None:
    """Raise Invalid when a restricted profile asks for the catalog: that of a worker is not limited to what it sees."""
    if lake.spaces.of(session.profile) is None:
        return
    for word in tokens.read(sql):
        if word.is_word(*CATALOG_WORDS) or (word.is_name and word.text.startswith(CATALOG_NAMES)):
            raise Invalid(f"{word.text} cannot be read in a contained statement", "read it in a statement of its own")


def state(lake: "Lake", session: "Session", sql: str) -> dict[Name, bytes]:
    """The relations of the schema `lake` that `sql` may read, as the session sees them. Raises Invalid for too much."""
    space = lake.spaces.of(session.profile)
    place = ("lake", "main") if space is None else (space.catalog, "__lake")
    found: dict[Name, bytes] = {}
    left = MAX_STATE
    for relation in sorted(_read(lake, session, tokens.read(sql))):
        body = _rows(session, relation, left)
        left -= len(body)
        found[(*place, relation)] = body
    return found


def temporary(session: "Session", transaction: str | None, sql: str) -> dict[str, bytes]:
    """The temporary tables of the session that `sql` may read. Raises Invalid for too much."""
    seen = session.temporary.seen(transaction)
    if not seen:
        return {}
    words = {word.text for word in tokens.read(sql)}
    named = [one for key, one in seen.items() if key in words]
    if sum(one.rows.nbytes for one in named) > MAX_STATE:
        raise Invalid(
            f"a contained statement reads more than {MAX_STATE >> 20} MiB of temporary tables",
            "load what you need into a table",
        )
    return {one.name: frames.packed(one.rows.to_batches(), one.rows.schema).to_pybytes() for one in named}


def _read(lake: "Lake", session: "Session", words: Sequence[Token]) -> set[str]:
    """The views of `lake` that a statement, or a view or macro that it names, may read."""
    views = lake.containment.views()
    own = {name for catalog, name, _ in views if catalog == "lake"}
    bodies = {name.lower(): sql for catalog, name, sql in views if catalog != "lake"}
    bodies |= {match.group(1): text for text in lake.containment.surface.macros if (match := MACRO.search(text))}
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [list(words)]
    while waiting:
        some = waiting.pop()
        for before, word in zip([None, *some], some, strict=False):
            inside = before is not None and before.text == "."
            if word.text in own and (inside or session.place[0] == "lake"):
                found.add(word.text)
            elif word.text in bodies and word.text not in seen:
                seen.add(word.text)
                waiting.append(tokens.read(bodies[word.text]))
    return found


def _rows(session: "Session", relation: str, limit: int) -> bytes:
    batches, size = [], 0
    with session.run(f"select * from lake.{duck.identifier(relation)}") as result:
        for batch in result.batches():
            size += batch.nbytes
            if size > limit:
                raise Invalid(
                    f"a contained statement reads more than {MAX_STATE >> 20} MiB of lake.{relation}",
                    "make a table of what you need of it first",
                )
            batches.append(batch)
        return bytes(frames.packed(batches, result.schema))
