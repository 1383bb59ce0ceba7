"""What a statement may do, decided from DuckDB's own parse before anything runs. The text itself is never changed.

One statement, of a kind that a client may send; no kernel (`_…`), no internal catalog, no function that would run text
as SQL or reach past the lake; arguments of our own functions by their names. Files are closed by the engine itself
(`duck.seal`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine import duck, faults
from engine.access.roles import Effect, strongest
from engine.catalogue import Function
from engine.errors import Forbidden, Invalid, NotFound, nearest

HIDDEN_CATALOGS = ("control", "__ducklake_metadata_")
RESERVED_SCHEMAS = {"lake", "fn", "control", "primary", "system", "temp", "lakehouse"}
MAX_NESTING = 200
DATA_STATEMENTS = {"INSERT", "UPDATE", "DELETE", "MERGE_INTO"}
SCHEMA_STATEMENTS = {"CREATE", "DROP", "ALTER"}
CLOSED_FUNCTIONS = {
    "query", "query_table", "getvariable", "getenv", "current_setting", "write_log", "parse_duckdb_log_message",
    "duckdb_secrets", "which_secret", "json_execute_serialized_sql", "json_serialize_plan", "checkpoint",
    "force_checkpoint", "postgres_query", "postgres_execute", "sqlite_query", "mysql_query", "stats", "nextval",
    "currval", "setseed", "from_substrait", "enable_logging", "disable_logging", "truncate_duckdb_logs",
    "sql_auto_complete",
    "create_secret", "add_parquet_key", "invoke", "remap_struct", "replace_type",
}  # fmt: skip
CLOSED_PREFIXES = ("_", "ducklake_", "pragma_", "postgres_", "sqlite_")


@dataclass(frozen=True)
class Checked:
    """A statement that may run, and what is known of it without running it."""

    kind: str  # SELECT, INSERT, CREATE …, or USE
    is_query: bool
    effect: Effect
    parameters: tuple[str, ...]
    describable: bool  # false for EXPLAIN, SHOW, PIVOT and DML with RETURNING: their schema is known by running only

    @property
    def is_write(self) -> bool:
        """Whether the statement itself changes tables (a function that it calls may, too)."""
        return self.kind in DATA_STATEMENTS or self.kind in SCHEMA_STATEMENTS


def check(cursor: duck.Cursor, sql: str, functions: Mapping[str, Function], max_bytes: int) -> Checked:
    """Decide whether `sql` may run. `cursor` is only used to parse. Raises Invalid, Forbidden or NotFound."""
    _check_text(sql, max_bytes)
    try:
        parsed = duck.statements(cursor, sql)
    except duck.Error as error:
        raise faults.translate(error) from None
    kinds = [statement.type.name for statement in parsed]
    if not parsed:
        raise Invalid("there is no statement in the text", "send one SQL statement")
    if kinds == ["CREATE", "SELECT"] and not parsed[0].query:  # how DuckDB expands one PIVOT
        _check_tokens(sql, cursor)
        return Checked("SELECT", True, "reads", (), False)
    if len(parsed) > 1:
        raise Invalid(f"the text holds {len(parsed)} statements", "send one statement at a time")
    parameters = tuple(sorted(parsed[0].named_parameters, key=lambda name: (len(name), name)))
    return _check_kind(cursor, sql, kinds[0], parameters, functions)


def _check_text(sql: str, max_bytes: int) -> None:
    if "\0" in sql:
        raise Invalid("the statement holds a NUL character", "remove it")
    if len(sql.encode("utf-8", "surrogatepass")) > max_bytes:
        raise Invalid(f"the statement is longer than {max_bytes} bytes", "send data as parameters or load it in bulk")
    depth = deepest = 0
    for character in sql:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    if deepest > MAX_NESTING:
        raise Invalid(f"the statement nests brackets {deepest} deep", f"stay below {MAX_NESTING}")


def _check_kind(
    cursor: duck.Cursor, sql: str, kind: str, parameters: tuple[str, ...], functions: Mapping[str, Function]
) -> Checked:
    word = first_word(sql)
    if kind == "SELECT" and word != "pragma":
        tree = json.loads(_serialized(cursor, sql))
        if tree.get("error"):
            raise Invalid(str(tree.get("error_message")), "simplify the statement")
        effect = _check_tree(tree, functions)
        return Checked("SELECT", True, effect, parameters, word not in ("show", "describe", "desc", "summarize"))
    if kind in DATA_STATEMENTS or kind in SCHEMA_STATEMENTS:
        _check_tokens(sql, cursor)
        _check_reserved(sql, kind)
        returning = kind in DATA_STATEMENTS and bool(re.search(r"\breturning\b", sql, re.IGNORECASE))
        return Checked(kind, returning, "writes", parameters, False)
    if kind == "EXPLAIN":
        inner = re.sub(r"(?is)^\s*explain(\s+analyze)?(\s*\([^)]*\))?\s+", "", sql)
        if first_word(inner) == "explain":
            raise Invalid("explain cannot explain itself", "explain a select")
        checked = check(cursor, inner, functions, len(sql) * 4 + 1)
        return Checked("EXPLAIN", True, checked.effect, parameters, False)
    if kind == "SET" and word == "use":
        return Checked("USE", False, "reads", (), False)
    if kind == "TRANSACTION":
        raise Invalid("transactions are opened by the connection", "use commit() and rollback() of the client")
    raise Forbidden(f"statements of the kind {word.upper()} are not served", "see docs/architecture.md")


def first_word(sql: str) -> str:
    """The first word of a statement, in lower case, comments and brackets passed over."""
    bare = re.sub(r"(?s)^(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)+", "", sql)
    found = re.match(r"[A-Za-z_]+", bare)
    return found.group(0).lower() if found else ""


def _serialized(cursor: duck.Cursor, sql: str) -> str:
    row = cursor.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
    return str(row[0]) if row else "{}"


def nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Every JSON object of a serialised statement, without recursion (statements may nest deeply)."""
    stack: list[object] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _check_tree(tree: dict[str, Any], functions: Mapping[str, Function]) -> Effect:
    effects: list[Effect] = []
    for node in nodes(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE" or kind == "SHOW_REF":
            for part in (node.get("catalog_name"), node.get("schema_name")):
                check_catalog(str(part or ""))
        elif kind == "FUNCTION":
            name = str(node.get("function_name", "")).lower()
            _check_function(name)
        elif kind == "TABLE_FUNCTION":
            call = node["function"]
            ours = functions.get(str(call.get("function_name", "")).lower())
            if ours:
                names = [str(child.get("alias") or "") for child in call.get("children", [])]
                ours.check_arguments(sum(not name for name in names), [name for name in names if name])
                effects.append(ours.effect)
    return strongest(effects)


def check_catalog(name: str) -> None:
    """Raise NotFound for a catalog that clients do not see."""
    if name.lower().startswith(HIDDEN_CATALOGS):
        raise NotFound(f"catalog {name!r} does not exist", "see lake.datasets and show all tables")


def _check_function(name: str) -> None:
    if name in CLOSED_FUNCTIONS or (name.startswith(CLOSED_PREFIXES) and name not in ("__postfix",)):
        raise Forbidden(f"the function {name}() is not served", "see lake.functions for what is")


def _check_tokens(sql: str, cursor: duck.Cursor) -> None:
    """The check of statements that the engine cannot serialise: by their tokens."""
    found = duck.tokens(sql)
    ends = [offset for offset, _ in found[1:]] + [len(sql.encode())]
    data = sql.encode()
    words = [
        (kind, data[offset:end].decode("utf-8", "replace").strip())
        for (offset, kind), end in zip(found, ends, strict=True)
    ]
    for (kind, word), (_, following) in zip(words, [*words[1:], ("", "")], strict=True):
        bare = word.strip('"').lower()
        if kind in ("identifier", "keyword") and following == "(":
            _check_function(bare)
        elif kind == "identifier" and following == ".":
            check_catalog(bare)


def _check_reserved(sql: str, kind: str) -> None:
    found = re.match(
        r"(?is)\s*(create|drop|alter)\s+(?:or\s+replace\s+)?(secret|persistent|schema|database)\b(.*)", sql
    )
    if not found or kind not in SCHEMA_STATEMENTS:
        return
    what, rest = found.group(2).lower(), found.group(3)
    if what != "schema":
        raise Forbidden(
            f"{found.group(1).lower()} {what} is not served", "secrets and databases come from the configuration"
        )
    name = re.sub(r"(?is)^\s*if\s+(not\s+)?exists\s+", "", rest).strip().split(".")[-1].split()[0:1]
    if name and name[0].strip('";').lower() in RESERVED_SCHEMAS:
        raise Invalid(f"the schema name {name[0]} is reserved", "choose another name")


def check_predicate(cursor: duck.Cursor, predicate: str, columns: list[str], allowed: frozenset[str]) -> list[str]:
    """Check a `filter :=` text: one expression over `columns`, with functions from `allowed` only.

    Returns the names of the columns that it uses, as they stand in `columns`. Raises Invalid or Forbidden. A name that
    is not among `columns` is kept as it was written, so that the caller can say which corpus lacks it.
    """
    if not predicate.strip():
        raise Invalid("the filter is empty", "leave the argument out to search everything")
    tree = json.loads(_serialized(cursor, f"select (\n{predicate}\n)"))
    if tree.get("error"):
        raise Invalid(f"the filter is not a SQL predicate: {tree.get('error_message')}", "for example state = 'IL'")
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    if node.get("type") != "SELECT_NODE" or len(node["select_list"]) != 1 or _has_more(node):
        raise Invalid("the filter must be one expression", "for example state = 'IL' and reliability > 0.8")
    used: list[str] = []
    by_lower = {column.lower(): column for column in columns}
    for part in nodes(node["select_list"]):
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
