"""Generations: immutable, shared, swapped by one row; refreshes embed only what is new."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Busy, Internal, TimedOut
from engine.lake import Lake
from engine.models.hashed import HashEmbedder
from engine.search import history
from engine.search.retrieval import Scope, by_words, dense
from engine.session import Session
from lakehouse import open_lake

ROWS = 60


@pytest.fixture
def corpus(session: Session) -> Session:
    """A corpus of sixty documents."""
    session.run(
        "create table docs as select 'd' || lpad(i::varchar, 3, '0') as id, "
        "'document number ' || i || ' about topic ' || (i % 7) as text, i % 3 as part from range(60) as r(i)"
    )
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    return session


def ids(session: Session, question: str, **extra: str) -> list[str]:
    sql = f"select id from vector_search('{question}', corpora := ['docs'], k := 100)"
    return [str(row["id"]) for row in session.run(sql).rows()]


def refresh(session: Session) -> dict[str, Any]:
    return dict(session.run("select * from refresh_corpus('docs')").rows()[0])


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were embedded since."""
    seen: list[str] = []
    original = HashEmbedder.embed

    def embed(self: HashEmbedder, texts: Sequence[str], **options: Any) -> Any:
        seen.extend(texts)
        return original(self, texts, **options)

    monkeypatch.setattr(HashEmbedder, "embed", embed)
    return seen


def test_a_refresh_embeds_only_what_is_new_or_changed(corpus: Session, embedded: list[str]) -> None:
    corpus.run("insert into docs values ('d900', 'a new document', 0)")
    corpus.run("update docs set text = 'a changed document' where id = 'd001'")
    corpus.run("update docs set part = 9 where id = 'd002'")
    corpus.run("delete from docs where id = 'd003'")
    answer = refresh(corpus)
    assert {key: answer[key] for key in ("status", "added", "updated", "deleted", "unchanged")} == {
        "status": "refreshed",
        "added": 1,
        "updated": 2,
        "deleted": 1,
        "unchanged": 57,
    }
    assert sorted(embedded) == ["a changed document", "a new document"]
    found = ids(corpus, "document")
    assert len(found) == 60
    assert "d003" not in found
    changed = corpus.run("select metadata from vector_search('document', filter := $$id = 'd002'$$)").rows()
    assert json.loads(str(changed[0]["metadata"])) == {"part": 9}


def test_base_and_delta_answer_as_a_rebuild_does(corpus: Session, lake: Lake) -> None:
    corpus.run("insert into docs values ('d900', 'a new document about topic 3', 0)")
    corpus.run("delete from docs where id in ('d010', 'd020')")
    assert refresh(corpus)["status"] == "refreshed"
    assert len(lake.corpora.live("docs").segments) == 2
    sql = "select _rank, _score, id, content, _distance from {}('topic 3', corpora := ['docs'], k := 30)"
    before = corpus.run(sql.format("vector_search")).rows()
    corpus.run("select * from drop_corpus('docs')")
    corpus.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    assert len(lake.corpora.live("docs").segments) == 1
    assert corpus.run(sql.format("vector_search")).rows() == before


def test_much_change_folds_everything_into_one_segment(corpus: Session, lake: Lake) -> None:
    corpus.run("delete from docs where part = 0")
    assert refresh(corpus)["status"] == "rebuilt"
    assert [part.dead for part in lake.corpora.live("docs").manifest.parts] == [[]]
    assert len(ids(corpus, "document")) == 40


def test_a_reader_keeps_the_generation_it_began_with(corpus: Session, lake: Lake) -> None:
    held = lake.corpora.live("docs")
    corpus.run("delete from docs where id = 'd000'")
    refresh(corpus)
    assert "d000" in held.places
    assert "d000" not in lake.corpora.live("docs").places
    assert held.name != lake.corpora.live("docs").name


def test_a_reader_outlives_the_files_of_its_generation(
    corpus: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "KEPT_ASIDE", 0)
    monkeypatch.setattr(
        lake, "config", lake.config.model_copy(update={"search": lake.config.search.model_copy(update={"history": 1})})
    )
    held = lake.corpora.live("docs")
    for _ in range(3):
        corpus.run("update docs set text = text || ' again'")
        assert refresh(corpus)["status"] == "rebuilt"
    assert not (lake.corpora.folder("docs") / held.name).exists()
    scope = Scope([held], {"docs": held.alive})
    question = lake.models.embedder().embed(["document number 7"])
    assert len(dense(scope, question, 100)[0]) == ROWS
    assert len(by_words(scope, ["document"], 100).found.document) == ROWS
    assert "again" not in str(held.segments[0].chunk(0)["content"])


def test_identical_chunks_are_embedded_once_and_counted(session: Session, embedded: list[str]) -> None:
    session.run("create table notes as select i::varchar as id, 'the same words' as text from range(5) as r(i)")
    made = session.run("select * from create_corpus('notes', source := 'notes', id := 'id', text := 'text')").rows()[0]
    assert (made["chunks"], made["duplicates"]) == (5, 4)
    assert embedded.count("the same words") <= 2  # once as a chunk, once as a calibration question


