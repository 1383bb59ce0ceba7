"""A file of a generation that is missing, cut or changed is found, named, and something right answers in its place."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import checking
from engine.errors import Internal
from engine.lake import Lake
from engine.search import digests
from engine.session import Session
from tests.engine.search.indexed import PATIENCE, build, corpus, open_small, settle

ROWS = 300
FIND = "select id, _generation, _explain from matrix_search('forklift night', k := 5{})"


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


HARMS: list[Callable[[Path], None]] = [flip, cut, Path.unlink]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with a generation before its live one that shares nothing with it, and another corpus."""
    made = tmp_path_factory.mktemp("made") / "home"
    lake = open_small(made)
    session = lake.session()
    corpus(session, "docs", ROWS)
    session.run("update docs set text = text || ' dock'")
    assert session.run("select status from refresh_corpus('docs')").rows() == [{"status": "rebuilt"}]
    build(session, "docs", engine="usearch", m=8)
    corpus(session, "others", 50)
    lake.close()
    return made


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(home, tmp_path / "home"))


@pytest.fixture
def lake(copy: Path) -> Iterator[Lake]:
    opened = open_small(copy)
    yield opened
    opened.close()


def files(lake: Lake) -> list[Path]:
    """Every file of the live generation, whichever folder it is in."""
    manifest, root = lake.corpora.live("docs").manifest, lake.corpora.folder("docs")
    assert manifest.graph is not None
    parts = [(part.folder, part.files) for part in manifest.parts] + [(manifest.graph.folder, manifest.graph.files)]
    return [root / folder / name for folder, names in parts for name in names] + [
        root / manifest.generation / "manifest.json"
    ]


def errors(session: Session) -> list[str]:
    return [str(row["message"]) for row in session.run("select message from lake.errors order by ts").rows()]


def hints(session: Session) -> list[str]:
    rows = session.run("select message, hint from lake.errors where hint is not null order by ts").rows()
    return [f"{row['message']}; {row['hint']}" for row in rows]


def answered(session: Session) -> set[str]:
    rows = session.run(FIND.format(", corpora := ['docs']")).rows()
    assert len(rows) == 5
    return {str(row["_generation"]) for row in rows}


def undo(lake: Lake, kept: Path) -> None:
    """The folder of the corpora and the rows of the control plane as they were, and nothing known of them."""
    root = lake.corpora.folder("docs")
    shutil.rmtree(root)
    shutil.copytree(kept, root)
    with lake.control() as cursor:
        cursor.execute("delete from control.generation where generation > 'g000003'")
        cursor.execute("update control.generation set status = 'served', reason = null")
        cursor.execute("update control.live set generation = 'g000003' where corpus = 'docs'")
        cursor.execute("delete from control.history")
        for place in (1, 2):
            values = ["docs", place, f"g00000{place}"]
            cursor.execute("insert into control.history (corpus, place, generation) values (?, ?, ?)", values)
    lake.corpora.close()


def test_every_file_that_is_harmed_is_found(lake: Lake, tmp_path: Path) -> None:
    session = lake.session()
    kept = Path(shutil.copytree(lake.corpora.folder("docs"), tmp_path / "kept"))
    names = [path.relative_to(lake.corpora.folder("docs")) for path in files(lake)]
    assert {"documents.arrow", "chunks.arrow", "vectors.arrow", "graph.usearch", "manifest.json"} < {
        name.name for name in names
    }
    for name in names:
        for harm in HARMS:
            undo(lake, kept)
            harm(lake.corpora.folder("docs") / name)
            answer = answered(session)
            assert str(name) in errors(session)[-1], (name, harm)
            assert "docs" in errors(session)[-1]
            whole = name.name == "manifest.json" or name.parent == Path("g000003")  # the index, or a copy of the row
            assert answer == ({"g000003"} if whole else {"g000001"}), (name, harm)
            assert {row["_generation"] for row in session.run(FIND.format(", corpora := ['others']")).rows()} == {
                "g000001"
            }


def harm_all(lake: Lake, name: str) -> None:
    """Change a file in every segment of every generation."""
    for path in lake.corpora.folder("docs").glob(f"*/{name}"):
        flip(path)
    lake.corpora.close()


