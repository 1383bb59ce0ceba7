"""The types of a statement's parameters, read from its parse: what one is compared with, cast to or written into.

DuckDB reports no parameter types to Python. Its parse of a SELECT says where each parameter stands; the expression that
must have the same type is then described in the scope of its own FROM clause. DML, which DuckDB does not serialise, is
read as the SELECT that has the same expressions in the same order. A parameter that nothing is known of is text.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import pyarrow as pa

from engine import dml, duck
from engine.dml import Written
from engine.errors import Invalid

Node = dict[str, Any]
Arguments = Mapping[int | str, str]  # the SQL types of a function's arguments, by position and by name
Asking = Callable[[str, int], Arguments]
Parameters = Sequence[object] | Mapping[str, object]  # the values of a statement
TEXT = pa.string()
ARITHMETIC = frozenset("+-*/%") | {"//"}
SAME_TYPE = {"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE", "OPERATOR_NULLIF"}  # operators over equals
PLAIN = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_date,
    pa.types.is_time, pa.types.is_timestamp, pa.types.is_binary, pa.types.is_string,
)  # fmt: skip
MAX_SITES = 1000  # a list of more parameters is not worth its describing
KEPT_FUNCTIONS = 2000
KEPT_TREES, KEPT_CHARACTERS = 500, 4000  # statements that are prepared again and again are parsed once
MACROS = """
select parameters, macro_definition
from duckdb_functions()
where database_name = 'fn' and lower(function_name) = lower(?)
"""
SIGNATURES = """
select distinct parameter_types
from duckdb_functions()
where lower(function_name) = lower(?) and len(parameter_types) = ? and database_name = 'system'
"""


@dataclass(frozen=True)
class _Scope:
    """What names mean at some place: a FROM clause, and the CTEs that are seen from there."""

    table: Node
    ctes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class _Site:
    """A parameter, and an expression of `scope` (or the name of a SQL type) that has its type."""

    name: str
    like: Node | str
    scope: _Scope
    only_number: bool = False


_trees: dict[str, Node] = {}  # read only
_functions: dict[tuple[str, int], Arguments] = {}  # of the engine and of the packaged macros: alike in every lake

NOWHERE = _Scope({"type": "EMPTY", "alias": "", "sample": None})


def infer(
    cursor: duck.Cursor,
    sql: str,
    names: Sequence[str],
    arrow_type: Callable[[str], pa.DataType],
    may_bind: Callable[[str], bool] = lambda _: True,
) -> Mapping[str, pa.DataType]:
    """The Arrow type of each of the parameters `names`; text where the statement does not tell. Never raises.

    `cursor` stands where the statement will run, and is used to describe only: queries for which `may_bind` holds.
    """
    found: dict[str, pa.DataType] = {}
    if not names:
        return found
    try:
        with _Parser(cursor) as parser:
            _Inference(cursor, parser, arrow_type, found, may_bind).read(dml.read(sql))
    except (duck.Error, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        pass  # a statement in a form that is not foreseen here runs all the same: its parameters stay text
    return {name: found.get(name, TEXT) for name in names}


class _Parser:
    """A cursor to parse with, made when first needed: what fails on it leaves a transaction of the other alone."""

    def __init__(self, other: duck.Cursor) -> None:
        self._other = other

    @cached_property
    def cursor(self) -> duck.Cursor:
        return self._other.cursor()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if "cursor" in self.__dict__:
            self.cursor.close()


class _Inference:
    def __init__(
        self,
        cursor: duck.Cursor,
        parser: _Parser,
        arrow_type: Callable[[str], pa.DataType],
        found: dict[str, pa.DataType],
        may_bind: Callable[[str], bool],
    ) -> None:
        self._cursor, self._parser, self._arrow_type, self._found = cursor, parser, arrow_type, found
        self._may_bind = may_bind

    def read(self, written: Written) -> None:
        """Find the types of the parameters of a statement, the surest first."""
        tree = self._tree(written.select)
        statement = tree["statements"][0]["node"]
        if written.target is not None:
            self._written_into(statement, written)
        sites = [site for site in _sites(statement, self._arguments) if site.name not in self._found]
        by_scope: dict[int, list[_Site]] = {}
        for site in sites[:MAX_SITES]:
            by_scope.setdefault(id(site.scope), []).append(site)
        for together in by_scope.values():
            self._resolve(together)

    def _tree(self, sql: str) -> Node:
        tree = _trees.get(sql)
        if tree is None:
            tree = self._parsed(sql)
            if len(sql) <= KEPT_CHARACTERS:
                if len(_trees) >= KEPT_TREES:
                    _trees.clear()
                _trees[sql] = tree
        return tree

    def _parsed(self, sql: str) -> Node:
        (text,) = self._parser.cursor.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone() or ("{}",)
        tree: Node = json.loads(text)
        return tree

    def _written_into(self, statement: Node, written: Written) -> None:
        """Parameters that are written into a column as they are."""
        wanted = ", ".join(written.columns) or "*"
        described = self._describe(f"select {wanted} from {written.target}", {})
        for values in _rows_of(statement):
            for kind, value in zip(described, values, strict=False):
                if _is_parameter(value):
                    self._keep(value["identifier"], kind)

    def _resolve(self, sites: list[_Site]) -> None:
        fixed = [site for site in sites if isinstance(site.like, str)]
        for site in fixed:
            self._keep(site.name, str(site.like))
        like = [site for site in sites if not isinstance(site.like, str)]
        if not like:
            return
        try:
            kinds = self._types([site.like for site in like], like[0].scope)
        except (duck.Error, ValueError):
            if len(like) > 1:  # one that cannot stand beside the others, such as an aggregate
                for site in like:
                    self._resolve([site])
            return
        for site, kind in zip(like, kinds, strict=True):
            self._keep(site.name, kind, site.only_number)

    def _types(self, expressions: Sequence[object], scope: _Scope) -> list[str]:
        node = {
            "type": "SELECT_NODE", "modifiers": [], "cte_map": {"map": list(scope.ctes)}, "select_list": expressions,
            "from_table": scope.table, "where_clause": None, "group_expressions": [], "group_sets": [],
            "aggregate_handling": "STANDARD_HANDLING", "having": None, "sample": None, "qualify": None,
        }  # fmt: skip
        whole = json.dumps({"error": False, "statements": [{"node": node, "named_param_map": []}]})
        (sql,) = self._parser.cursor.execute("select json_deserialize_sql(?::json)", [whole]).fetchone() or ("",)
        (statement,) = duck.statements(self._parser.cursor, sql)
        return self._describe(sql, dict.fromkeys(statement.named_parameters))

    def _describe(self, sql: str, values: dict[str, None]) -> list[str]:
        if not self._may_bind(sql):
            raise ValueError("binding it could take long")
        rows = duck.table(self._cursor, f"describe {sql}", values or None).to_pylist()
        return [row["column_type"] for row in rows]

    def _keep(self, name: str, sql_type: str, only_number: bool = False) -> None:
        if sql_type.strip('"').upper() == "NULL":
            return
        kind = self._arrow_type(sql_type)
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if any(is_plain(kind) for is_plain in PLAIN) and (number or not only_number):
            self._found.setdefault(name, kind)

    def _arguments(self, function: str, count: int) -> Arguments:
        """What is known of the arguments of a function; asking the engine takes 40 ms, so that it is kept."""
        key = (function.lower(), count)
        found = _functions.get(key)
        if found is None:
            found = self._asked(*key)
            if len(_functions) < KEPT_FUNCTIONS:
                _functions[key] = found
        return found

    def _asked(self, function: str, count: int) -> Arguments:
        macro = self._parser.cursor.execute(MACROS, [function]).fetchone()
        if macro is not None:
            casts = dict(_casts(self._tree(macro[1].rstrip().rstrip(";"))))
            known = [(name, casts[name.lower()]) for name in macro[0] if name.lower() in casts]
            return dict(known) | {macro[0].index(name): kind for name, kind in known}
        signatures = self._parser.cursor.execute(SIGNATURES, [function, count]).fetchall()
        by_position = list(zip(*(row[0] for row in signatures), strict=True))
        return {at: kinds[0] for at, kinds in enumerate(by_position) if len(set(kinds)) == 1 and _is_exact(kinds[0])}


def _is_exact(sql_type: str) -> bool:
    return sql_type.isidentifier() and len(sql_type) > 1 and sql_type != "ANY"


def _is_parameter(node: object) -> bool:
    return isinstance(node, dict) and node.get("class") == "PARAMETER"


def _casts(tree: Node) -> Iterator[tuple[str, str]]:
    """The plain casts of a macro's body: `(k, BIGINT)` for `k::bigint`."""
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            child = node.get("child")
            plain = node.get("class") == "CAST" and node["cast_type"]["type_info"] is None
            if plain and isinstance(child, dict) and len(child.get("column_names", [])) == 1:
                yield str(child["column_names"][0]).lower(), str(node["cast_type"]["id"])
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _rows_of(node: Node) -> Iterator[list[Node]]:
    """The rows of a VALUES list or the select list of what an INSERT writes."""
    if node.get("type") == "SET_OPERATION_NODE":
        for side in ("left", "right"):
            yield from _rows_of(node[side])
        return
    table = node.get("from_table") or {}
    if table.get("type") == "EXPRESSION_LIST":
        yield from table["values"]
    elif not any(item.get("class") == "STAR" for item in node.get("select_list", [])):
        yield node["select_list"]


