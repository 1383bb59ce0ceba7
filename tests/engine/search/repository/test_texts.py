"""Texts and definitions of files: sections and anchors, encodings, doc comments, and sources that are broken."""

import time
from typing import Any

import pytest

from engine.errors import TimedOut
from engine.search.relevance import trees
from engine.search.relevance.languages import grammar
from engine.search.repository import documents, symbols, texts
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


def defined(file: File) -> list[dict[str, Any]]:
    return symbols.defined(file, {}, lambda: None)


def found(path: str, source: str) -> dict[str, tuple[object, ...]]:
    rows = defined(File(path, source.encode()))
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


def test_a_definition_may_have_several_names() -> None:
    source = "export const { alpha, bee: beta } = make(); const { gamma } = make();"
    assert found("a.ts", source) == {"#alpha": ("constant", 1, None), "#beta": ("constant", 1, None)}
    source = "package a\n\n// Both.\nconst Alpha, beta, Gamma = 1, 2, 3\n\nvar Delta, Eta int\n"
    assert found("a.go", source) == {
        "": ("file", 1, None),
        "#Alpha": ("constant", 4, "Both."),
        "#Gamma": ("constant", 4, "Both."),
        "#Delta": ("variable", 6, None),
        "#Eta": ("variable", 6, None),
    }
    assert list(found("a.py", "X, (Y, *Z), a.b, c[D] = 1\nclass A:\n    M, N = 1, 2\n")) == ["#X", "#Y", "#Z", "#A"]


def test_what_a_trait_has_is_as_public_as_it_is() -> None:
    source = "pub trait Tank { fn fill(&self) {} fn drain(&self); }\ntrait Own { fn lost(&self) {} }\n"
    assert list(found("a.rs", source)) == ["#Tank", "#Tank.drain", "#Tank.fill"]


def test_what_a_namespace_exports_is_as_public_as_it_is() -> None:
    source = (
        "export namespace Outer {\n  export function seen() {}\n  function hidden() {}\n"
        "  export namespace Inner { export class Pump { start() {} } }\n  namespace Own { export const lost = 1 }\n}\n"
        "namespace Other { export function lost() {} }\ndeclare namespace Third { export function lost(): void }\n"
    )
    assert {name: kind for name, (kind, *_) in found("a.ts", source).items()} == {
        "#Outer": "namespace",
        "#Outer.seen": "function",
        "#Outer.Inner": "namespace",
        "#Outer.Inner.Pump": "class",
        "#Outer.Inner.Pump.start": "method",
    }


def test_a_file_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "SECONDS", 0.1)
    begin = time.monotonic()
    (row,) = defined(File("a.rs", b'"' * 300_000))
    assert time.monotonic() - begin < 1.5
    assert (row["id"], row["text"], row["error"]) == ("a.rs", None, trees.TOO_LONG)


def test_reading_stops_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a file is parsed, and while its tree is read."""

    def stop() -> None:
        raise TimedOut("cancelled")

    with pytest.raises(TimedOut):
        trees.parsed(b'"' * 300_000, grammar("rust")[0], stop)
    whole = trees.parsed(b"fn f() {}", grammar("rust")[0], lambda: None)
    monkeypatch.setattr(symbols, "parsed", lambda source, language, check: whole)
    with pytest.raises(TimedOut):
        symbols.defined(File("a.rs", b""), {}, stop)


def test_a_definition_of_many_names_takes_linear_time() -> None:
    begin = time.monotonic()
    assert len(defined(File("a.go", b"package a\nvar " + b"A," * 20_000 + b"B int\n"))) == 20_001
    assert time.monotonic() - begin < 5, "quadratic, it takes 10 s"


def test_the_text_of_a_definition_says_what_it_is_and_where() -> None:
    texts = {row["name"]: row["text"].split("\n") for row in defined(File("water/pump.py", PYTHON.encode()))}
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
    (text,) = (row["text"] for row in defined(File("water/pump.py", source.encode())) if row["kind"] == "file")
    assert text.split("\n") == [
        "water/pump.py",
        "Pumps.",
        "LIMIT: bar",
        "_hidden: Keeps the secret.",
        "Pump: Moves water.",
        "Pump.start: Begin to move it.",
    ]


def test_a_file_that_says_nothing_itself_is_a_row_when_its_definitions_do() -> None:
    (file, _) = defined(File("a.go", b"package a\n\n// Run runs.\nfunc Run() {}\n"))
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
        for row in defined(File(path, data)):
            str(row["text"]).encode()


def test_names_within_names_without_end_are_cut() -> None:
    names = [row["name"] for row in defined(File("a.rs", b"pub mod a{" * 5000 + b"}" * 5000))]
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


def test_anchors_are_those_of_github_in_linear_time() -> None:
    def anchors(*titles: str) -> list[str]:
        return [one.anchor for one in sections("\n".join(f"# {title}\n\nx\n" for title in titles))]

    assert anchors("a", "a-1", "a", "a", "a-1") == ["a", "a-1", "a-2", "a-3", "a-1-1"]
    many = 5000
    taken: dict[str, int] = {}
    begin = time.monotonic()
    made = [texts.distinct(name, taken, "-", 1) for name in [f"a-{n}" for n in range(1, many)] + ["a"] * many]
    assert len(set(made)) == len(made)
    assert time.monotonic() - begin < 1, "quadratic, it takes 5 s"
