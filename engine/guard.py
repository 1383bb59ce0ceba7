"""What a statement may do, decided from DuckDB's own parse before anything runs. The text itself is never changed.

One statement, of a kind that a client may send; no kernel (`_…`), no internal catalog, no function that would run text
as SQL or reach past the lake; nothing that changes what is ours; arguments of our own functions by their names. Files
are closed by the engine itself (`duck.seal`).
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import change, duck, faults, paths, tokens
from engine.access.roles import Effect, strongest
from engine.advice import advice
from engine.catalogue import Function
from engine.containment import tree as syntax
from engine.containment.acts import unsteady_act
from engine.containment.bounds import bounds
from engine.containment.steady import unsteady
from engine.errors import Forbidden, Invalid, NotFound, nearest
from engine.placeless import calls, is_placeless
from engine.tokens import Token

CONTROL = "control"
DUCKLAKE_SYSTEM = "__ducklake_metadata_"
NAMESPACES = "__as_"  # the catalogs of restricted profiles
LEDGER_SCHEMA = "lakehouse"  # of each bucket
HOUSE = {"lake", "fn", "system", "temp", LEDGER_SCHEMA}  # catalogs and schemas that are read, never written to
RESERVED_SCHEMAS = {"lake", "fn", "control", "primary", "system", "temp", "lakehouse"}
MAX_NESTING = 200  # of a filter; that of statements is a setting
NESTED = (("brackets", r"[(\[{]", r"[)\]}]"), ("comments", r"/\*", r"\*/"))
MAX_PREDICATE_BYTES = 100_000
MAX_ARROWS = 20  # DuckDB binds a chain of n arrows 2 ** n times, and nothing can interrupt it
DATA_STATEMENTS = {"INSERT", "UPDATE", "DELETE", "MERGE_INTO"}
SCHEMA_STATEMENTS = {"CREATE", "DROP", "ALTER"}
CLOSED_FUNCTIONS = {
    "query", "query_table", "getvariable", "getenv", "current_setting", "write_log", "parse_duckdb_log_message",
    "duckdb_secrets", "which_secret", "json_execute_serialized_sql", "json_serialize_plan", "checkpoint",
    "force_checkpoint", "postgres_query", "postgres_execute", "sqlite_query", "mysql_query", "stats", "nextval",
    "currval", "setseed", "from_substrait", "enable_logging", "disable_logging", "truncate_duckdb_logs",
    "sql_auto_complete", "arrow_scan", "arrow_scan_dumb", "pandas_scan", "python_map_function", "seq_scan",
    "read_duckdb", "duckdb_variables", "import_database", "copy_database",
    "create_secret", "add_parquet_key", "invoke", "remap_struct", "replace_type",
}  # fmt: skip
CLOSED_PREFIXES = ("_", "ducklake_", "pragma_", "postgres_", "sqlite_")
CATALOG_FUNCTIONS = {  # of the engine's catalog; by their name alone they are those that show what the caller sees
    "duckdb_databases", "duckdb_schemas", "duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_constraints",
    "duckdb_indexes", "duckdb_sequences", "duckdb_types", "duckdb_dependencies", "in_search_path", "current_schemas",
    "current_database", "current_catalog",
}  # fmt: skip
FIRST_WORDS = {  # of statements that the parser may see: it runs parts of others, and reads files for IMPORT DATABASE
    "select", "from", "with", "values", "table", "pivot", "pivot_wider", "pivot_longer", "unpivot", "describe", "desc",
    "show", "summarize", "explain", "insert", "update", "delete", "merge", "truncate", "create", "drop", "alter",
    "comment", "use", "begin", "start", "commit", "end", "rollback", "abort", "set",
}  # fmt: skip
SERVED = (
    "select, values, pivot, describe, show, summarize, explain, insert, update, delete, merge, truncate, create, drop, "
    "alter, comment and use"
)


@dataclass(frozen=True)
class Checked:
    """A statement that may run, and what is known of it without running it."""

    kind: str  # SELECT, INSERT, CREATE …, or USE
    is_query: bool
    effect: Effect
    parameters: tuple[str, ...]
    describable: bool  # false for EXPLAIN, SHOW, PIVOT and DML with RETURNING: their schema is known by running only
    expands: bool = False  # a PIVOT that the engine expands to several statements, for which there is no parse to check
    text: str = ""  # what runs: the statement itself, or as it runs in the namespace of a restricted profile
    contained: str | None = None  # the function because of which it runs in a worker process
    placeless: bool = False  # nothing of a bucket is named: see `engine/placeless.py`
    calls: frozenset[str] = frozenset()  # those of our functions that a SELECT calls, all of them with constants
    advice: tuple[str, ...] = ()  # of EXPLAIN, beside the plan

    @property
    def is_write(self) -> bool:
        """Whether the statement itself changes tables (a function that it calls may, too)."""
        return self.kind in DATA_STATEMENTS or self.kind in SCHEMA_STATEMENTS

    @property
    def leaves_traces(self) -> bool:
        """Whether it may leave something on its cursor that another statement must not find: PIVOT makes a type."""
        return self.kind in SCHEMA_STATEMENTS or (self.kind == "SELECT" and not self.describable)


@dataclass(frozen=True)
class Known:
    """The functions that there are: ours, and the names of all that a macro may not take."""

    ours: Mapping[str, Function]
    taken: Collection[str]
    closed: tuple[Path, ...] = ()  # folders whose files no statement may name
    nesting: int = MAX_NESTING  # how deep brackets and comments may nest


def check(cursor: duck.Cursor, sql: str, known: Known, max_bytes: int) -> Checked:
    """Decide whether `sql` may run. `cursor` is only used to parse. Raises Invalid, Forbidden or NotFound."""
    check_text(sql, max_bytes, known.nesting)
    words = tokens.read(sql)
    _check_first_words(words)
    try:
        parsed = duck.statements(cursor, sql)
    except duck.Error as error:
        raise faults.translate(error) from None
    kinds = [statement.type.name for statement in parsed]
    if not parsed:
        raise Invalid("there is no statement in the text", "send one SQL statement")
    _check_arrows(words)
    _check_catalog_functions(words)
    paths.check(words, known.closed)
    if len(parsed) > 1 and not any(statement.query for statement in parsed):  # how DuckDB expands one PIVOT
        if kinds != ["CREATE", "SELECT"]:
            raise Invalid("a PIVOT that writes must name its values", "pivot … on column in (value, …)")
        effect = _check_calls(words, known)
        return Checked("SELECT", True, effect, (), False, expands=True, contained=unsteady({}, words, known.ours))
    if len(parsed) > 1:
        raise Invalid(f"the text holds {len(parsed)} statements", "send one statement at a time")
    parameters = tokens.parameters(words, parsed[0].named_parameters)
    if kinds == ["EXPLAIN"]:
        return _check_explain(cursor, sql, words, parameters, known)
    return _check_kind(cursor, sql, kinds[0], words, parameters, known)


def check_text(sql: str, max_bytes: int, nesting: int = MAX_NESTING) -> None:
    """Raise Invalid for a text that must not reach the parser: too long, too deep, or not Unicode."""
    if "\0" in sql:
        raise Invalid("the statement holds a NUL character", "remove it")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        raise Invalid("the statement holds half of a surrogate pair", "send valid Unicode") from None
    if size > max_bytes:
        raise Invalid(f"the statement is longer than {max_bytes} bytes", "send data as parameters or load it in bulk")
    for what, opening, closing in NESTED:
        deepest = _depth(sql, opening, closing)
        if deepest > nesting:
            raise Invalid(f"the statement nests {what} {deepest} deep", f"stay below {nesting}")


def _depth(sql: str, opening: str, closing: str) -> int:
    depth = deepest = 0
    for found in re.finditer(f"({opening})|({closing})", sql):
        depth += 1 if found.lastindex == 1 else -1
        deepest = max(deepest, depth)
    return deepest


def _check_arrows(words: Sequence[Token]) -> None:
    arrows = 0
    for word in words:
        arrows = 0 if word.text == "," else arrows + (word.text == "->" or word.is_word("lambda"))
        if arrows > MAX_ARROWS:
            raise Invalid(f"an expression holds more than {MAX_ARROWS} arrows", "read JSON with one path, or with ->>")


def _check_first_words(words: Sequence[Token]) -> None:
    """Refuse, before it is parsed, a text that holds a statement of a kind that is not served."""
    begins = True
    for word in words:
        if begins and word.kind == "keyword" and word.written[:1].isalpha() and word.text not in FIRST_WORDS:
            raise _not_served(word)
        begins = word.text == ";" or (begins and word.text == "(")


def _not_served(word: Token) -> Forbidden:
    return Forbidden(f"statements of the kind {word.text.upper()} are not served", f"served: {SERVED}")


def _check_catalog_functions(words: Sequence[Token]) -> None:
    """Refuse the engine's own catalog functions where a schema is named: ours stand before them, in no schema."""
    for before, word, after in zip(words, words[1:], words[2:], strict=False):
        if before.text == "." and after.text == "(" and word.text in CATALOG_FUNCTIONS:
            raise Forbidden(f"the function {word.text}() is called by its name alone", "leave the schema out")


