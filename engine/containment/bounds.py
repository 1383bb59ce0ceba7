"""Statements that would be planned for long: planning heeds no interrupt. What is refused took a second or more.

The numbers are measured on DuckDB 1.5.5, see `docs/decisions/0009-containment.md`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from engine.containment.tree import Node, children, function, is_query, parts
from engine.errors import Invalid

MAX_EXPRESSIONS = 100_000
MAX_CHAIN = 250  # operators in each other
MAX_CHAINS = 300_000  # the sum over all operators of how many stand above them in a chain
MAX_SUBQUERIES = 16  # expressions with a subquery, in each other
MAX_COPIES = 1_000  # of one expression
MAX_ALTERNATIVES = 5_000  # terms of AND and OR
MAX_COMPLEX_ALTERNATIVES = 700  # terms of OR that are more than a comparison
MAX_SOURCES = 50  # tables of one FROM
MAX_NAME_PARTS = 8
MAX_EXPANSIONS = 1_000  # of common table expressions in each other
MAX_WIDTH = 10_000  # columns that stars make
TABLE_WIDTH = 10  # columns of a table, for that estimate
COPYING = {"nullif": 2, "fmod": 2, "round_even": 4, "roundbankers": 4}  # macros that use an argument several times


def bounds(tree: Node) -> None:
    """Raise Invalid when the statement of this parse would be planned for too long."""
    _check_size(tree)
    _check_nesting(tree)
    for query in (node for node in parts(tree) if is_query(node) and "select_list" in node):
        _check_aliases(query)
        sources = sum(1 for _ in _sources(query.get("from_table", {})))
        if sources > MAX_SOURCES:
            raise _too_much(f"joins {sources} tables at once", f"join at most {MAX_SOURCES}, the rest in a subquery")
    for statement in tree.get("statements", []):
        _Shape.of(statement["node"], {})


def _too_much(what: str, hint: str) -> Invalid:
    return Invalid(f"the statement {what}, which would be planned for too long", hint)


def _check_size(tree: Node) -> None:
    count = terms = complex_terms = 0
    for node in parts(tree):
        count += "class" in node
        if node.get("class") == "CONJUNCTION":
            terms += len(node["children"])
            if node["type"] == "CONJUNCTION_OR":
                complex_terms += sum(one.get("class") != "COMPARISON" for one in node["children"])
        elif node.get("type") == "COLUMN_REF" and len(node["column_names"]) > MAX_NAME_PARTS:
            raise _too_much(f"holds a name of {len(node['column_names'])} parts", f"use at most {MAX_NAME_PARTS}")
    if count > MAX_EXPRESSIONS:
        raise _too_much(f"holds {count} expressions", "pass values as parameters, or load them into a table")
    if terms > MAX_ALTERNATIVES or complex_terms > MAX_COMPLEX_ALTERNATIVES:
        raise _too_much(f"holds {terms} terms of and / or", "use in (…), or join with a table of values")


@dataclass(frozen=True)
class _Path:
    """What stands above an expression."""

    chain: int = 0
    subqueries: int = 0
    copies: int = 1


def _check_nesting(tree: Node) -> None:
    stack: list[tuple[Node, _Path]] = [(tree, _Path())]
    chains = 0
    while stack:
        node, above = stack.pop()
        path = _below(node, above)
        chains += path.chain
        if path.chain > MAX_CHAIN or chains > MAX_CHAINS:
            raise _too_much(f"chains more than {MAX_CHAIN} operators", "use sum(), list_sum() or concat()")
        if path.subqueries > MAX_SUBQUERIES:
            raise _too_much(f"nests more than {MAX_SUBQUERIES} subqueries", "join instead")
        if path.copies > MAX_COPIES:
            raise _too_much("nests expressions that the planner copies", "compute the inner one in a subquery")
        for child in children(node):
            more = _copies(node, child)
            stack.append((child, path if more == 1 else replace(path, copies=path.copies * more)))


def _below(node: Node, above: _Path) -> _Path:
    if "class" not in node:
        return above
    chain = above.chain + 1 if node.get("is_operator") else 0
    return _Path(chain, above.subqueries + (node["class"] == "SUBQUERY"), above.copies)


def _copies(node: Node, child: Node) -> int:
    """How many times the planner copies a child of an expression."""
    if node.get("class") == "BETWEEN":
        return 2 if child is node.get("input") else 1
    if node.get("class") == "LAMBDA":
        return 2 if child is node.get("expr") else 1
    name = function(node)
    return COPYING.get(name, 1) if name else 1


def _check_aliases(query: Node) -> None:
    """A column that another column of the same query uses is put in its place, and what it uses in turn."""
    sizes: dict[str, int] = {}
    total = 0
    for column in query["select_list"]:
        names = [str(node["column_names"][0]).lower() for node in parts(column) if node.get("type") == "COLUMN_REF"]
        size = sum(sizes.get(name, 1) for name in names)
        total += size if any(sizes.get(name, 1) > 1 for name in names) else 0
        if total > MAX_EXPANSIONS * 5:
            raise _too_much("builds columns on each other", "compute the inner ones in a subquery")
        if column.get("alias") and column.get("class") != "COLUMN_REF":
            sizes[str(column["alias"]).lower()] = max(1, size)


def _sources(table: Node) -> Iterator[Node]:
    """The tables, functions and subqueries of one FROM."""
    stack = [table]
    while stack:
        one = stack.pop()
        if one.get("type") == "JOIN":
            stack.extend((one["left"], one["right"]))
        elif one.get("type") not in (None, "EMPTY"):
            yield one


@dataclass(frozen=True)
class _Shape:
    """How wide a query is, and how often common table expressions stand in it when all are put in their places."""

    width: int = TABLE_WIDTH
    expansions: int = 0

    @classmethod
    def of(cls, query: Node, known: Mapping[str, "_Shape"]) -> "_Shape":
        """The shape of `query`, in which the names of `known` are common table expressions."""
        known = dict(known)
        own, shapes = list(_own(query)), {}
        for node in own:
            for entry in (node.get("cte_map") or {}).get("map", []):
                found = cls.of(entry["value"]["query"]["node"], known)
                known[str(entry["key"]).lower()] = cls(found.width, max(1, found.expansions))
        expansions = 0
        for node in own:
            if node.get("type") == "BASE_TABLE" and not node.get("schema_name"):
                named = known.get(str(node["table_name"]).lower(), cls())
                shapes[id(node)] = named
                expansions += named.expansions
            elif node.get("type") in ("SUBQUERY", "SHOW_REF", "PIVOT") or "subquery" in node:
                inner = [cls.of(child, known) for child in _queries(node)]
                expansions += sum(one.expansions for one in inner)
                shapes[id(node)] = cls(sum(one.width for one in inner) or TABLE_WIDTH)
        width = max((_width(node, shapes) for node in own if "select_list" in node), default=TABLE_WIDTH)
        if expansions > MAX_EXPANSIONS:
            raise _too_much(f"expands to more than {MAX_EXPANSIONS} queries", "keep the inner ones in a table")
        if width > MAX_WIDTH:
            raise _too_much(f"has more than {MAX_WIDTH} columns", "name the columns that you need")
        return cls(width, expansions)


def _own(query: Node) -> Iterator[Node]:
    """The nodes of a query and of the sides of its set operations, but not those of queries in it."""
    stack = [query]
    while stack:
        node = stack.pop()
        yield node
        for key, value in node.items():
            if key != "cte_map" and isinstance(value, dict | list):
                stack.extend(child for child in children({key: value}) if not _is_inner(node, child))


def _is_inner(node: Node, child: Node) -> bool:
    side = node.get("type") in ("SET_OPERATION_NODE", "RECURSIVE_CTE_NODE")
    return (is_query(child) and not side) or "node" in child


def _queries(node: Node) -> Iterator[Node]:
    """The queries directly below a node."""
    for child in children(node):
        if is_query(child):
            yield child
        elif isinstance(child.get("node"), dict):
            yield child["node"]


def _width(query: Node, shapes: Mapping[int, _Shape]) -> int:
    below = sum(shapes.get(id(one), _Shape()).width for one in _sources(query.get("from_table", {})))
    stars = sum(1 for column in query["select_list"] if any(one.get("class") == "STAR" for one in parts(column)))
    return stars * below + len(query["select_list"]) - stars
