"""What is a definition in the syntax trees of four languages, where its name, its kind and its doc comment stand.

The relevance filter wants the few names by which a file is known; here every definition counts that others may use,
methods as well.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tree_sitter import Node

from engine.search.relevance.symbols import HAS_NO_VISIBILITY, MODIFIERS

COMMENTS = ("comment", "line_comment", "block_comment")
MARKS = re.compile(r"^[ \t]*(?:///?!?|//!|/\*\*?|\*/|\*(?!\*)|#+!?)[ \t]?|[ \t]*\*/[ \t]*$", re.MULTILINE)
LONGEST = 4000  # characters of a comment; what is longer is cut
ATTRIBUTES = ("attribute_item", "decorator")
MODULE, TRAIT = "mod_item", "trait_item"
NAMESPACES = ("internal_module", "module")  # of TypeScript


@dataclass(frozen=True)
class Grammar:
    """How to read the tree of a language. Nodes that are neither defined nor inner nor entered are passed over."""

    kinds: Mapping[str, str]  # node that defines something: what
    entered: frozenset[str]  # nodes whose children are looked at, as if they stood in its place
    holders: Mapping[str, str]  # nodes with definitions of their own: the field whose name stands before theirs
    is_public: Callable[[Node, str], bool]
    within: Mapping[str, str] = field(default_factory=dict)  # node: what it is in a holder that is no module
    documented: Callable[[Node], str | None] = lambda node: None  # a doc comment that stands inside a node


def text(node: Node | None) -> str:
    """The source of a node."""
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


def stripped(comment: str) -> str:
    """A comment without its marks."""
    return inspect.cleandoc(MARKS.sub("", comment[:LONGEST])).strip()


def before(nodes: Sequence[Node], at: int) -> str | None:
    """The comment right above a node of `nodes`, attributes passed over; one that ends a line of code is not it.

    Siblings come as a list: asking a node for the one before it takes time with the length of the file.
    """
    found: list[str] = []
    row = nodes[at].start_point.row
    for place in range(at - 1, -1, -1):
        other = nodes[place]
        is_comment = other.type in COMMENTS
        ends_code = place > 0 and _last_row(nodes[place - 1]) == other.start_point.row
        if not (is_comment or other.type in ATTRIBUTES) or _last_row(other) < row - 1 or (is_comment and ends_code):
            break
        if is_comment:
            found.append(text(other).rstrip("\n"))
        row = other.start_point.row
    return stripped("\n".join(reversed(found))) or None


def after(nodes: Sequence[Node], at: int) -> str | None:
    """The comment behind a node of `nodes`, on its last line."""
    other = nodes[at + 1] if at + 1 < len(nodes) else None
    beside = other is not None and other.type in COMMENTS and other.start_point.row == _last_row(nodes[at])
    return stripped(text(other)) or None if beside else None


def _last_row(node: Node) -> int:
    return int(node.end_point.row - (node.end_point.column == 0))  # a doc comment of Rust takes its line end


def docstring(node: Node) -> str | None:
    """The docstring of a module, class or function in Python."""
    body = node if node.type == "module" else node.child_by_field_name("body")
    first = next((one for one in body.named_children if one.type not in COMMENTS), None) if body is not None else None
    inside = first.named_children[0] if first is not None and first.type == "expression_statement" else first
    if inside is None or inside.type != "string":
        return None
    content = "".join(text(one) for one in inside.named_children if one.type == "string_content")
    return inspect.cleandoc(content).strip() or None


def _rust_public(node: Node, name: str) -> bool:
    if node.type in HAS_NO_VISIBILITY:
        return True
    return any(child.type == "visibility_modifier" for child in node.named_children[:MODIFIERS])


def _typescript_public(node: Node, name: str) -> bool:
    modifiers = [text(child) for child in node.children if child.type == "accessibility_modifier"]
    return not name.startswith(("#", "_")) and not {"private", "protected"} & set(modifiers) and name != "constructor"


GRAMMARS = {
    "python": Grammar(
        kinds={"function_definition": "function", "class_definition": "class", "assignment": "constant"},
        entered=frozenset(
            (
                "module", "block", "decorated_definition", "expression_statement", "if_statement", "else_clause",
                "elif_clause", "try_statement", "except_clause", "finally_clause", "with_statement",
            )
        ),
        holders={"class_definition": "name"},
        within={"function_definition": "method"},
        is_public=lambda node, name: not name.startswith("_"),
        documented=docstring,
    ),
    "rust": Grammar(
        kinds={
            "function_item": "function", "function_signature_item": "function", "struct_item": "struct",
            "enum_item": "enum", "union_item": "union", "trait_item": "trait", "type_item": "type",
            "const_item": "constant", "static_item": "constant", "mod_item": "module", "macro_definition": "macro",
        },
        entered=frozenset(("source_file", "declaration_list")),
        holders={"impl_item": "type", "trait_item": "name", "mod_item": "name"},
        within={"function_item": "method", "function_signature_item": "method"},
        is_public=_rust_public,
    ),
    "typescript": Grammar(
        kinds={
            "function_declaration": "function", "generator_function_declaration": "function",
            "function_signature": "function", "class_declaration": "class", "abstract_class_declaration": "class",
            "interface_declaration": "interface", "type_alias_declaration": "type", "enum_declaration": "enum",
            "variable_declarator": "constant", "method_definition": "method", **dict.fromkeys(NAMESPACES, "namespace"),
        },
        entered=frozenset(
            (
                "program", "export_statement", "ambient_declaration", "lexical_declaration", "variable_declaration",
                "class_body",
            )
        ),
        holders=dict.fromkeys(("class_declaration", "abstract_class_declaration", *NAMESPACES), "name"),
        is_public=_typescript_public,
    ),
    "go": Grammar(
        kinds={
            "function_declaration": "function", "method_declaration": "method", "type_spec": "type",
            "type_alias": "type", "const_spec": "constant", "var_spec": "variable",
        },
        entered=frozenset(
            ("source_file", "type_declaration", "const_declaration", "var_declaration", "var_spec_list")
        ),
        holders={},
        is_public=lambda node, name: name[:1].isupper(),
    ),
}  # fmt: skip
GRAMMARS["tsx"] = GRAMMARS["typescript"]