def _check_types(words: Sequence[Token]) -> None:
    """Refuse the one type whose writing ends the engine."""
    if any(word.text == "time_ns" for word in words):
        raise Invalid("tables cannot keep the type TIME_NS", "cast it to TIME")


def _check_kind(
    cursor: duck.Cursor, sql: str, kind: str, words: Sequence[Token], parameters: tuple[str, ...], known: Known
) -> Checked:
    first = next((word for word in words if word.text != "("), words[0])
    if kind == "SELECT" and first.text != "pragma":
        tree = serialized(cursor, sql)
        if tree.get("error"):
            raise Invalid(str(tree.get("error_message")), "simplify the statement")
        effect = _check_tree(tree, known.ours)
        describable = not first.is_word("show", "describe", "desc", "summarize")
        placeless, called = is_placeless(tree, known.taken), calls(tree, known.ours)
        bounds(tree)
        contained = unsteady(tree, words, known.ours)
        return Checked("SELECT", True, effect, parameters, describable, False, "", contained, placeless, called)
    contained = None
    if kind in DATA_STATEMENTS or kind in SCHEMA_STATEMENTS:
        _check_types(words)
        contained = unsteady_act(sql, words, known.ours, lambda select: serialized(cursor, select))
    if kind in DATA_STATEMENTS:
        effect = strongest(["writes", _check_calls(words, known)])
        is_query = any(word.is_word("returning") for word in words)
        return Checked(kind, is_query, effect, parameters, False, contained=contained)
    if kind in SCHEMA_STATEMENTS:
        return Checked(kind, False, _check_change(words, known), parameters, False, contained=contained)
    if kind == "SET" and first.is_word("use"):
        return Checked("USE", False, "reads", (), False)
    if kind == "TRANSACTION":
        raise Invalid(
            f"{first.text} is no statement here: each statement stands for itself",
            "to keep or forget several together, use commit() and rollback() of a Flight SQL client",
        )
    raise _not_served(first)


