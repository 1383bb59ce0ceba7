"""The fence around a restricted profile: what its statements may name, and the text that runs in its namespace.

The engine's search path leads unqualified names into the namespace. What is left to do here: refuse functions that are
not reviewed, turn the name of a bucket before a dot into that of the namespace, put the real table where a statement
writes, and put the filtered source where a version is asked for. Afterwards the parse of the new text must name nothing
outside the namespace.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from engine import change, duck, guard, paths, tokens
from engine.containment import tree as syntax
from engine.errors import Forbidden, Invalid, NotFound, nearest
from engine.guard import CATALOG_FUNCTIONS, Checked, Known
from engine.storage.buckets import BUCKETS
from engine.tokens import Token
from sql import words as word_list

Name = tuple[str, str, str]  # bucket, schema, table or view
LAKE = "lake"
FILE = re.compile(r"[/\\:*]|\.\w+$")  # what makes a name one of a file
PLAIN = (("", ""), ("", "main"), ("system", "main"), ("", "pg_catalog"))  # where the parser itself puts functions
SYSTEM_SCHEMAS = ("information_schema", "pg_catalog")
CLOSED_VIEWS = {"pg_settings", "pg_prepared_statements", "duckdb_logs", "duckdb_settings", "pg_proc", "pg_description"}


class Space(Protocol):
    """What the fence asks of a namespace."""

    catalog: str
    whole: frozenset[str]  # buckets that are seen as they are

    @property
    def filters(self) -> bool:
        """Whether rows or columns are hidden or masked."""

    @property
    def names(self) -> list[Name]:
        """The tables and views that are seen."""

    def find(self, parts: tuple[str, ...], place: tuple[str, str]) -> Name | None:
        """The table or view that a written name means in a place."""

    def source(self, name: Name, at: str = "") -> str:
        """What stands for it in a statement."""

    def may_change(self, bucket: str, schema: str, table: str) -> bool:
        """Whether it may be written."""


@cache
def reviewed() -> frozenset[str]:
    """The engine's functions that roles below admin may call."""
    return word_list("reader_functions.txt")


@dataclass(frozen=True)
class Edit:
    """A span of the statement, in bytes, and what stands there instead."""

    start: int
    end: int
    text: str


def admit(cursor: duck.Cursor, sql: str, checked: Checked, place: tuple[str, str], space: Space, known: Known) -> str:
    """The text of a statement that passed the guard, as it runs in the namespace of a restricted profile.

    `place`: the bucket and schema that unqualified names mean.
    Raises Forbidden for what the role may not do, and NotFound for what is hidden, as for what does not exist.
    """
    words = tokens.read(sql)
    _check_functions(words, known)
    if checked.kind == "EXPLAIN" and space.filters:
        raise Forbidden("explain would show the filters of your profile", "ask an admin for the plan")
    heads = {catalog.lower() for catalog in _catalogs(cursor)} - set(BUCKETS) - {LAKE}
    edits = list(_target(words, checked, place, space))
    taken = {edit.start for edit in edits}
    edits += [edit for edit in _versions(words, place, space) if edit.start not in taken]
    covered = [(edit.start, edit.end) for edit in edits]
    for edit in _heads(words, space, heads):
        if not any(start <= edit.start < end for start, end in covered):
            edits.append(edit)
    text = _apply(tokens.plain(sql), edits)
    if checked.kind in ("SELECT", "EXPLAIN") and not checked.expands:
        _check_tree(cursor, text, checked, space, known, [edit.text for edit in edits])
    else:
        _check_names(words, cursor)
        _check_files(words, space)
    return text


def _catalogs(cursor: duck.Cursor) -> list[str]:
    rows = cursor.execute("select database_name from system.main.duckdb_databases()").fetchall()
    return [name for (name,) in rows]


def _check_functions(words: Sequence[Token], known: Known) -> None:
    for name in tokens.calls(words):
        _check_function(name, known)


def _check_function(name: str, known: Known) -> None:
    if name in known.taken and name not in reviewed() | CATALOG_FUNCTIONS and name not in known.ours:
        raise Forbidden(f"the function {name}() is not open to your role", "see lake.functions for what is")


def _check_files(words: Sequence[Token], space: Space) -> None:
    """Refuse names that the engine would take for files, in a statement that has no parse to be checked."""
    known = {name.lower() for _, _, name in space.names}
    named = [word.written for word in words if word.kind == "identifier" and FILE.search(word.written)]
    for name in [*paths.tables(words), *named]:
        if name.lower() not in known:
            raise guard.missing_table(name)


