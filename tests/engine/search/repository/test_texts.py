"""Texts and definitions of files: sections and anchors, encodings, doc comments, and sources that are broken."""

import pytest

from engine.search.repository import documents, symbols
from engine.search.repository.folder import File
from engine.search.repository.texts import sections

PYTHON = '''"""Pumps."""

LIMIT = 3  # bar


def _hidden(): ...


class Pump:
    """Moves water."""

    def start(self, hard: bool = False) -> None:
        """Begin to move it."""

    @property
    def pressure(self) -> float:
        # In bar.
        return 1.0

    def _secret(self): ...


if True:
    def maybe(): ...
'''
RUST = """//! Pumps.

/// Moves water.
#[derive(Debug)]
pub struct Pump<T> { inner: T }

impl<T> Pump<T> {
    /// Begin to move it.
    pub fn start(&self, hard: bool) -> u32 { 1 }
    fn secret(&self) {}
}

pub(crate) mod inner {
    /// How much.
    pub const LIMIT: u32 = 3;
}
"""
TYPESCRIPT = """/** Pumps. */
import { x } from "./x";

/** Moves water. */
export class Pump {
  /** Begin to move it. */
  start(hard: boolean): void {}
  private secret() {}
}
export const LIMIT = 3; // bar
function hidden() {}
export default interface Tank { size: number }
"""
GO = """// Package pumps has pumps.
package pumps

// Pump moves water.
type Pump struct{}

// Start begins to move it.
func (p *Pump) Start(hard bool) error { return nil }

func hidden() {}

const (
	// Limit in bar.
	Limit = 3
)
"""


def found(path: str, source: str) -> dict[str, tuple[object, ...]]:
    rows = symbols.defined(File(path, source.encode()))
    return {str(row["id"]).removeprefix(path): (row["kind"], row["line"], row["doc"]) for row in rows}


def test_python() -> None:
    assert found("pump.py", PYTHON) == {
        "": ("file", 1, "Pumps."),
        "#LIMIT": ("constant", 3, "bar"),
        "#Pump": ("class", 9, "Moves water."),
        "#Pump.start": ("method", 12, "Begin to move it."),
        "#Pump.pressure": ("method", 16, None),
        "#maybe": ("function", 24, None),
    }


def test_rust() -> None:
    assert found("src/pump.rs", RUST) == {
        "": ("file", 1, "Pumps."),
        "#Pump": ("struct", 5, "Moves water."),
        "#Pump.start": ("method", 9, "Begin to move it."),
        "#inner": ("module", 13, None),
        "#inner.LIMIT": ("constant", 15, "How much."),
    }


def test_typescript() -> None:
    assert found("pump.ts", TYPESCRIPT) == {
        "": ("file", 1, "Pumps."),
        "#Pump": ("class", 5, "Moves water."),
        "#Pump.start": ("method", 7, "Begin to move it."),
        "#LIMIT": ("constant", 10, "bar"),
        "#Tank": ("interface", 12, None),
    }


def test_go() -> None:
    assert found("pump.go", GO) == {
        "": ("file", 1, "Package pumps has pumps."),
        "#Pump": ("type", 5, "Pump moves water."),
        "#Pump.Start": ("method", 8, "Start begins to move it."),
        "#Limit": ("constant", 14, "Limit in bar."),
    }


def test_the_text_of_a_definition_says_what_it_is_and_where() -> None:
    texts = {row["name"]: row["text"].split("\n") for row in symbols.defined(File("water/pump.py", PYTHON.encode()))}
    assert texts["Pump.start"] == [
        "Begin to move it.",
        "method Pump.start (pump start) in water/pump.py",
        "def start(self, hard: bool = False) -> None",
    ]
    undocumented = "method Pump.pressure (pump pressure) in water/pump.py"
    assert texts["Pump.pressure"] == [undocumented, "Pumps.", "def pressure(self) -> float", "# In bar. return 1.0"]


def test_the_text_of_a_file_has_a_line_for_each_definition_private_ones_too() -> None:
    source = PYTHON.replace(
        "def _hidden(): ...", "def _hidden():\n    # Not for others.\n    '''Keeps the secret.\n\n    Long.'''"
    )
    (text,) = (row["text"] for row in symbols.defined(File("water/pump.py", source.encode())) if row["kind"] == "file")
    assert text.split("\n") == [
        "water/pump.py",
        "Pumps.",
        "LIMIT: bar",
        "_hidden: Keeps the secret.",
        "Pump: Moves water.",
        "Pump.start: Begin to move it.",
    ]


def test_a_file_that_says_nothing_itself_is_a_row_when_its_definitions_do() -> None:
    (file, _) = symbols.defined(File("a.go", b"package a\n\n// Run runs.\nfunc Run() {}\n"))
    assert (file["id"], file["kind"], file["doc"], file["text"]) == ("a.go", "file", None, "a.go\nRun: Run runs.")


def test_a_name_that_stands_twice_has_two_ids() -> None:
    twice = "if a:\n    def f(): ...\nelse:\n    def f(): ...\n"
    assert list(found("a.py", twice)) == ["#f", "#f~2"]


@pytest.mark.parametrize(
    ("path", "source", "kept"),
    [
        ("a.py", "def good():\n    '''Fine.'''\n\n\ndef broken(:\n", "#good"),
        ("a.rs", "pub fn good() {}\n\npub struct {{{\n", "#good"),
        ("a.ts", "export function good() {}\nexport class { (\n", "#good"),
        ("a.go", "package a\n\nfunc Good() {}\n\nfunc Broken( {\n", "#Good"),
    ],
)
def test_a_syntax_error_costs_only_what_is_broken(path: str, source: str, kept: str) -> None:
    assert kept in found(path, source)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xfea", b"\xef\xbb\xbf", b"(" * 20_000, b"class A:\n  " * 2000])
def test_odd_sources_have_no_definitions_and_do_no_harm(data: bytes) -> None:
    for path in ("a.py", "a.rs", "a.ts", "a.go"):
        for row in symbols.defined(File(path, data)):
            str(row["text"]).encode()


def test_names_within_names_without_end_are_cut() -> None:
    names = [row["name"] for row in symbols.defined(File("a.rs", b"pub mod a{" * 5000 + b"}" * 5000))]
    assert len(names) == symbols.LONGEST_NAME // 2 + 1


def test_a_file_is_read_as_what_it_is() -> None:
    encodings = {
        "größe\r\nx\ry".encode(): ("utf-8", "größe\nx\ny"),
        b"\xef\xbb\xbfa": ("utf-8", "a"),
        "größe".encode("utf-16"): ("utf-16", "größe"),
        b"\xff\xfea\x00b": ("utf-16", "a\N{REPLACEMENT CHARACTER}"),
        b"gr\xf6\xdfe \x81": ("windows-1252", "größe \N{REPLACEMENT CHARACTER}"),
    }
    for data, (encoding, text) in encodings.items():
        (row,) = documents.documents(File("a.txt", data))
        assert (row["encoding"], row["text"]) == (encoding, text)


def test_markdown_is_cut_at_its_headings() -> None:
    begins = "---\ntitle: x\n# no\n---\nFirst.\n\n# A & b\n\nOne.\n\n## C\n\n```\n# no\n```\n\n"
    text = begins + "A & b\n=====\n\nTwo.\n\n# Empty\n"
    assert [(one.anchor, one.title, one.line) for one in sections(text)] == [
        ("", "", 1),
        ("a--b", "A & b", 7),
        ("c", "A & b › C", 11),
        ("a--b-1", "A & b", 17),
    ]