def test_a_long_document_counts_once_and_shows_its_best_chunk(session: Session) -> None:
    filler = " ".join(f"filler{n} sentence." for n in range(400))
    session.run("create table long as select 'l' as id, ? as text", [f"{filler} The needle stands here. {filler}"])
    made = session.run("select * from create_corpus('long', source := 'long', id := 'id', text := 'text')").rows()[0]
    assert int(str(made["chunks"])) > 5
    rows = session.run("select id, content from matrix_search('needle')").rows()
    assert [row["id"] for row in rows] == ["l"]
    assert "needle" in str(rows[0]["content"])


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = {"models.embedder": "hash:256"}
    sql = "select * from hybrid_search('document number 7', k := 5)"
    lake = open_lake(home, settings=settings)
    session = lake.session()
    session.run("create table docs as select i::varchar as id, 'document number ' || i as text from range(20) as r(i)")
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    session.run("select * from playbook_record('document number 7', 'docs', '3', 1.0)")
    before = session.run(sql).rows()
    lake.close()
    lake = open_lake(home, settings=settings)
    try:
        assert lake.session().run(sql).rows() == before
    finally:
        lake.close()


def test_what_a_crash_left_is_removed_at_the_next_open(corpus: Session, lake: Lake) -> None:
    folder = lake.corpora.folder("docs")
    for orphan in (folder / ".building-g000002", folder / "g000002", folder.parent / "gone" / "g000001"):
        orphan.mkdir(parents=True)
        (orphan / "vectors.arrow").write_bytes(b"half")
    lake.corpora.recover()
    assert sorted(path.name for path in folder.iterdir()) == ["g000001"]
    assert not (folder.parent / "gone").exists()
    recovered = corpus.run("select count(*) as n from lake.journal where kind = 'recovery'").rows()
    assert recovered == [{"n": 1}]


def test_a_cut_file_is_named(corpus: Session, lake: Lake) -> None:
    path = lake.corpora.folder("docs") / "g000001" / "vectors.arrow"
    path.write_bytes(path.read_bytes()[:100])
    lake.corpora.close()
    with pytest.raises(Internal, match=r"g000001/vectors\.arrow of an index has 100 bytes instead of \d+; ref"):
        corpus.run("select * from vector_search('document')").read_all()


def test_the_manifest_names_what_made_the_vectors(corpus: Session, lake: Lake) -> None:
    manifest = json.loads((lake.corpora.folder("docs") / "g000001" / "manifest.json").read_text())
    assert (manifest["model"], manifest["dimension"], manifest["metric"]) == ("hash-256", 256, "cosine")
    assert manifest["model_sha256"] == lake.models.embedder().sha256
    files = manifest["parts"][0]["files"]
    assert {"documents.arrow", "chunks.arrow", "vectors.arrow"} <= set(files)
    assert all(len(facts["sha256"]) == 64 for facts in files.values())


def test_two_builds_of_one_corpus_do_not_meet(corpus: Session, lake: Lake) -> None:
    with lake.corpora.building("docs"), pytest.raises(Busy, match="is being built"):
        refresh(corpus)


def test_a_cancelled_build_leaves_nothing(session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    session.run("create table docs as select i::varchar as id, 'text ' || i as text from range(50) as r(i)")
    original = HashEmbedder.embed

    def cancelling(self: HashEmbedder, texts: Sequence[str], **options: Any) -> Any:
        for statement in lake.statements():
            statement.cancel()
        return original(self, texts, **options)

    monkeypatch.setattr(HashEmbedder, "embed", cancelling)
    with pytest.raises(TimedOut):
        session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    monkeypatch.undo()
    assert lake.corpora.names() == []
    assert list(lake.corpora.folder("docs").iterdir()) == []
    made = session.run("select status from create_corpus('docs', source := 'docs', id := 'id', text := 'text')").rows()
    assert made == [{"status": "created"}]


def test_a_full_disk_leaves_nothing_behind(small_disk: Path) -> None:
    lake = open_lake(small_disk / "home", settings={"models.embedder": "hash:256"})
    try:
        session = lake.session()
        make = "select status from create_corpus('{0}', source := '{0}', id := 'id', text := 'text')"
        session.run("create table small as select i::varchar as id, 'forklift ' || i as text from range(50) as r(i)")
        session.run(make.format("small"))
        session.run("create table large as select i::varchar as id, 'crane ' || i as text from range(40000) as r(i)")
        with pytest.raises(Busy, match="the disk is full"):
            session.run(make.format("large"))
        assert lake.corpora.names() == ["small"]
        assert list(lake.corpora.folder("large").iterdir()) == []
        assert session.run("select id from matrix_search('forklift 7', k := 1)").rows() == [{"id": "7"}]
        recorded = session.run("select status from playbook_record('forklift', 'small', '7', 1.0)").rows()
        assert recorded == [{"status": "created"}]
    finally:
        lake.close()
