"""The definitions of a folder of code: a row for each that others may use, and one for each file that says what it is.

Read from syntax trees (tree-sitter), with the grammars of the relevance filter.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tree_sitter import Node, Parser

from engine.errors import Invalid
from engine.search.relevance.languages import grammar, language_of
from engine.search.repository import grammar as rules
from engine.search.repository import texts
from engine.search.repository.folder import File, Folder, nothing
from engine.search.repository.grammar import GRAMMARS, Grammar

Spot = tuple[Sequence[Node], int]  # some nodes beside each other, and which of them
FILE = "file"
SIGNATURE, CODE = 400, 300  # characters; what is longer is cut
CALLED = ("function", "method", "macro")  # kinds whose bodies do something
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
DOUBLED = re.compile(r"\s+")
GO_PACKAGE, EXPORT = "package_clause", "export_statement"
WRAPPERS = (  # what stands around one definition; a comment is beside it, not inside
    "decorated_definition", "expression_statement", EXPORT, "lexical_declaration", "variable_declaration",
    "type_declaration", "const_declaration", "var_declaration",
)  # fmt: skip
ASSIGNMENT = "assignment"
EXPORTING = ("typescript", "tsx")  # languages in which others can use what is exported, and that only
MOST = 100_000  # definitions
LONGEST_FILE = 20_000  # characters of the text of a file
LONGEST_NAME = 1000  # characters of the names around a definition; what stands in more of them is not looked at
RECEIVER = re.compile(r"(\w+)(?:\[[^\]]*\])?\s*\)$")  # of a method in Go: `(store *Store[K])`
FILE_COMMENT = re.compile(r"^\s*(?://!|/\*\*)")


@dataclass(frozen=True)
class Symbol:
    """One definition."""

    name: str  # with that of its class before it
    kind: str
    line: int  # from 1
    signature: str
    doc: str | None
    code: str = ""  # how the body begins
    public: bool = True


@dataclass(frozen=True)
class _Place:
    """Where in a tree a node stands, and what of that passes on to what stands below it."""

    node: Node
    holder: str = ""  # the names of the classes or modules around it, each with a dot
    inside: str = ""  # what the innermost of these is
    exported: bool = False
    hidden: bool = False  # it is within something that is not public
    above: Spot | None = None  # where its wrapper stands: the comment is beside that


def rows(folder: Folder, path: str) -> list[dict[str, Any]]:
    """The rows of `repo_symbols`, ordered by path and line. Raises NotFound when there are none."""
    found: list[dict[str, Any]] = []
    for file in folder.files():
        found += defined(file)
        if len(found) > MOST:
            raise Invalid(f"the folder has more than {MOST} definitions", "name a folder in it, or some files: include")
    if not found:
        raise nothing(path, "definitions in " + ", ".join(sorted({*GRAMMARS} - {"tsx"})))
    return found


def reads(path: str) -> bool:
    """Whether there is a grammar for a file of that name."""
    return language_of(path) is not None


def defined(file: File) -> list[dict[str, Any]]:
    """The rows of one file, each with an id of its own that lasts while the name does."""
    if file.data is None:
        unread = Symbol(PurePosixPath(file.path).name, FILE, 1, "", None)
        return [_row(file.path, file.path, unread, None, file.error)]
    found = symbols(file.path, texts.decoded(file.data)[0])
    about = next((_first(one) for one in found if one.kind == FILE), "")
    taken: dict[str, int] = {}
    made = []
    for one in (one for one in found if one.public):
        id = file.path if one.kind == FILE else f"{file.path}#{one.name}"
        taken[id] = taken.get(id, 0) + 1
        text = _file_text(file.path, one, found) if one.kind == FILE else _text(file.path, one, about)
        made.append(_row(f"{id}~{taken[id]}" if taken[id] > 1 else id, file.path, one, text, None))
    return made


def _row(id: str, path: str, symbol: Symbol, text: str | None, error: str | None) -> dict[str, Any]:
    return {
        "id": id, "name": symbol.name, "kind": symbol.kind, "path": path, "line": symbol.line,
        "language": texts.language(path), "signature": symbol.signature, "doc": symbol.doc, "text": text,
        "error": error,
    }  # fmt: skip


def _text(path: str, symbol: Symbol, about: str) -> str:
    """What is searched of a definition: what is said of it, its name (as words, too), where it stands, how it begins.

    Where nothing is said of it, what its file is: more of that would make all definitions of a file alike.
    """
    spoken = " ".join(word.lower() for word in WORDS.findall(symbol.name))
    head = f"{symbol.kind} {symbol.name}" + (f" ({spoken})" if spoken != symbol.name.lower() else "") + f" in {path}"
    said = (symbol.doc, head) if symbol.doc else (head, about)
    return "\n".join(part for part in (*said, symbol.signature, symbol.code) if part)


def _file_text(path: str, file: Symbol, found: Sequence[Symbol]) -> str:
    """What is searched of a file: what it says of itself, then a line for each definition, private ones too."""
    inside = [f"{one.name}: {_first(one)}" for one in found if one.kind != FILE and one.doc]
    return "\n".join(part for part in (path, file.doc, *inside) if part)[:LONGEST_FILE]


def _first(symbol: Symbol) -> str:
    return (symbol.doc or "").partition("\n")[0]


def symbols(path: str, content: str) -> list[Symbol]:
    """A file, if it or one of its definitions says what it is, then all definitions by line; none without a grammar."""
    language = language_of(path)
    if language is None:
        return []
    loaded, _ = grammar(language)
    tree = Parser(loaded).parse(content.encode("utf-8", "replace"))
    about = _about(tree.root_node, language)
    found = sorted(_definitions(tree.root_node, GRAMMARS[language], language), key=lambda one: (one.line, one.name))
    if about is None and not any(one.doc for one in found):
        return found
    return [Symbol(PurePosixPath(path).name, FILE, 1, "", about), *found]


def _about(root: Node, language: str) -> str | None:
    """What a file says of itself: its docstring, its inner comment, or the comment of its package."""
    if language == "python":
        return rules.docstring(root)
    if language == "go":
        nodes = root.named_children
        return next((rules.before(nodes, at) for at, one in enumerate(nodes) if one.type == GO_PACKAGE), None)
    first = root.named_children[:1]
    if not first or first[0].type not in rules.COMMENTS or not FILE_COMMENT.match(rules.text(first[0])):
        return None
    lines = []
    for one in root.named_children:
        if one.type not in rules.COMMENTS or not FILE_COMMENT.match(rules.text(one)):
            break
        lines.append(rules.text(one).rstrip("\n"))
    follows = root.named_children[len(lines) :][:1]
    own = lines[0].lstrip().startswith("//!") or not follows or follows[0].type == "import_statement"
    return rules.stripped("\n".join(lines)) or None if own else None


def _definitions(root: Node, language: Grammar, name: str) -> Iterator[Symbol]:
    waiting = [_Place(root)]
    while waiting:
        place = waiting.pop()
        nodes = place.node.named_children
        alone = sum(node.type in language.kinds for node in nodes) == 1
        for at, node in enumerate(nodes):
            kind = language.kinds.get(node.type)
            called = _name(node, name) if kind else ""
            public = bool(called) and not place.hidden and language.is_public(node, called)
            if kind and called and (node.type != ASSIGNMENT or not place.holder):
                spots = [(nodes, at), *([place.above] if place.above and alone else [])]
                counts = public and (place.exported or name not in EXPORTING)
                yield _symbol(node, place, called, kind, language, spots, counts)
            if node.is_error or node.type in language.entered:
                waiting.append(_entered(place, nodes, at))
            elif node.type in language.holders:
                holder = rules.text(node.child_by_field_name(language.holders[node.type])).partition("<")[0]
                body = node.child_by_field_name("body")
                if body is not None and len(place.holder) < LONGEST_NAME:
                    hidden = place.hidden or (bool(kind) and not public)
                    waiting.append(_Place(body, f"{place.holder}{holder}.", node.type, place.exported, hidden))


def _entered(place: _Place, nodes: Sequence[Node], at: int) -> _Place:
    node = nodes[at]
    above = (place.above or (nodes, at)) if node.type in WRAPPERS else None
    return _Place(node, place.holder, place.inside, place.exported or node.type == EXPORT, place.hidden, above)


def _name(node: Node, language: str) -> str:
    named = node.child_by_field_name("left" if node.type == ASSIGNMENT else "name")
    if named is None or (node.type == ASSIGNMENT and named.type != "identifier"):
        return ""
    called = rules.text(named).strip("'\"")
    if language == "go" and node.type == "method_declaration":
        receiver = RECEIVER.search(rules.text(node.child_by_field_name("receiver"))[-SIGNATURE:])
        return called if receiver is None else f"{receiver.group(1)}.{called}" if called[:1].isupper() else ""
    return called


def _symbol(
    node: Node, place: _Place, name: str, kind: str, language: Grammar, spots: Sequence[Spot], public: bool
) -> Symbol:
    beside = (read(*spot) for read in (rules.before, rules.after) for spot in spots)
    said = language.documented(node) or next((comment for comment in beside if comment), None)
    within = language.within.get(node.type, kind) if place.inside not in ("", rules.MODULE) else kind
    end = _head(node)
    code = _flat(_source(node, _after_docstring(node, end, language)), CODE) if within in CALLED else ""
    signature = _flat(_source(node, node.start_byte, end), SIGNATURE)
    return Symbol(f"{place.holder}{name}", within, node.start_point.row + 1, signature, said, code, public)


def _head(node: Node) -> int:
    """Where the signature of a definition ends: before its body, or a comment in front of that."""
    body = node.child_by_field_name("body")
    if body is None:
        return node.end_byte
    return min(one.start_byte for one in node.children if one == body or one.type in rules.COMMENTS)


def _after_docstring(node: Node, head: int, language: Grammar) -> int:
    body = node.child_by_field_name("body")
    if body is None or language.documented(node) is None:
        return head
    return next(one.end_byte for one in body.named_children if one.type not in rules.COMMENTS)


def _source(node: Node, start: int, end: int | None = None) -> str:
    source = (node.text or b"")[start - node.start_byte : None if end is None else end - node.start_byte]
    return source.decode("utf-8", "replace")


def _flat(source: str, longest: int) -> str:
    """Some source on one line, without the marks around a body."""
    flat = DOUBLED.sub(" ", source).strip().strip("{}:").strip()
    return flat if len(flat) <= longest else flat[:longest] + "…"
