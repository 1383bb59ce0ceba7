"""Statements that name nothing of a bucket: functions of the lake and of the engine, constants, their own subqueries.

Looking up one unqualified name in a bucket begins a transaction of its catalog, which costs more than a small question
does. Such a statement means the same wherever it runs, so it runs where no bucket is on the search path.
"""

from collections.abc import Collection

from engine.containment import tree as syntax

TYPES = {"json"}  # that the parse has by their names and that no bucket makes
OF_THE_PLACE = {"current_schema", "current_catalog", "current_database", "current_schemas", "in_search_path"}


def is_placeless(tree: syntax.Node, functions: Collection[str]) -> bool:
    """Whether the parse of a SELECT names nothing that a bucket could have. `functions`: those of ours and the engine,
    names that no macro of a bucket may take.
    """
    return all(_is_placeless(node, functions) for node in syntax.parts(tree))


def _is_placeless(node: syntax.Node, functions: Collection[str]) -> bool:
    kind = node.get("type")
    if kind in ("BASE_TABLE", "SHOW_REF"):
        return False
    if kind == "COLUMN_REF":
        return node["column_names"][-1].lower() not in OF_THE_PLACE
    if kind == "UNBOUND_TYPE_INFO":
        return not node["schema"] and str(node["name"]).lower() in TYPES
    name = syntax.function(node)
    if name is None:
        return True
    qualified = node.get("catalog") or node.get("schema") not in (None, "", "main")
    return not qualified and name in functions and name not in OF_THE_PLACE and not name.startswith(("duckdb_", "pg_"))


def calls(tree: syntax.Node, ours: Collection[str]) -> frozenset[str]:
    """Those of our functions that a parse calls; none when one is called with a column, so with many rows."""
    called = [node for node in syntax.parts(tree) if syntax.function(node) in ours]
    constant = all(part.get("class") != "COLUMN_REF" for node in called for part in syntax.parts(node["children"]))
    return frozenset(str(syntax.function(node)) for node in called) if constant else frozenset()
