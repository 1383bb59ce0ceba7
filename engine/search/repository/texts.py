"""Texts of files: decoded, with their language by name, and those of Markdown cut at their headings."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)(?:\n|\Z)", re.DOTALL)
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
BETWEEN = " › "
NAMES = {"makefile": "makefile", "dockerfile": "dockerfile", "license": "text", "notice": "text"}
SUFFIXES = {
    suffix: language
    for language, suffixes in {
        "markdown": "md markdown mdx", "restructuredtext": "rst", "asciidoc": "adoc asciidoc", "text": "txt",
        "html": "html htm", "css": "css scss", "xml": "xml svg", "json": "json jsonl ndjson", "yaml": "yaml yml",
        "toml": "toml", "ini": "ini cfg", "csv": "csv tsv", "sql": "sql", "shell": "sh bash zsh", "python": "py pyi",
        "rust": "rs", "go": "go", "typescript": "ts mts cts tsx", "javascript": "js mjs cjs jsx", "java": "java",
        "kotlin": "kt", "c": "c h", "c++": "cc cpp cxx hh hpp", "c#": "cs", "ruby": "rb", "php": "php",
        "swift": "swift", "scala": "scala", "r": "r", "protobuf": "proto", "jinja": "jinja j2",
    }.items()
    for suffix in suffixes.split()
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A part of a Markdown text: from one heading to the next."""

    anchor: str  # as GitHub makes it of the heading; '' for what stands before the first one
    title: str  # the headings above it and its own
    line: int  # from 1
    text: str


def decoded(data: bytes) -> tuple[str, str]:
    """The text of some bytes, its line ends made `\\n`, and the encoding it was read as.

    UTF-8, or UTF-16 with its byte order mark; what is neither is read as windows-1252, which every text can be.
    """
    text, encoding = _read(data)
    return re.sub(r"\r\n?", "\n", text), encoding


def _read(data: bytes) -> tuple[str, str]:
    for mark, encoding in BOMS:
        if data.startswith(mark):
            body = data[len(mark) :] if encoding == "utf-8" else data
            return body.decode(encoding, "replace"), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "windows-1252"


def language(path: str) -> str | None:
    """The language of a file by its name; None when it is not known."""
    name = PurePosixPath(path)
    return SUFFIXES.get(name.suffix.lower().removeprefix(".")) or NAMES.get(name.stem.lower())


def sections(text: str) -> list[Section]:
    """The sections of a Markdown text in their order (CommonMark; headings of both kinds, none within code).

    A heading with nothing below it but further headings is a part of their titles only.
    """
    lines = text.split("\n")
    found = [Section("", "", 1, "")]
    above: list[tuple[int, str]] = []
    taken: dict[str, int] = {}
    starts = [0]
    for level, line, title in _headings(text):
        above = [*(one for one in above if one[0] < level), (level, title)]
        found.append(Section(_anchor(title, taken), BETWEEN.join(name for _, name in above), line + 1, ""))
        starts.append(line)
    ends = [*starts[1:], len(lines)]
    whole = ["\n".join(lines[start:end]).strip("\n") for start, end in zip(starts, ends, strict=True)]
    made = [Section(one.anchor, one.title, one.line, content) for one, content in zip(found, whole, strict=True)]
    return [one for one in made if _says_something(one)]


def _says_something(section: Section) -> bool:
    """Whether there is more than a heading: one line, or two of which the second underlines the first."""
    lines = [line for line in section.text.split("\n") if line.strip()]
    if not section.anchor:
        return bool(lines)
    return len(lines) > 2 or (len(lines) == 2 and not re.fullmatch(r"\s*(=+|-+)\s*", lines[1]))


def _headings(text: str) -> list[tuple[int, int, str]]:
    """Level, line from 0 and text of each heading that stands at the top of the document."""
    front = FRONT_MATTER.match(text)
    hidden = "\n" * front.group().count("\n") + text[front.end() :] if front else text
    tokens = _blocks().parse(hidden)
    headings = []
    for token, inside in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            headings.append((int(token.tag[1:]), token.map[0], _plain(inside)))
    return headings


@cache
def _blocks() -> MarkdownIt:
    return MarkdownIt("commonmark")


def _plain(token: Token) -> str:
    """The words of a heading, without marks."""
    return "".join(child.content for child in token.children or () if child.type in ("text", "code_inline")).strip()


def _anchor(title: str, taken: dict[str, int]) -> str:
    """The anchor that GitHub gives a heading: `Names & limits` is `names--limits`, the second one `names--limits-1`."""
    return distinct(NOT_IN_ANCHORS.sub("", title.lower()).replace(" ", "-") or "section", taken, "-", 1)


def distinct(name: str, taken: dict[str, int], mark: str, first: int) -> str:
    """A name that no other has: with a number behind it, from `first`, if it is taken. Linear time for all together."""
    made = name
    while made in taken:  # a numbered one, too, may be the name of another
        made = f"{name}{mark}{taken[name]}"
        taken[name] += 1
    taken[made] = first
    return made