def _sites(tree: Node, arguments: Asking) -> Iterator[_Site]:
    """The parameters of a statement that stand beside something with a type, in the order of the text."""
    stack: list[tuple[object, _Scope]] = [(tree, NOWHERE)]
    while stack:
        node, scope = stack.pop()
        if isinstance(node, list):
            stack.extend((item, scope) for item in reversed(node))
        elif isinstance(node, dict):
            if "cte_map" in node:
                scope = _Scope(node.get("from_table") or NOWHERE.table, scope.ctes + tuple(node["cte_map"]["map"]))
            yield from _of_node(node, scope, arguments)
            stack.extend((item, scope) for item in reversed(list(node.values())))


def _of_node(node: Node, scope: _Scope, arguments: Asking) -> Iterator[_Site]:
    group = node.get("class")
    if group == "CAST" and _is_parameter(node["child"]):
        kind = node["cast_type"]
        like = {**node, "child": _null()} if kind["type_info"] else str(kind["id"])
        yield _Site(node["child"]["identifier"], like, scope)
    elif group == "FUNCTION" and str(node["function_name"]) in ARITHMETIC:
        yield from _alike(node["children"], scope, only_number=True)
    elif group == "FUNCTION":
        yield from _called(node, scope, arguments)
    elif node.get("type") == "LIMIT_MODIFIER":
        for part in (node.get("limit"), node.get("offset")):
            if part is not None and _is_parameter(part):
                yield _Site(part["identifier"], "BIGINT", scope)
    else:
        yield from _alike(_equals(node), scope)


