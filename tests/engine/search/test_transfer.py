"""export_index and import_index: the bytes of LHV1, a whole way there and back, and every file that is refused."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import Forbidden, Invalid, LakehouseError, NotFound
from engine.lake import Lake
from engine.search import container, recall
from engine.search.container import Index
from engine.search.recall import Recall
from engine.search.vectors.stored import SHORTEST
from engine.session import Session
from lakehouse import open_lake
from tests.engine.search.indexed import GRAPH, SETTINGS, build, corpus

GOLDEN = Path(__file__).with_name("golden.lhv1")
THREE = "values ('a', 'forklift', 1), ('b', 'night shift', 2), ('c', 'crane', 3)"
ROWS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def opened(home: Path, folder: Path, **settings: object) -> Lake:
    return open_lake(home, settings={**SETTINGS, **settings}, allowed=[folder])


@pytest.fixture
def lake(tmp_path: Path, folder: Path) -> Iterator[Lake]:
    made = opened(tmp_path / "home", folder)
    yield made
    made.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    made = lake.session()
    corpus(made, "docs", ROWS)
    return made


@pytest.fixture
def small(tmp_path: Path, folder: Path) -> Iterator[Lake]:
    """With the corpus of the golden file."""
    yield from with_three(tmp_path / "small", folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The same, for tests that change nothing; files are read from its folder `out`."""
    place = tmp_path_factory.mktemp("shared")
    (place / "out").mkdir()
    yield from with_three(place / "small", place / "out")


def with_three(home: Path, folder: Path) -> Iterator[Lake]:
    made = opened(home, folder, **{"models.embedder": "hash:16"})
    session = made.session()
    session.run(f"create table docs as select * from ({THREE}) as t(id, text, part)")
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    yield made
    made.close()


