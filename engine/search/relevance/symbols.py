"""Symbols of a source: from its syntax tree where there is a grammar, else by the original's patterns."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tree_sitter import Node

from engine.search.relevance.languages import Rules, grammar, language_of, names
from engine.search.relevance.trees import parsed
from engine.search.relevance.words import last_name, tells

NAME = r"[A-Za-z_]\w*"
DEFINED = re.compile(
    rf"\bpub(?:\([^()\n]{{0,100}}\))?\s+(?:async\s+|unsafe\s+|const\s+)*"
    rf"(?:fn|struct|enum|trait|type|const|static|mod)\s+({NAME})"
    rf"|\bexport\s+(?:default\s+|declare\s+|abstract\s+|async\s+)*"
    rf"(?:function\*?|class|interface|type|enum|const|let|var)\s+({NAME})"
)
USE = re.compile(rf"\buse\s+((?:{NAME}::)*(?:{NAME}|\{{[^{{}}]*\}}))(?:\s+as\s+({NAME}))?\s*;")
IMPORT = re.compile(r"\bimport\b")
ENDS = re.compile(r"[;'\"]")
FROM = re.compile(r"(?<=\S)\s+from\b")  # white space is looked at from its begin only: linear time
TYPE = re.compile(r"^type\s+")
GO_VERSION = re.compile(r"[/.]v\d+$")  # example.com/store/v2 is the package `store`, gopkg.in/yaml.v3 is `yaml`
HAS_NO_VISIBILITY = ("function_signature_item", "macro_definition")
MODIFIERS = 3  # children before the name of an item


@dataclass(frozen=True)
class Symbols:
    """The names that a source defines for others, and those that it takes from others."""

    defined: frozenset[str]
    imported: frozenset[str]
    read: bool = True  # False: there are none, since the source takes too long to parse


def symbols(path: str | None, content: str, check: Callable[[], None] = lambda: None) -> Symbols:
    """The symbols of `content`; the suffix of `path` tells its language. A name that is defined is not imported.

    `check` is called on the way and may raise to stop.
    """
    language = language_of(path)
    found = _by_patterns(content) if language is None else _by_grammar(language, content, check)
    defined, imported = found or (set(), set())
    kept = frozenset(name for name in defined if tells(name))
    return Symbols(kept, frozenset(name for name in imported if tells(name)) - kept, found is not None)


def _by_grammar(language: str, content: str, check: Callable[[], None]) -> tuple[set[str], set[str]] | None:
    loaded, rules = grammar(language)
    tree = parsed(content.encode("utf-8", "replace"), loaded, check)
    if tree is None:
        return None
    defined: set[str] = set()
    imported: set[str] = set()
    waiting = [(rules.root, tree.root_node)]
    while waiting:
        check()
        parent, node = waiting.pop()
        passed = node.child_by_field_name(rules.passed) if rules.passed else None
        for child in node.named_children:
            place = (parent, child.type)
            if place in rules.defined and (parent == rules.open[0] or _is_public(child, rules)):
                defined.update(_text(name) for name in names(child))
            if place in rules.imported and child != passed:
                imported.add(last_name(GO_VERSION.sub("", _text(child).strip('"`'))))
            if child.is_error:  # what is whole within it is read as if it stood at the top
                waiting.append((rules.root, child))
            elif place in rules.descend and not _is_foreign(child, rules):
                waiting.append((parent if place == rules.open else child.type, child))
    return defined, imported


def _is_public(node: Node, rules: Rules) -> bool:
    if not rules.public or node.type in HAS_NO_VISIBILITY:
        return True
    return any(child.type == rules.public for child in node.named_children[:MODIFIERS])


def _is_foreign(node: Node, rules: Rules) -> bool:
    kind, field = rules.foreign
    return node.type == kind and node.child_by_field_name(field) is not None


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _by_patterns(content: str) -> tuple[set[str], set[str]]:
    defined = {name for pair in DEFINED.findall(content) for name in pair if name}
    imported: set[str] = set()
    for path, alias in USE.findall(content):
        inside = path.rpartition("{")[2].rstrip("}") if "{" in path else path
        imported.update(last_name(part) for part in re.split(r",|\bas\b", inside))
        imported.add(alias)
    for clause in _clauses(content):
        parts = re.split(r"[{},]|\bas\b", clause.replace("*", " "))
        imported.update(part.strip() for part in parts if re.fullmatch(NAME, part.strip()))
    return defined, imported


def _clauses(content: str) -> Iterator[str]:
    """What stands between each `import` and its `from`; the next import or the end of the statement ends it."""
    for after in IMPORT.split(content)[1:]:
        statement = ENDS.split(after, maxsplit=1)[0]
        found = FROM.search(statement.lstrip())
        if found is not None and statement[0].isspace():
            yield TYPE.sub("", statement.lstrip()[: found.start()])
