"""The relevance filter: each signal alone, the golden case of the original, symbols of four languages."""

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.config import load
from engine.errors import Invalid, TimedOut
from engine.search.relevance import filter as relevance_filter
from engine.search.relevance import trees
from engine.search.relevance.score import THRESHOLD, Chunk, Focus, Scored, score, split
from engine.search.relevance.symbols import symbols
from engine.search.relevance.words import jaccard, words
from lakehouse import open_lake
from tests.conftest import FAST

DB = Focus(
    "crates/queryd/src/db.go",
    "pool query limit cache",
    defined_symbols=("Connector",),
    imported_symbols=("catalogd::Registry",),
)
CONNECTOR = Chunk("Connector pool")  # words {connector, pool} of {pool, query, limit, cache}: J = 1/5
REGISTRY = Chunk("Registry pool table index file page block")  # 1 word of 10
UNRELATED = Chunk("weather tomorrow sunny")


def test_the_golden_case_of_the_original() -> None:
    scores = [score(DB, chunk) for chunk in (CONNECTOR, REGISTRY, UNRELATED)]
    assert [one.jaccard for one in scores] == [0.2, 0.1, 0.0]
    assert [one.score for one in scores] == [0.68, -0.46, 0.0]
    assert [one.kept() for one in scores] == [True, False, False]
    assert round(scores[0].score - scores[1].score, 9) == 1.14


def test_the_split_keeps_the_order() -> None:
    assert split(DB, [UNRELATED, CONNECTOR, REGISTRY, CONNECTOR]) == ([1, 3], [0, 2])
    assert split(DB, [UNRELATED, REGISTRY], threshold=0.0) == ([0], [1])


@pytest.mark.parametrize(
    ("focus", "chunk", "expected"),
    [
        (Focus("crates/queryd/src/db.rs"), Chunk("…", "crates/queryd/src/db.rs"), 1.3),  # the prefix is shared, too
        (Focus("./crates/queryd/src/db.rs"), Chunk("…", None, "arch:crates_queryd_src_db_rs_12"), 1.0),
        (Focus("crates/queryd/src/db.rs"), Chunk("…", "arch:crates/queryd/src/lib.rs"), 0.3),
        (Focus("crates/queryd/src/db.rs"), Chunk("…", "crates/ingestd/src/db.rs"), 0.0),
        (Focus("crates/queryd/src/db.rs"), Chunk("…", None, "xcrates_queryd_src_db_rs"), 0.0),
        (Focus("db.rs"), Chunk("…", "db.rs"), 1.0),  # a path of one segment has no area
        (Focus("src/db.rs"), Chunk("…", "src/db.rs.bak"), 1.0),
        (Focus("src/db.rs"), Chunk("see db.rs for it"), 0.6),
        (Focus("src/db.rs"), Chunk("see DB.rs."), 0.6),
        (Focus("src/db.rs"), Chunk("see my-db.rs, db.rsx and udb.rs"), 0.0),
        (Focus(content="x", defined_symbols=("a::Pool",)), Chunk("a Pool of"), 0.6),
        (Focus(content="x", defined_symbols=("Pool",)), Chunk("a pool or Pools"), 0.0),  # case and ends count
        (Focus(content="x", imported_symbols=("Pool",)), Chunk("a Pool of"), -0.5),
        (Focus(content="x", defined_symbols=("Own",), imported_symbols=("Pool",)), Chunk("Own Pool"), 0.6),
        (Focus(content="x", defined_symbols=("Pool",), imported_symbols=("Pool",)), Chunk("Pool"), 0.6),
        (Focus(content="alpha beta"), Chunk("alpha beta"), 0.4),
        (Focus(content="alpha beta"), Chunk("the ALPHA and return"), 0.2),  # stop words do not count
        (Focus(content="alpha"), Chunk(""), 0.0),
    ],
)
def test_each_signal_alone(focus: Focus, chunk: Chunk, expected: float) -> None:
    assert score(focus, chunk).score == expected


def test_an_area_alone_reaches_the_threshold() -> None:
    assert score(Focus("a/b/c.rs"), Chunk("…", "a/b/d.rs")).kept()


def test_words_and_jaccard() -> None:
    assert words("The Größe of pub fn open_db(x): id, 2024!") == {"größe", "open_db", "2024"}
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5
    assert jaccard(frozenset(), frozenset()) == 0.0