def act(session: Session, which: str, path: Path) -> dict[str, object]:
    return session.run(f"select * from {which}_index('docs', ?)", [str(path)]).rows()[0]


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack(">I", content[4:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(envelope: dict[str, Any], rest: bytes) -> bytes:
    if "sha256" in envelope.get("graph", {}):
        envelope["graph"]["sha256"] = hashlib.sha256(rest).hexdigest()
    encoded = json.dumps(envelope).encode()
    return b"LHV1" + struct.pack(">I", len(encoded)) + encoded + rest


def untouched(session: Session, lake: Lake) -> None:
    assert session.run("select count(*) as n from lake.generations where status <> 'live'").rows() == [{"n": 0}]
    assert [path.name for path in lake.corpora.folder("docs").iterdir()] == ["g000001"]
    assert not list((lake.home / "cache").glob("import-*"))


def test_the_bytes_are_those_of_the_golden_file(small: Lake, folder: Path) -> None:
    made = act(small.session(), "export", folder / "docs.lhv1")
    content = (folder / "docs.lhv1").read_bytes()
    assert (made["status"], made["bytes"]) == ("written", len(content))
    assert content == GOLDEN.read_bytes()
    assert content[:4] == b"LHV1"
    envelope, rest = split(content)
    assert envelope["version"] == 2
    assert envelope["ids"] == ["a#0", "b#0", "c#0"]
    assert envelope["metadata"] == {"a#0": {"part": 1}, "b#0": {"part": 2}, "c#0": {"part": 3}}
    vectors = small.corpora.live("docs").segments[0].vectors
    assert rest == np.asarray(vectors, "<f4").tobytes()


def test_an_exact_file_is_what_is_live(small: Lake, folder: Path) -> None:
    (folder / "docs.lhv1").write_bytes(GOLDEN.read_bytes())
    assert act(small.session(), "import", folder / "docs.lhv1")["status"] == "unchanged"


def test_a_file_of_version_1_has_the_ids_of_its_metadata(small: Lake, folder: Path) -> None:
    build(small.session(), "docs", engine="compact")
    envelope, rest = split(GOLDEN.read_bytes())
    del envelope["ids"]
    envelope["version"] = 1
    old = folder / "old.lhv1"
    old.write_bytes(joined(envelope, rest))
    assert act(small.session(), "import", old)["status"] == "live"
    assert small.corpora.live("docs").manifest.engine == "exact"
    del envelope["metadata"]["b#0"]  # an item without metadata cannot be seen in version 1
    old.write_bytes(joined(envelope, rest))
    with pytest.raises(Invalid, match=r"2 ids of 16 dimensions.*a file of version 1 must have metadata for each id"):
        act(small.session(), "import", old)


@pytest.mark.parametrize("engine", [GRAPH, "usearch", "compact"])
def test_an_index_goes_there_and_back(session: Session, lake: Lake, folder: Path, engine: str) -> None:
    build(session, "docs", engine=engine)
    made = act(session, "export", folder / "docs.lhv1")
    assert made["generation"] == "g000002"
    assert act(session, "import", folder / "docs.lhv1")["status"] == "unchanged"
    graph = lake.corpora.live("docs").manifest.graph
    session.run("select * from rollback_index('docs')").read_all()
    session.run("insert into docs values ('new', 'forklift night', 1)")
    session.run("select * from refresh_corpus('docs')")
    row = act(session, "import", folder / "docs.lhv1")
    assert (row["status"], row["reason"]) == ("live", "imported from docs.lhv1")
    live = lake.corpora.live("docs")
    assert live.manifest.graph is not None
    assert graph is not None
    assert (live.manifest.graph.engine, live.manifest.graph.parameters) == (engine, graph.parameters)
    assert {name: facts["sha256"] for name, facts in live.manifest.graph.files.items()} == {
        name: facts["sha256"] for name, facts in graph.files.items()
    }
    assert live.indexed(0) is not None
    assert "new" in live.places
    assert session.run("select why from lake.swaps order by ts desc limit 1").rows() == [{"why": "imported"}]
    assert session.run("select status from rollback_index('docs')").rows() == [{"status": "rolled_back"}]
    assert not list((lake.home / "cache").glob("import-*"))


def test_another_home_with_the_same_documents_takes_it(
    session: Session, lake: Lake, folder: Path, tmp_path: Path
) -> None:
    build(session, "docs", engine="usearch")
    act(session, "export", folder / "docs.lhv1")
    other = opened(tmp_path / "other", folder)
    try:
        elsewhere = other.session()
        corpus(elsewhere, "docs", ROWS)
        assert act(elsewhere, "import", folder / "docs.lhv1")["status"] == "live"
        assert other.corpora.live("docs").manifest.engine == "usearch"
    finally:
        other.close()


def test_the_gate_holds_back_an_index_that_finds_too_little(
    session: Session, lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(session, "docs", engine="usearch")
    act(session, "export", folder / "docs.lhv1")
    session.run("select * from rollback_index('docs')").read_all()
    monkeypatch.setattr(recall.Exam, "take", lambda self, check, ef=None: Recall(0.4, 1.0, 1.0))
    row = act(session, "import", folder / "docs.lhv1")
    assert (row["status"], row["reason"]) == ("built", "recall@10 is 0.4000, below the floor 0.95")
    assert lake.corpora.live("docs").name == "g000001"


Change = Callable[[dict[str, Any], bytes], bytes]


def set_in(envelope: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *outer, last = path.split(".")
    place = envelope
    for name in outer:
        place = place[name]
    place[last] = value
    return envelope


def changed(path: str, value: object) -> Change:
    return lambda envelope, rest: joined(set_in(envelope, path, value), rest)


def with_vectors(change: Callable[[np.ndarray[Any, Any]], None]) -> Change:
    def make(envelope: dict[str, Any], rest: bytes) -> bytes:
        vectors = np.frombuffer(rest, "<f4").reshape(3, 16).copy()
        change(vectors)
        return joined(envelope, vectors.tobytes())

    return make


def put(row: int, value: float) -> Callable[[np.ndarray[Any, Any]], None]:
    def change(vectors: np.ndarray[Any, Any]) -> None:
        vectors[row] = value

    return change


WRONG: list[tuple[Change, str]] = [
    (lambda envelope, rest: b"", "it is not an LHV1 file"),
    (lambda envelope, rest: b"LHV2" + joined(envelope, rest)[4:], "it is not an LHV1 file"),
    (lambda envelope, rest: b"LHV1\0\0", "it ends within its first 8 bytes"),
    (lambda envelope, rest: joined(envelope, rest)[:200], "it is cut: the envelope alone needs"),
    (lambda envelope, rest: b"LHV1\xff\xff\xff\xff" + rest, "its envelope is 4294967295 bytes long; at most"),
    (lambda envelope, rest: joined(envelope, rest)[:-1], "it is cut: "),
    (lambda envelope, rest: joined(envelope, rest) + b"x", "it is longer than it says"),
    (lambda envelope, rest: b"LHV1" + struct.pack(">I", 4) + b"{\xff}}", "its envelope is not JSON"),
    (lambda envelope, rest: b"LHV1" + struct.pack(">I", 2) + b"[]", "its envelope is not an object"),
    (
        lambda envelope, rest: joined(envelope, rest)[: -len(rest)] + rest[:-1] + b"x",
        "it is damaged: the bytes after the envelope have another SHA-256",
    ),
    (changed("version", 3), "its version is 3; versions 1 and 2 are read"),
    (changed("params", None), "its envelope has no object 'params'"),
    (changed("graph", {}), "'vectors' of its envelope is not a count"),
    (changed("params.dimension", "16"), "'dimension' of its envelope is not a count"),
    (changed("params.dimension", 8), "3 ids of 8 dimensions do not take 192 bytes"),
    (changed("graph.vectors", -192), "'vectors' of its envelope is not a count"),
    (changed("graph.vectors", 10**30), "do not take 1000000000000000000000000000000 bytes"),
    (changed("graph.files", {"../manifest.json": 0}), "it holds a file of the name '../manifest.json'"),
    (changed("graph.files", {"graph.hnsw": 0}), "holds the files ['graph.hnsw'], which exact does not write"),
    (changed("ids", "abc"), "the ids of its envelope are not a list of texts"),
    (changed("ids", ["a#0", "a#0", "c#0"]), "an id of its envelope stands twice"),
    (changed("ids", ["a#0", "c#0", "b#0"]), "has other ids than corpus 'docs' (3 ids, the corpus 3): row 1 is 'c#0'"),
    (changed("params.model_sha256", "00"), "has model_sha256 '00', corpus 'docs' has"),
    (changed("params.distance", "euclidean"), "has distance 'euclidean'"),
    (changed("params.engine", "faiss"), "an index of an unknown engine 'faiss'"),
    (changed("params.parameters", {"ef": "x"}), "has the parameter 'ef' with 'x'"),
    (with_vectors(put(1, np.nan)), "vector 1 holds NaN or infinity"),
    (with_vectors(put(2, np.inf)), "vector 2 holds NaN or infinity"),
    (with_vectors(put(0, 0.0)), "vector 0 is zero"),
    (with_vectors(put(0, SHORTEST / 100)), "vector 0 is zero"),
    (with_vectors(put(1, 0.25)), "has another vector of 'b#0' than corpus 'docs'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_wrong_file_is_refused_before_anything_changes(shared: Lake, change: Change, message: str) -> None:
    envelope, rest = split(GOLDEN.read_bytes())
    wrong = shared.folders[-1] / "wrong.lhv1"
    wrong.write_bytes(change(envelope, rest))
    session = shared.session()
    with pytest.raises(Invalid) as caught:
        act(session, "import", wrong)
    assert message in str(caught.value)
    assert "wrong.lhv1" in str(caught.value)
    untouched(session, shared)


@pytest.mark.parametrize("engine", [GRAPH, "usearch", "compact"])
@pytest.mark.parametrize("how", ["zeros", "cut", "foreign"])
def test_a_graph_that_is_no_graph_is_refused(session: Session, lake: Lake, folder: Path, engine: str, how: str) -> None:
    """The file is whole and its digest right: only opening it tells."""
    build(session, "docs", engine=engine)
    act(session, "export", folder / "docs.lhv1")
    session.run("create table other as select 'x' || i as id, 'crane ' || i as text from range(50) as r(i)")
    session.run("select * from create_corpus('other', source := 'other', id := 'id', text := 'text')")
    build(session, "other", engine=engine)
    session.run("select * from export_index('other', ?)", [str(folder / "other.lhv1")]).read_all()
    envelope, rest = split((folder / "docs.lhv1").read_bytes())
    foreign, foreign_rest = split((folder / "other.lhv1").read_bytes())
    vectors = rest[: envelope["graph"]["vectors"]]
    graph = rest[len(vectors) :]
    if how == "foreign":
        envelope["graph"]["files"] = foreign["graph"]["files"]
        graph = foreign_rest[foreign["graph"]["vectors"] :]
    elif how == "zeros":
        graph = bytes(len(graph))
    else:
        last = list(envelope["graph"]["files"])[-1]
        envelope["graph"]["files"][last] -= 40
        graph = graph[:-40]
    (folder / "wrong.lhv1").write_bytes(joined(envelope, vectors + graph))
    before = lake.corpora.live("docs").name
    with pytest.raises(Invalid, match=r"wrong\.lhv1: its"):
        act(session, "import", folder / "wrong.lhv1")
    assert lake.corpora.live("docs").name == before
    assert not list((lake.home / "cache").glob("import-*"))


@pytest.mark.skipif(GRAPH != "hnswlib", reason="hnswlib is not here")
def test_a_graph_whose_links_lead_nowhere_ends_another_process(session: Session, folder: Path) -> None:
    build(session, "docs", engine="hnswlib", m=16)
    act(session, "export", folder / "docs.lhv1")
    envelope, rest = split((folder / "docs.lhv1").read_bytes())
    graph = bytearray(rest)
    header, links, node = 96, 4 + 32 * 4, 4 + 32 * 4 + 64 * 4 + 8  # of hnswlib 0.8: links, vector and label of a row
    for row in range(ROWS):
        start = envelope["graph"]["vectors"] + header + row * node
        graph[start + 4 : start + links] = b"\xff\xff\xff\x7f" * 32
    (folder / "wrong.lhv1").write_bytes(joined(envelope, bytes(graph)))
    with pytest.raises(Invalid, match=r"wrong\.lhv1: its hnswlib graph ends a process with signal 11"):
        act(session, "import", folder / "wrong.lhv1")


def test_a_file_is_replaced_whole_or_not_at_all(small: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = folder / "docs.lhv1"
    target.write_bytes(b"precious")
    original = container._rest

    def failing(*given: Any) -> Iterator[bytes]:
        yield next(original(*given))
        if (folder / "begun").exists():
            raise OSError(28, "No space left on device")
        (folder / "begun").touch()  # the first pass makes the digest

    monkeypatch.setattr(container, "_rest", failing)
    with pytest.raises(LakehouseError, match=r"'docs\.lhv1' cannot be written: No space left on device"):
        act(small.session(), "export", target)
    assert target.read_bytes() == b"precious"
    assert sorted(path.name for path in folder.iterdir()) == ["begun", "docs.lhv1"]


def test_places_that_may_not_be_read_or_written(small: Lake, folder: Path, tmp_path: Path) -> None:
    session = small.session()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "docs.lhv1").write_bytes(GOLDEN.read_bytes())
    (folder / "link.lhv1").symlink_to(outside / "docs.lhv1")
    (folder / "folder.lhv1").mkdir()
    for which in ("import", "export"):
        for path in (outside / "docs.lhv1", folder / "link.lhv1", folder / ".." / "outside" / "docs.lhv1"):
            with pytest.raises(Forbidden, match="is not in a folder that may be read"):
                act(session, which, path)
        with pytest.raises(Forbidden, match="belongs to the lake itself"):
            act(session, which, small.home / "lake.lhv1")
        with pytest.raises(Invalid, match="is not a regular file"):
            act(session, which, folder / "folder.lhv1")
    with pytest.raises(NotFound, match="does not exist"):
        act(session, "import", folder / "nothing.lhv1")
    with pytest.raises(NotFound, match="the folder of"):
        act(session, "export", folder / "nothing" / "docs.lhv1")
    with pytest.raises(Invalid, match=r"does not end in \.lhv1; call it docs\.lhv1"):
        act(session, "export", folder / "docs.bin")
    assert (outside / "docs.lhv1").read_bytes() == GOLDEN.read_bytes()


def test_only_an_admin_exports_and_imports(small: Lake, folder: Path) -> None:
    small.session().run("select * from create_profile('ann', role := 'editor')")
    small.session().run("select * from grant_access('ann', 'docs')")
    for which in ("import", "export"):
        with pytest.raises(Forbidden):
            act(small.session("ann"), which, folder / "docs.lhv1")


def test_many_vectors_are_written_in_parts(tmp_path: Path) -> None:
    vectors = np.full((9000, 64), 0.125, np.float32)
    params = {"dimension": 64}
    index = Index(params, {}, [str(row) for row in range(9000)], vectors, [])
    parts = list(container.write(index))
    assert max(len(part) for part in parts[1:]) <= container.CHUNK
    (tmp_path / "x.lhv1").write_bytes(b"".join(parts))
    read = container.read(tmp_path / "x.lhv1", tmp_path, lambda: None)
    assert np.array_equal(read.vectors, vectors)
    assert (read.ids, read.params) == (index.ids, params)