def test_a_corpus_of_which_nothing_can_be_opened_fails_alone_and_is_made_anew(lake: Lake) -> None:
    session = lake.session()
    harm_all(lake, "chunks.arrow")
    with pytest.raises(Internal, match=r"corpus 'docs' cannot be opened: the file g\d+/chunks\.arrow .* is damaged"):
        session.run(FIND.format(", corpora := ['docs']")).read_all()
    rows = session.run(FIND.format("")).rows()
    assert len(rows) == 5
    assert "damaged" in json.loads(str(rows[0]["_explain"]))["skipped"]["docs"]
    assert any("chunks.arrow" in error and "no generation of it" in error for error in hints(session))
    assert session.run("select status, deleted from refresh_corpus('docs')").rows() == [
        {"status": "rebuilt", "deleted": 0}
    ]
    assert answered(session) == {"g000004"}
    assert "skipped" not in json.loads(str(session.run(FIND.format("")).rows()[0]["_explain"]))
    assert lake.corpora.damage.verify() == [("docs", None), ("others", None)]


def test_the_only_corpus_does_not_answer_with_nothing(lake: Lake) -> None:
    session = lake.session()
    session.run("select * from drop_corpus('others')")
    harm_all(lake, "documents.arrow")
    with pytest.raises(Internal, match="corpus 'docs' cannot be opened"):
        session.run(FIND.format("")).read_all()
    assert session.run("select status, deleted from drop_corpus('docs')").rows() == [
        {"status": "dropped", "deleted": ROWS}
    ]
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    assert answered(session) == {"g000001"}


def test_a_lost_index_is_built_anew_by_itself(copy: Path) -> None:
    flip(next((copy / "buckets").rglob("graph.usearch")))
    lake = open_small(copy)
    try:
        session = lake.session()
        assert answered(session) == {"g000003"}
        settle(lake)
        live = lake.corpora.live("docs")
        assert live.name == "g000004"
        assert live.manifest.graph is not None
        assert (live.manifest.graph.engine, live.manifest.graph.parameters["m"]) == ("usearch", 8)
        reasons = {
            str(row["generation"]): row["reason"]
            for row in session.run("select generation, reason from lake.generations where corpus = 'docs'").rows()
        }
        assert "graph.usearch of an index is damaged" in str(reasons["g000003"])
        rolled = session.run("select status, generation from rollback_index('docs')").rows()
        assert rolled == [{"status": "rolled_back", "generation": "g000002"}]  # not the damaged one
    finally:
        lake.close()


def test_large_vectors_are_compared_behind_the_searches(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "AT_ONCE", 0)
    flip(next((copy / "buckets").rglob("g000002/vectors.arrow")))
    lake = open_small(copy)
    try:
        session = lake.session()
        answered(session)
        until = time.monotonic() + PATIENCE
        while lake.corpora.live("docs").name != "g000001":
            assert time.monotonic() < until, "nobody noticed"
            threading.Event().wait(0.01)
        assert answered(session) == {"g000001"}
        assert "g000002/vectors.arrow" in errors(session)[-1]
        found = session.run("select generation, status from lake.generations where corpus = 'docs'").rows()
        assert {str(row["generation"]): row["status"] for row in found} == {
            "g000003": "damaged",
            "g000002": "damaged",
            "g000001": "live",
        }
        swap = session.run("select body from lake.journal where kind = 'swap' order by entry desc limit 1").rows()
        assert json.loads(str(swap[0]["body"]))["why"] == "damaged"
        assert session.run("select status, unchanged from refresh_corpus('docs')").rows()[0]["status"] == "rebuilt"
        assert answered(session) == {"g000004"}
    finally:
        lake.close()


def test_a_damaged_file_of_a_generation_that_is_not_live_is_named_and_nothing_else_changes(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "AT_ONCE", 0)
    session = lake.session()
    flip(lake.corpora.folder("docs") / "g000001" / "vectors.arrow")
    named = "select id from vector_search('forklift night', corpora := ['docs'], generation := 'g000001')"
    assert len(session.run(named).rows()) == 10
    until = time.monotonic() + PATIENCE
    while not errors(session):
        assert time.monotonic() < until, "nobody noticed"
        threading.Event().wait(0.01)
    assert "g000001/vectors.arrow of an index is damaged" in errors(session)[-1]
    assert answered(session) == {"g000003"}


def test_a_damaged_generation_is_not_promoted(lake: Lake) -> None:
    session = lake.session()
    flip(lake.corpora.folder("docs") / "g000001" / "vectors.arrow")
    with pytest.raises(Internal, match=r"g000001/vectors\.arrow"):
        session.run("select * from promote_index('docs', 'g000001')").read_all()
    assert answered(session) == {"g000003"}


def test_check_names_the_damaged_file(copy: Path) -> None:
    flip(next((copy / "buckets").rglob("g000002/vectors.arrow")))
    _, parts = checking.facts(copy)
    found = {row["part"]: (row["state"], row["detail"]) for row in parts.to_pylist()}
    assert found["corpora"][0] == "failed"
    assert "g000002/vectors.arrow" in found["corpora"][1]