RUST = """
use catalogd::Registry;
use storaged::{ObjectStore, cache as store_cache, deep::{Alpha, Beta}};
use wild::*;
use self::inner::Gamma as Delta;
pub fn open_pool() {}
pub(crate) struct Pool;
pub enum Mode { A }
pub trait Reader { fn read_page(&self); }
impl Pool { pub fn new() {} pub fn acquire(&self) {} fn hidden(&self) {} }
fn private() {}
macro_rules! retry { () => {} }
// use commented::Nothing; pub fn commented_out() {}
const TEXT: &str = "pub struct Quoted; use quoted::Other;";
"""
TYPESCRIPT = """
import Reader, { type Shape, parse as parseShape } from './reader';
import * as fsx from 'fs';
export async function loadAll() {}
export const limitRows = 1, offset = 2;
export interface Row { id: number }
export default class Table {}
export { inner as renamed };
export { foreign } from './elsewhere';
export abstract class Base {}
function hidden() {}
"""
PYTHON = """
from __future__ import annotations
import os.path
import numpy as npy
from engine.search import matrix, fusion as fused
LIMIT: int = 3
@cached
def load_all(): ...
class Table:
    def close(self): ...
def _hidden(): ...
"""
GO = """
package db
import ( "fmt"; cat "lake/catalogd"; "example.com/store/v2" )
type Connector struct{}
func Open() {}
func (c *Connector) Close() {}
const MaxRows = 1
var ( shared = 2 )
"""


@pytest.mark.parametrize(
    ("path", "content", "defined", "imported"),
    [
        (
            "src/db.rs",
            RUST,
            {"open_pool", "Pool", "Mode", "Reader", "read_page", "acquire", "retry"},
            {"Registry", "ObjectStore", "cache", "store_cache", "Alpha", "Beta", "Gamma", "Delta"},
        ),
        (
            "src/db.ts",
            TYPESCRIPT,
            {"loadAll", "limitRows", "offset", "Row", "Table", "inner", "Base"},
            {"Reader", "Shape", "parse", "parseShape", "fsx"},
        ),
        ("db.py", PYTHON, {"LIMIT", "load_all", "Table"}, {"path", "numpy", "npy", "matrix", "fusion", "fused"}),
        ("db.go", GO, {"Connector", "Open", "MaxRows", "shared"}, {"fmt", "cat", "catalogd", "store"}),
        (None, "use catalogd::Registry; use a::{Bee, c::Dee as Eff};", set(), {"Registry", "Bee", "Dee", "Eff"}),
        ("x.vue", "import Ace, { Bar as Baz } from 'q'; export function foo() {}", {"foo"}, {"Ace", "Bar", "Baz"}),
        (None, "pub async fn run_it() {} pub(crate) struct Pool;", {"run_it", "Pool"}, set()),
        (
            "names.ts",
            "export const { alpha, bee: beta, gamma = 1, ...rest } = make(), [first, [second]] = pair;",
            {"alpha", "beta", "gamma", "rest", "first", "second"},
            set(),
        ),
        (
            "space.ts",
            "export namespace Outer { export function inner() {} function hidden() {} }\n"
            "namespace Hidden { export function lost() {} }",
            {"Outer", "inner"},
            set(),
        ),
        ("old.ts", 'import disk = require("fs");', set(), {"disk"}),
        (
            "names.go",
            'package a\nimport `lake/store`\nimport "gopkg.in/yaml.v3"\n'
            "const Alpha, Beta = 1, 2\nvar Gamma, Delta int\n",
            {"Alpha", "Beta", "Gamma", "Delta"},
            {"store", "yaml"},
        ),
        (
            "trait.rs",
            "pub trait Reader { fn read_all(&self) {} fn read_one(&self); }\nimpl Reader for X { fn hidden(&self) {} }",
            {"Reader", "read_all", "read_one"},
            set(),
        ),
        (
            "names.py",
            "ALPHA, BETA = 1, 2\n(RED, *BLUE), self.attr, table[KEY] = made\nCOPY = FOREIGN\n",
            {"ALPHA", "BETA", "RED", "BLUE", "COPY"},
            set(),
        ),
        (None, "import type { Shape } from 'a'; import type from 'b'; import from 'c'", set(), {"Shape"}),
        ("broken.rs", "pub fn whole() {} pub struct {{{", {"whole"}, set()),
        ("empty.py", "", set(), set()),
    ],
)
def test_symbols(path: str | None, content: str, defined: set[str], imported: set[str]) -> None:
    found = symbols(path, content)
    assert found.defined == defined
    assert found.imported == imported


