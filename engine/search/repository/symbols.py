"""The definitions of a folder of code: a row for each that others may use, and one for each file that says what it is.

Read from syntax trees (tree-sitter), with the grammars of the relevance filter.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from tree_sitter import Node

from engine.errors import Invalid
from engine.search.relevance.languages import grammar, language_of, names
from engine.search.relevance.trees import TOO_LONG, parsed
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
    taken: dict[str, int] = {}
    for file in folder.files():
        found += defined(file, taken, folder.check)
        if len(found) > MOST:
            raise Invalid(f"the folder has more than {MOST} definitions", "name a folder in it, or some files: include")
    if not found:
        raise nothing(path, "definitions in " + ", ".join(sorted({*GRAMMARS} - {"tsx"})))
    return found


def reads(path: str) -> bool:
    """Whether there is a grammar for a file of that name."""
    return language_of(path) is not None


def defined(file: File, taken: dict[str, int], check: Callable[[], None]) -> list[dict[str, Any]]:
    """The rows of one file, each with an id of its own that lasts while the name does.

    `taken`: the ids of the files before; `check` is called on the way and may raise to stop.
    """
    found = symbols(file.path, texts.decoded(file.data)[0], check) if file.data is not None else file.error
    if found is None or isinstance(found, str):
        unread = Symbol(PurePosixPath(file.path).name, FILE, 1, "", None)
        return [_row(texts.distinct(file.path, taken, "~", 2), file.path, unread, None, found)]
    about = next((_first(one) for one in found if one.kind == FILE), "")
    made = []
    for one in (one for one in found if one.public):
        id = file.path if one.kind == FILE else f"{file.path}#{one.name}"
        text = _file_text(file.path, one, found) if one.kind == FILE else _text(file.path, one, about)
        made.append(_row(texts.distinct(id, taken, "~", 2), file.path, one, text, None))
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


def symbols(path: str, content: str, check: Callable[[], None]) -> list[Symbol] | str:
    """A file, if it or one of its definitions says what it is, then all definitions by line; none without a grammar.

    A text says why the file could not be read.
    """
    language = language_of(path)
    if language is None:
        return []
    loaded, _ = grammar(language)
    tree = parsed(content.encode("utf-8", "replace"), loaded, check)
    if tree is None:
        return TOO_LONG
    about = _about(tree.root_node, language)
    made = _definitions(tree.root_node, GRAMMARS[language], language, check)
    found = sorted(made, key=lambda one: (one.line, one.name))
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


def _definitions(root: Node, language: Grammar, name: str, check: Callable[[], None]) -> Iterator[Symbol]:
    waiting = [_Place(root)]
    while waiting:
        check()
        place = waiting.pop()
        nodes = place.node.named_children
        alone = sum(node.type in language.kinds for node in nodes) == 1
        for at, node in enumerate(nodes):
            kind = language.kinds.get(node.type, "")
            called = _names(node, name) if kind and (node.type != ASSIGNMENT or not place.holder) else []
            public = {one for one in called if _is_public(node, one, place, language)}
            if called:
                spots = [(nodes, at), *([place.above] if place.above and alone else [])]
                made = _symbol(node, place, kind, language, spots)
                seen = public if place.exported or name not in EXPORTING else ()
                yield from (replace(made, name=f"{place.holder}{one}", public=one in seen) for one in called)
            if node.is_error or node.type in language.entered:
                waiting.append(_entered(place, nodes, at))
            elif node.type in language.holders:
                waiting += _held(place, node, language, is_hidden=bool(kind) and not public)


def _is_public(node: Node, name: str, place: _Place, language: Grammar) -> bool:
    return not place.hidden and (place.inside == rules.TRAIT or language.is_public(node, name))


def _held(place: _Place, node: Node, language: Grammar, *, is_hidden: bool) -> list[_Place]:
    """What stands in a class, trait or module. Of a namespace others see what it exports, if it is exported itself."""
    holder = rules.text(node.child_by_field_name(language.holders[node.type])).partition("<")[0]
    body = node.child_by_field_name("body")
    if body is None or len(place.holder) >= LONGEST_NAME:
        return []
    is_namespace = node.type in rules.NAMESPACES
    hidden = place.hidden or is_hidden or (is_namespace and not place.exported)
    return [_Place(body, f"{place.holder}{holder}.", node.type, place.exported and not is_namespace, hidden)]


def _entered(place: _Place, nodes: Sequence[Node], at: int) -> _Place:
    node = nodes[at]
    above = (place.above or (nodes, at)) if node.type in WRAPPERS else None
    return _Place(node, place.holder, place.inside, place.exported or node.type == EXPORT, place.hidden, above)


def _names(node: Node, language: str) -> list[str]:
    called = [rules.text(one).strip("'\"") for one in names(node)]
    if language == "go" and node.type == "method_declaration":
        receiver = RECEIVER.search(rules.text(node.child_by_field_name("receiver"))[-SIGNATURE:])
        if receiver is not None:
            return [f"{receiver.group(1)}.{one}" for one in called if one[:1].isupper()]
    return [one for one in called if one]


def _symbol(node: Node, place: _Place, kind: str, language: Grammar, spots: Sequence[Spot]) -> Symbol:
    """What a node defines, whatever its names are."""
    beside = (read(*spot) for read in (rules.before, rules.after) for spot in spots)
    said = language.documented(node) or next((comment for comment in beside if comment), None)
    within = language.within.get(node.type, kind) if place.inside not in ("", rules.MODULE) else kind
    end = _head(node)
    code = _flat(_source(node, _after_docstring(node, end, language)), CODE) if within in CALLED else ""
    signature = _flat(_source(node, node.start_byte, end), SIGNATURE)
    return Symbol("", within, node.start_point.row + 1, signature, said, code)


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