def _heads(words: Sequence[Token], space: Space, closed: Collection[str]) -> Iterator[Edit]:
    """The names of catalogs before a dot: those of buckets and `lake` lead into the namespace, others are not there."""
    for at, word in enumerate(words):
        follows = at + 1 < len(words) and words[at + 1].text == "."
        if not word.is_name or not follows or (at and words[at - 1].text == "."):
            continue
        if word.text in closed or word.text == guard.LEDGER_SCHEMA:
            raise guard.missing_table(*tokens.name_at(words, at)[0])
        if word.text in BUCKETS and word.text not in space.whole:
            yield Edit(word.start, _end(word), duck.identifier(space.catalog))
        elif word.text in BUCKETS and len(words) > at + 2 and words[at + 2].text == guard.LEDGER_SCHEMA:
            raise guard.missing_table(*tokens.name_at(words, at)[0])
        elif word.text == LAKE:
            main = len(words) > at + 3 and words[at + 2].text == "main" and words[at + 3].text == "."
            end = _end(words[at + 2]) if main else _end(word)
            yield Edit(word.start, end, duck.qualified(space.catalog, "__lake"))


def _end(word: Token) -> int:
    return word.start + word.length


def _apply(text: str, edits: Sequence[Edit]) -> str:
    data, parts, at = text.encode(), [], 0
    for edit in sorted(edits, key=lambda one: one.start):
        parts += [data[at : edit.start], edit.text.encode()]
        at = edit.end
    return b"".join([*parts, data[at:]]).decode()


# -- versions ----------------------------------------------------------------------------------------------------------


def _versions(words: Sequence[Token], place: tuple[str, str], space: Space) -> Iterator[Edit]:
    """`workers as w at (version => 3)`: the source of the table, filtered as it is today."""
    for at, word in enumerate(words):
        opens = word.is_word("at") and at + 3 < len(words) and words[at + 1].text == "("
        if not opens or words[at + 2].text not in ("version", "timestamp") or words[at + 3].text != "=>":
            continue
        first, parts, alias = _named_before(words, at)
        name = space.find(parts, place)
        if name is None:
            raise guard.missing_table(*parts)
        close = _closing(words, at + 1)
        clause = " ".join(one.written for one in words[at : close + 1])
        shown = alias or name[2]
        if name[0] not in space.whole:
            source = space.source(name, clause)
            yield Edit(
                words[first].start,
                _end(words[close]),
                f"{source} as {duck.identifier(shown)}"
                if source.startswith("(")
                else f"{duck.qualified(*name)} as {duck.identifier(shown)} {clause}",
            )


def _named_before(words: Sequence[Token], at: int) -> tuple[int, tuple[str, ...], str | None]:
    """The table that an AT clause at `at` belongs to: where it begins, its parts and its alias."""
    last, alias = at - 1, None
    if last >= 2 and words[last - 1].is_word("as"):
        last, alias = last - 2, words[last].written
    elif last >= 1 and words[last].is_name and words[last - 1].is_name and words[last - 1].kind == "identifier":
        last, alias = last - 1, words[last].written
    first = last
    while first >= 2 and words[first - 1].text == "." and words[first - 2].is_name:
        first -= 2
    if first < 0 or not words[first].is_name:
        raise Invalid("a version can be read of a table by its name only", "for example from workers at (version => 3)")
    return first, tuple(word.written for word in words[first : last + 1 : 2]), alias