@pytest.mark.parametrize("path", ["a.rs", "a.py", "a.ts", "a.tsx", "a.go", None])
@pytest.mark.parametrize("noise", ["{", "({[<", "import ", "pub (", "export {a, ", "use a::{"])
@pytest.mark.timeout(20)  # quadratic, this would take minutes
def test_noise_takes_linear_time(path: str | None, noise: str) -> None:
    symbols(path, noise * (50_000 // len(noise)))


@pytest.mark.parametrize(
    "noise",
    [
        "import" + " " * 100_000,
        "import a" + "\n" * 100_000,
        "import {" + " ," * 50_000,
        "import a" + "\t " * 50_000,
        "import " + "from " * 20_000,
        "import " + "type " * 20_000,
        "use a" + " " * 100_000,
        "pub" + " " * 100_000,
    ],
)
@pytest.mark.timeout(5)  # cubic, this would take days
def test_white_space_takes_linear_time(noise: str) -> None:
    assert symbols(None, noise).defined == frozenset()


def test_a_name_longer_than_that_of_any_file_is_not_looked_for() -> None:
    focus = Focus("(" * 50_000)
    begin = time.monotonic()
    assert score(focus, Chunk("(" * 49_999 + " " + "(" * 49_999)).filename_match == 0
    assert time.monotonic() - begin < 1


QUOTES = json.dumps({"path": "a.rs", "content": '"' * 300_000})  # takes quadratic time


def test_a_focus_that_takes_too_long_has_no_symbols_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "SECONDS", 0.1)
    begin = time.monotonic()
    (row,) = relevance_filter.relevance(QUOTES, '["x"]', 0.3, filtering=True)
    assert time.monotonic() - begin < 1.5
    assert "to parse" in json.loads(str(row["signals"]))["symbols"]


def test_others_run_while_a_focus_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "SECONDS", 0.5)
    turns, over = [time.monotonic()], threading.Event()

    def take_turns() -> None:
        while not over.wait(0.01):
            turns.append(time.monotonic())

    other = threading.Thread(target=take_turns)
    other.start()
    relevance_filter.relevance(QUOTES, '["x"]', 0.3, filtering=True)
    over.set()
    other.join()
    assert len(turns) > 10


def test_parsing_stops_when_it_is_cancelled() -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 20:
            raise TimedOut("cancelled")

    with pytest.raises(TimedOut):
        relevance_filter.relevance(QUOTES, "[]", 0.3, filtering=True, check=stop)


def test_scoring_stops_at_the_time_limit(tmp_path: Path) -> None:
    with closing(open_lake(tmp_path / "home", settings=FAST | {"engine.statement_seconds": 0.5})) as lake:
        session = lake.session()
        begin = time.monotonic()
        with pytest.raises(TimedOut):
            session.run("from relevance({'path': 'a.rs', 'content': repeat('\"', 600000)}, ['x'])").rows()
    assert time.monotonic() - begin < 1.5, "less than the parser may take"


def test_scoring_stops_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[Chunk] = []

    def count(focus: Focus, chunk: Chunk) -> Scored:
        scored.append(chunk)
        return score(focus, chunk)

    def stop() -> None:
        if len(scored) == 3:
            raise TimedOut("cancelled")

    monkeypatch.setattr(relevance_filter, "score", count)
    with pytest.raises(TimedOut):
        relevance_filter.relevance('"x"', '["a", "b", "c", "d"]', 0.3, filtering=True, check=stop)
    assert len(scored) == 3


def test_a_call_without_chunks_can_be_cancelled() -> None:
    def stop() -> None:
        raise TimedOut("cancelled")

    with pytest.raises(TimedOut):
        relevance_filter.relevance('"x"', "[]", 0.3, filtering=True, check=stop)


def test_a_real_file_and_its_import() -> None:
    focus = Focus("src/db.rs", RUST)
    own = score(focus, Chunk("Pool::acquire waits until a connection is free"))
    foreign = score(focus, Chunk("Registry keeps the manifests of all datasets"))
    assert own.kept()
    assert own.defined == ("Pool", "acquire")
    assert not foreign.kept()
    assert (foreign.import_penalty, foreign.imported) == (-0.5, ("Registry",))


def test_the_threshold_of_the_settings_is_that_of_the_original(tmp_path: Path) -> None:
    assert load(tmp_path).config.relevance.threshold == THRESHOLD == 0.3


@pytest.mark.parametrize(
    ("focus", "chunks", "message"),
    [
        ({"pth": "x"}, ["a"], "unknown field 'pth'; did you mean 'path'"),
        ({}, ["a"], "the focus is empty"),
        ("", ["a"], "the focus is empty"),
        ("x" * 1_000_001, ["a"], "focus.content is longer than 1000000 characters"),
        (5, ["a"], "the focus is neither"),
        ({"path": 5}, ["a"], "focus.path is not a text"),
        ({"path": "x", "defined_symbols": "Pool"}, ["a"], "focus.defined_symbols is not a list"),
        ("x", "a", "chunks is not a list"),
        ("x", ["a", 7], "chunks[1] is neither"),
        ("x", [{"source": "a"}], "chunks[0] has no content"),
        ("x", [{"content": 5}], "chunks[0].content is not a text"),
    ],
)
def test_what_is_wrong_is_named(focus: object, chunks: object, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        relevance_filter.relevance(json.dumps(focus), json.dumps(chunks), 0.3, filtering=True)
    assert message in str(caught.value)


def test_switched_off_everything_is_kept_and_told() -> None:
    rows = relevance_filter.relevance('"alpha"', '["beta"]', 0.3, filtering=False)
    assert (rows[0]["kept"], rows[0]["score"], rows[0]["signals"]) == (True, 0.0, '{"filter": "off"}')


def test_a_focus_as_written_json() -> None:
    text = json.dumps('{"path": "a/b/db.rs"}')
    rows = relevance_filter.relevance(
        text, json.dumps([{"path": "a/b/x.rs", "text": "t", "id": 7}]), 0.3, filtering=True
    )
    assert rows[0]["score"] == 0.3
