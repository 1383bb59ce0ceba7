"""Where names stand in the syntax trees of four languages: rules of (kind of the parent, kind of the node).

As in the original, what is defined is what others can take from the file: `pub` in Rust, `export` in TypeScript, the
top level in Python and Go. Methods are left out there: names such as `run` and `close` are in every file, and would
keep three times as many chunks of imported files.

The trees are walked from the top and not searched with tree-sitter's queries: those take quadratic time on a flat row
of errors (3 s for 64 kB of `{`), and cannot be stopped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import tree_sitter_go
import tree_sitter_python
import tree_sitter_rust
import tree_sitter_typescript
from tree_sitter import Language, Node

Pairs = frozenset[tuple[str, str]]


def pairs(rules: Mapping[str, str]) -> Pairs:
    """`{parent: 'kind kind'}` as pairs; several parents have spaces between."""
    return frozenset(
        (parent, kind) for parents, kinds in rules.items() for parent in parents.split() for kind in kinds.split()
    )


@dataclass(frozen=True)
class Rules:
    """What to do with a node below a parent."""

    root: str
    descend: Pairs  # look at its children
    defined: Pairs  # its names are defined here
    imported: Pairs  # it is the path or the name of something that is imported
    public: str = ""  # only definitions with a child of this kind count; a signature and a macro have none
    passed: str = ""  # the child of this field is passed over
    foreign: tuple[str, str] = ("", "")  # nodes of this kind with this field hand on what is defined elsewhere
    open: tuple[str, str] = ("", "")  # below a parent of this kind, nodes of this kind hold only what is public


PYTHON_TOP = "module block"
PYTHON = Rules(
    root="module",
    descend=pairs(
        {
            PYTHON_TOP: "decorated_definition expression_statement import_statement import_from_statement "
            "if_statement try_statement with_statement",
            "if_statement try_statement with_statement": "block else_clause elif_clause except_clause finally_clause",
            "else_clause elif_clause except_clause finally_clause": "block",
            "import_statement import_from_statement": "aliased_import",
        }
    ),
    defined=pairs(
        {
            f"{PYTHON_TOP} decorated_definition": "function_definition class_definition",
            "expression_statement": "assignment",
        }
    ),
    imported=pairs(
        {
            "import_statement import_from_statement": "dotted_name",
            "aliased_import": "dotted_name identifier",
        }
    ),
    passed="module_name",
)
RUST_ITEMS = "function_item struct_item enum_item union_item trait_item type_item const_item static_item mod_item"
RUST = Rules(
    root="source_file",
    descend=pairs(
        {
            "source_file declaration_list": "mod_item impl_item trait_item use_declaration",
            "mod_item impl_item trait_item": "declaration_list",
            "use_declaration use_list": "use_list scoped_use_list use_as_clause",
            "scoped_use_list": "use_list",
        }
    ),
    defined=pairs(
        {
            "source_file declaration_list": f"{RUST_ITEMS} function_signature_item macro_definition",
            "trait_item": "function_item function_signature_item",
        }
    ),
    imported=pairs({"use_declaration use_list use_as_clause": "identifier scoped_identifier"}),
    public="visibility_modifier",
    open=("trait_item", "declaration_list"),
)
TYPESCRIPT = Rules(
    root="program",
    descend=pairs(
        {
            "program": "export_statement import_statement",
            "export_statement": "lexical_declaration variable_declaration export_clause ambient_declaration",
            "export_statement ambient_declaration": "internal_module module",
            "internal_module module": "statement_block",
            "statement_block": "export_statement",
            "import_statement": "import_clause import_require_clause",
            "import_clause": "named_imports namespace_import",
            "named_imports": "import_specifier",
        }
    ),
    defined=pairs(
        {
            "export_statement ambient_declaration": "function_declaration generator_function_declaration "
            "function_signature class_declaration abstract_class_declaration interface_declaration "
            "type_alias_declaration enum_declaration internal_module module",
            "lexical_declaration variable_declaration": "variable_declarator",
            "export_clause": "export_specifier",
        }
    ),
    imported=pairs({"import_clause import_require_clause namespace_import import_specifier": "identifier"}),
    foreign=("export_statement", "source"),
)
GO = Rules(
    root="source_file",
    descend=pairs(
        {
            "source_file": "type_declaration const_declaration var_declaration import_declaration",
            "var_declaration": "var_spec_list",
            "import_declaration": "import_spec import_spec_list",
            "import_spec_list": "import_spec",
        }
    ),
    defined=pairs(
        {
            "source_file": "function_declaration",
            "type_declaration": "type_spec type_alias",
            "const_declaration": "const_spec",
            "var_declaration var_spec_list": "var_spec",
        }
    ),
    imported=pairs({"import_spec": "interpreted_string_literal raw_string_literal package_identifier"}),
)

GRAMMARS: dict[str, tuple[Callable[[], object], Rules]] = {
    "python": (tree_sitter_python.language, PYTHON),
    "rust": (tree_sitter_rust.language, RUST),
    "typescript": (tree_sitter_typescript.language_typescript, TYPESCRIPT),
    "tsx": (tree_sitter_typescript.language_tsx, TYPESCRIPT),
    "go": (tree_sitter_go.language, GO),
}
SUFFIXES = {
    ".py": "python", ".pyi": "python", ".rs": "rust", ".go": "go",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript",
    ".tsx": "tsx", ".jsx": "tsx", ".js": "tsx", ".mjs": "tsx", ".cjs": "tsx",  # JavaScript reads as TSX
}  # fmt: skip


PATTERNS = {  # nodes that bind several names: the field of them that does, or all their children
    "pattern_list": None, "tuple_pattern": None, "list_pattern": None, "list_splat_pattern": None,
    "object_pattern": None, "array_pattern": None, "rest_pattern": None, "pair_pattern": "value",
    "object_assignment_pattern": "left", "assignment_pattern": "left",
}  # fmt: skip
NO_NAMES = ("attribute", "subscript")  # what stands on the left of an assignment and was defined before


def language_of(path: str | None) -> str | None:
    """The language of a file by its suffix; None when there is no grammar for it."""
    return SUFFIXES.get(PurePosixPath(path.replace("\\", "/")).suffix.lower()) if path else None


@cache
def grammar(language: str) -> tuple[Language, Rules]:
    """The grammar and the rules of a language; many threads may use them."""
    made, rules = GRAMMARS[language]
    return Language(made()), rules


def names(node: Node) -> list[Node]:
    """The names that a definition binds: several in `const A, B = 1, 2` and in `const { a, b: c } = made()`."""
    waiting = node.children_by_field_name("name") or node.children_by_field_name("left")
    found = []
    while waiting:
        one = waiting.pop()
        if one.type in PATTERNS:
            field = PATTERNS[one.type]
            waiting += one.named_children if field is None else one.children_by_field_name(field)
        elif one.is_named and one.type not in NO_NAMES:
            found.append(one)
    return found[::-1]