def _equals(node: Node) -> list[Node]:
    """The expressions directly below `node` that have one type."""
    match node.get("class"):
        case "COMPARISON":
            return [node["left"], node["right"]]
        case "BETWEEN":
            return [node["input"], node["lower"], node["upper"]]
        case "CASE":
            return [*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]]
        case "OPERATOR" if node.get("type") in SAME_TYPE:
            children: list[Node] = node["children"]
            return children
    return []


def _alike(nodes: list[Node], scope: _Scope, *, only_number: bool = False) -> Iterator[_Site]:
    known = [node for node in nodes if not _is_parameter(node) and not (node.get("value") or {}).get("is_null")]
    if known:
        best = min(known, key=lambda node: node.get("class") != "COLUMN_REF")
        for node in nodes:
            if _is_parameter(node):
                yield _Site(node["identifier"], {**best, "alias": ""}, scope, only_number)


def _called(node: Node, scope: _Scope, arguments: Asking) -> Iterator[_Site]:
    children = node["children"]
    if any(_is_parameter(child) for child in children):
        types = arguments(str(node["function_name"]), len(children))
        for at, child in enumerate(children):
            kind = types.get(child.get("alias") or at)
            if _is_parameter(child) and kind is not None:
                yield _Site(child["identifier"], kind, scope)


def _null() -> Node:
    value = {"type": {"id": "NULL", "type_info": None}, "is_null": True}
    return {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "query_location": 0, "value": value}


def named(names: Sequence[str], params: Parameters | None) -> Parameters | None:
    """Parameters as the engine wants them: in order for `?`, by name for `$name`.

    Raises Invalid for too few or too many.
    """
    if params is None or isinstance(params, Mapping) or all(name.isdigit() for name in names):
        return params
    if len(params) != len(names):
        raise Invalid(f"{len(params)} values were given for {len(names)} parameters", "give one value to each")
    return dict(zip(names, params, strict=True))