def _closing(words: Sequence[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[at].text, 0)
        if depth == 0:
            return at
    raise Invalid("a bracket is not closed", "close it")


# -- where a statement writes ------------------------------------------------------------------------------------------


def _target(words: Sequence[Token], checked: Checked, place: tuple[str, str], space: Space) -> Iterator[Edit]:
    if checked.kind in guard.DATA_STATEMENTS:
        at = _written_at(words, checked.kind)
    elif checked.kind in guard.SCHEMA_STATEMENTS:
        _check_change(words, space)
        at = _changed_at(words)
    else:
        return
    parts, end = tokens.name_at(words, at)
    if not parts:
        raise Invalid("the statement does not name the table that it changes", "name it right after the keyword")
    name = _full(parts, place, space)
    if not space.may_change(*name):
        raise _not_there(parts, name, space)
    yield Edit(words[at].start, _end(words[end - 1]), duck.qualified(*name))


def _full(parts: tuple[str, ...], place: tuple[str, str], space: Space) -> Name:
    """The full name of a table that need not exist."""
    found = space.find(parts, place)
    if found is not None:
        return found
    if len(parts) == 3:
        return parts[0].lower(), parts[1], parts[2]
    if len(parts) == 2:
        return (parts[0].lower(), "main", parts[1]) if parts[0].lower() in BUCKETS else (place[0], *parts)
    return (*place, parts[0])


def _not_there(parts: tuple[str, ...], name: Name, space: Space) -> Exception:
    shown = ".".join(parts)
    if name in space.names:
        return Forbidden(f"{shown} is shown to your profile in part and cannot be changed", "ask for a plain grant")
    return NotFound(f"table {shown!r} does not exist, or your profile may not make it", nearest(shown, _names(space)))


def _names(space: Space) -> list[str]:
    return [table if schema == "main" else f"{schema}.{table}" for _, schema, table in space.names]


def _written_at(words: Sequence[Token], kind: str) -> int:
    """Where the target of an INSERT, UPDATE, DELETE or MERGE stands: after its keyword, outside all brackets."""
    before = {"INSERT": "into", "MERGE_INTO": "into", "UPDATE": "update", "DELETE": "from"}[kind]
    depth = 0
    for at, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        starts = word.is_word(before) or (kind == "DELETE" and word.is_word("truncate"))
        if depth == 0 and starts:
            after = at + 1
            while after < len(words) and words[after].is_word("table", "only"):
                after += 1
            return after
    raise Invalid("the statement does not say what it changes", "write insert into, update, delete from or merge into")


def _check_change(words: Sequence[Token], space: Space) -> None:
    found = change.read(words)
    if found is None or found.what not in ("table", "view", "column"):
        raise Forbidden(f"making a {found.what if found else 'thing like this'} is for admins", "ask an admin")
    if found.what == "view" and found.verb == "create" and space.filters:
        # A view is read with the rights of its bucket: it would show its readers what this profile does not see.
        raise Forbidden("a profile with filters or masks cannot make views", "make a table, or ask an admin")
    if len(found.names) != 1:
        raise Invalid("one object at a time", "send one statement for each")


def _changed_at(words: Sequence[Token]) -> int:
    at = 0
    while words[at].is_word(*change.MODIFIERS):
        at += 1
    at += 1  # what it is
    while at + 1 < len(words) and words[at].is_word(*change.FILLERS) and words[at + 1].is_name:
        at += 1
    return at


# -- what the parse must say -------------------------------------------------------------------------------------------


def _check_tree(
    cursor: duck.Cursor, text: str, checked: Checked, space: Space, known: Known, put: Collection[str]
) -> None:
    """Fail closed: every table of the text that runs lies in the namespace, or was put there by an edit of ours."""
    body = text
    if checked.kind == "EXPLAIN":
        words = tokens.read(text)
        at = next((at for at, word in enumerate(words) if word.is_word("select", "from", "with", "values")), None)
        if at is None:
            raise Forbidden("only a select can be explained by your role", "ask an admin for the plan")
        body = tokens.plain(text).encode()[words[at].start :].decode()
    tree = guard.serialized(cursor, body)
    if tree.get("error"):
        raise Invalid(str(tree.get("error_message")), "simplify the statement")
    for node in syntax.parts(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            _check_table(node, space, put)
        elif kind == "SHOW_REF":
            _check_show(node, space)
        elif kind == "FUNCTION":
            name, place = str(node.get("function_name", "")).lower(), (node.get("catalog"), node.get("schema"))
            if place not in PLAIN or (name in CATALOG_FUNCTIONS and place != PLAIN[0]):
                raise Forbidden("a function is called by its name alone", "leave the schema out")
            _check_function(name, known)


def _check_table(node: Mapping[str, Any], space: Space, put: Collection[str]) -> None:
    catalog, schema, name = (str(node.get(key) or "") for key in ("catalog_name", "schema_name", "table_name"))
    if name.lower() in CLOSED_VIEWS:
        raise guard.missing_table(name)
    if not catalog and (not schema or schema.lower() in SYSTEM_SCHEMAS):
        if FILE.search(name) and name.lower() not in {one.lower() for _, _, one in space.names}:
            raise guard.missing_table(name)  # the engine would take it for a file
        return  # the search path leads into the namespace
    if any(duck.qualified(catalog, schema, name) in text for text in put):
        return
    own = catalog.lower() == space.catalog.lower()
    bucket = catalog.lower() if catalog and not own else BUCKETS[0]
    if own and schema == "__lake":
        return
    if catalog and not own and bucket not in space.whole:
        raise guard.missing_table(catalog, schema, name)
    if not catalog and schema.lower() == space.catalog.lower():  # "primary".workers
        schema = ""
    if space.find((bucket, schema or "main", name), (bucket, "main")) is None:
        raise guard.missing_table(*([schema] if schema else []), name)


def _check_show(node: Mapping[str, Any], space: Space) -> None:
    for key in ("catalog_name", "schema_name"):
        place = str(node.get(key) or "").lower()
        if place and place not in ("main", space.catalog.lower(), *BUCKETS):
            raise NotFound(f"{place!r} does not exist", "see lake.datasets")


def _check_names(words: Sequence[Token], cursor: duck.Cursor) -> None:
    """A statement that has no parse to be checked may not name the engine's own views."""
    rows = cursor.execute("select lower(view_name) from system.main.duckdb_views() where internal").fetchall()
    own = {name for (name,) in rows if "_" in name}
    for word in words:
        if word.is_name and (word.text in own or word.text in ("information_schema", "pg_catalog")):
            raise Forbidden(f"{word.written} cannot be named in a statement that changes something", "select it first")