def _check_explain(
    cursor: duck.Cursor, sql: str, words: Sequence[Token], parameters: tuple[str, ...], known: Known
) -> Checked:
    """EXPLAIN runs nothing; EXPLAIN ANALYZE runs the statement, so that it may only read."""
    at = 1
    if words[at].text == "(":
        at = next(place for place, word in enumerate(words) if word.text == ")") + 1
    while words[at].is_word("analyze", "analyse", "verbose"):
        at += 1
    inner = tokens.plain(sql).encode()[words[at].start :].decode()
    checked = check(cursor, inner, known, len(inner.encode()))
    runs = any(word.text in ("analyze", "analyse") for word in words[:at])
    if runs and checked.effect != "reads":
        raise Forbidden("explain analyze would run a statement that acts", "leave analyze out")
    is_select = checked.kind == "SELECT" and not checked.expands
    told = advice(serialized(cursor, inner)) if is_select else ()
    return Checked("EXPLAIN", True, "reads", parameters, False, contained=checked.contained, advice=told)


def use_target(sql: str) -> tuple[str, ...]:
    """The parts of the place that a USE names, as they were written."""
    parts, _ = tokens.name_at(tokens.read(sql), 1)
    return parts


def serialized(cursor: duck.Cursor, sql: str) -> dict[str, Any]:
    """The parse of a SELECT. Raises Invalid when it cannot be had, and so cannot be checked."""
    try:
        row = cursor.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
        tree: dict[str, Any] = json.loads(str(row[0])) if row else {}
    except duck.Error as error:
        raise faults.translate(error) from None
    except RecursionError:
        raise Invalid("the statement is nested too deeply", "split it") from None
    return tree


