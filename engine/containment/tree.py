"""Reading the parse of a SELECT as `json_serialize_sql` gives it, without recursion: statements may nest deeply."""

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]


def parts(item: object) -> Iterator[Node]:
    """Every JSON object below `item`, itself too."""
    stack = [item]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield one
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)


def children(node: Node) -> Iterator[Node]:
    """The JSON objects directly below a node, lists seen through."""
    stack: list[object] = list(node.values())
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield one
        elif isinstance(one, list):
            stack.extend(one)


def is_query(node: Node) -> bool:
    """Whether a node is a query: a SELECT, a set operation, a recursive CTE."""
    return str(node.get("type", "")).endswith("_NODE")


def function(node: Node) -> str | None:
    """The name of the function that a node calls, in lower case; None when it calls none."""
    if node.get("class") in ("FUNCTION", "WINDOW") and "function_name" in node:
        return str(node["function_name"]).lower()
    return None


def arguments(node: Node) -> list[Node]:
    """The arguments of a call."""
    return [child for child in node.get("children", []) if isinstance(child, dict)]


def text(node: Node) -> str | None:
    """The text of a string constant; None for anything else."""
    if node.get("class") != "CONSTANT":
        return None
    value = node["value"]
    return str(value["value"]) if value["type"]["id"] == "VARCHAR" and not value.get("is_null") else None


def number(node: Node) -> int | None:
    """The value of an integer constant; None for anything else."""
    if node.get("class") != "CONSTANT":
        return None
    value = node["value"].get("value")
    integer = str(node["value"]["type"]["id"]).endswith("INT") or node["value"]["type"]["id"] == "INTEGER"
    return value if integer and isinstance(value, int) else None