def _check_tree(tree: dict[str, Any], functions: Mapping[str, Function]) -> Effect:
    effects: list[Effect] = []
    for node in syntax.parts(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE" or kind == "SHOW_REF":
            parts = [str(node.get(key) or "") for key in ("catalog_name", "schema_name", "table_name")]
            if is_hidden(parts[0]) or is_hidden(parts[1]):
                raise missing_table(*filter(None, parts))
        elif kind == "FUNCTION":
            name = str(node.get("function_name", "")).lower()
            _check_function(name)
            ours = functions.get(name)
            if ours:
                names = [str(child.get("alias") or "") for child in node.get("children", [])]
                ours.check_arguments(sum(not name for name in names), [name for name in names if name])
                effects.append(ours.effect)
    return strongest(effects)


def is_hidden(catalog: str) -> bool:
    """Whether clients do not see a catalog."""
    return catalog.lower() == CONTROL or catalog.lower().startswith((DUCKLAKE_SYSTEM, NAMESPACES))


def missing_table(*parts: str) -> NotFound:
    """The error for a table that is not there, or not for the caller."""
    return NotFound(f"table {'.'.join(parts)!r} does not exist", "see lake.datasets and show all tables")


def check_catalog(name: str) -> None:
    """Raise NotFound for a catalog that clients do not see."""
    if is_hidden(name):
        raise NotFound(f"catalog {name!r} does not exist", "see lake.datasets and show all tables")


def _check_function(name: str) -> None:
    if name in CLOSED_FUNCTIONS or (name.startswith(CLOSED_PREFIXES) and name not in ("__postfix",)):
        raise Forbidden(f"the function {name}() is not served", "see lake.functions for what is")


def _check_calls(words: Sequence[Token], known: Known) -> Effect:
    """The check of statements that the engine cannot serialise, by their tokens; returns what their functions do."""
    effects: list[Effect] = []
    for name in tokens.calls(words):
        _check_function(name)
        if name in known.ours:
            effects.append(known.ours[name].effect)
    for name in tokens.qualifiers(words):
        check_catalog(name)
        if name == LEDGER_SCHEMA:
            raise Forbidden(f"the schema {name} is written by the lake only", "use the functions of lake.functions")
    return strongest(effects)


def _check_change(words: Sequence[Token], known: Known) -> Effect:
    """The check of CREATE, DROP, ALTER and COMMENT: what is ours stays as it is; returns the effect."""
    found = change.read(words)
    if found is None:
        raise Forbidden(
            f"{' '.join(word.text for word in words[:2])} is not served",
            "tables, views, macros, types, sequences, indexes and schemas are",
        )
    if found.temporary:
        raise Invalid("temporary objects are not served", "statements run on connections of their own; make a table")
    for name in found.names:
        _check_changed(found, name, known)
    effect = _check_calls(words, known)
    if effect != "reads" and (found.is_function or found.what == "view"):
        raise Invalid(f"a {found.what} may not hold a function that acts", "call the function where it is to act")
    return strongest(["writes", effect])


def _check_changed(found: change.Change, name: tuple[str, ...], known: Known) -> None:
    places = name if found.what == "schema" else name[:-1]
    if found.verb == "create" and found.what == "schema" and name[-1:] and name[-1] in RESERVED_SCHEMAS:
        raise Invalid(f"the schema name {name[-1]} is reserved", "choose another name")
    for place in places:
        check_catalog(place)
        if place in HOUSE:
            raise Forbidden(f"{place} is made by the lake and cannot be changed", "choose a schema of a bucket")
    if found.is_function and name[-1:] and name[-1] in known.taken:
        raise Invalid(f"{name[-1]}() is a function of the lake", "choose another name")


def check_place(place: tuple[str, str]) -> None:
    """Raise Forbidden when nothing may be written to a catalog and schema; NotFound when clients do not see it."""
    for name in place:
        check_catalog(name)
        if name.lower() in HOUSE:
            raise Forbidden(f"{name} is made by the lake and cannot be written to", "use a schema of a bucket")


def check_predicate(cursor: duck.Cursor, predicate: str, columns: list[str], allowed: frozenset[str]) -> list[str]:
    """Check a `filter :=` text: one expression over `columns`, with functions from `allowed` only.

    Returns the names of the columns that it uses, as they stand in `columns`. Raises Invalid or Forbidden. A name that
    is not among `columns` is kept as it was written, so that the caller can say which corpus lacks it.
    """
    if not predicate.strip():
        raise Invalid("the filter is empty", "leave the argument out to search everything")
    check_text(predicate, MAX_PREDICATE_BYTES)
    _check_arrows(tokens.read(predicate))
    tree = serialized(cursor, f"select (\n{predicate}\n)")
    if tree.get("error"):
        raise Invalid(f"the filter is not a SQL predicate: {tree.get('error_message')}", "for example state = 'IL'")
    bounds(tree)
    slow = unsteady(tree, ())
    if slow is not None:
        raise Forbidden(f"{slow} may not stand in a filter: it may run for long", "compare columns with constants")
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    if node.get("type") != "SELECT_NODE" or len(node["select_list"]) != 1 or _has_more(node):
        raise Invalid("the filter must be one expression", "for example state = 'IL' and reliability > 0.8")
    used: list[str] = []
    by_lower = {column.lower(): column for column in columns}
    for part in syntax.parts(node["select_list"]):
        kind, group = part.get("type"), part.get("class")
        if group in ("SUBQUERY", "WINDOW", "STAR", "PARAMETER", "DEFAULT", "POSITIONAL_REFERENCE"):
            raise Invalid(f"the filter may not hold a {str(group).lower()}", "compare columns with constants")
        if kind == "FUNCTION" and str(part["function_name"]).lower() not in allowed:
            name = str(part["function_name"]).lower()
            raise Forbidden(f"the function {name}() may not stand in a filter", nearest(name, allowed))
        if kind == "COLUMN_REF":
            name = str(part["column_names"][0])
            used.append(by_lower.get(name.lower(), name))
    return sorted(set(used))


def _has_more(node: dict[str, Any]) -> bool:
    clauses = ("where_clause", "group_expressions", "having", "qualify", "sample", "modifiers")
    return (
        node["from_table"]["type"] != "EMPTY"
        or any(node.get(clause) for clause in clauses)
        or bool(node["cte_map"]["map"])
    )
