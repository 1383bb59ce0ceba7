"""Many at once: builds of one corpus, readers of what is swapped, and readers of what is dropped."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import Busy, NotFound
from engine.lake import Lake
from engine.models.hashed import HashEmbedder
from engine.session import Session
from tests.engine.search.indexed import build, corpus, open_small, settle

ROWS = 300
FIND = "select id, _score, _generation from {}('forklift night', corpora := ['docs'], k := 20)"
CREATE = "select status from create_corpus('docs', source := 'docs', id := 'id', text := 'text')"
BUILD = "select status from build_index('docs', engine := 'usearch', m := 8, wait := true)"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_small(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    made = lake.session()
    corpus(made, "docs", ROWS)
    return made


def answer(session: Session, door: str = "vector_search") -> tuple[str, list[tuple[object, object]]]:
    """The generation that answered, and what."""
    rows = session.run(FIND.format(door)).rows()
    names = {str(row["_generation"]) for row in rows}
    assert len(names) == 1, f"mixed: {names}"
    return names.pop(), [(row["id"], row["_score"]) for row in rows]


@contextmanager
def reading(
    lake: Lake, readers: int, read: Callable[[Session, int], None]
) -> Iterator[tuple[list[BaseException], list[int]]]:
    """So many threads that read all the time, each in its session: what went wrong, and how often each has read."""
    wrong: list[BaseException] = []
    counts = [0] * readers
    stop = threading.Event()

    def work(number: int) -> None:
        own = lake.session()
        while not stop.wait(0.002):  # a reader that never pauses would keep the interpreter from the one who swaps
            try:
                read(own, number)
            except BaseException as error:
                wrong.append(error)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(readers)]
    for one in threads:
        one.start()
    try:
        yield wrong, counts
    finally:
        stop.set()
        for one in threads:
            one.join(30)
        assert not any(one.is_alive() for one in threads)


@pytest.mark.parametrize("swaps", [30, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_a_swap_is_seen_whole_by_everyone(session: Session, lake: Lake, swaps: int) -> None:
    build(session, "docs", engine="usearch", m=8)
    session.run("insert into docs select 'n' || i, 'forklift night', 1 from range(9) as r(i)")
    session.run("select * from refresh_corpus('docs')")
    doors = ["vector_search", "matrix_search"]
    expected = {door: dict([answer(session, door)]) for door in doors}
    session.run("select * from rollback_index('docs')")
    for door in doors:
        expected[door] |= dict([answer(session, door)])
        assert sorted(expected[door]) == ["g000002", "g000003"]
        assert expected[door]["g000002"] != expected[door]["g000003"]

    def read(own: Session, number: int) -> None:
        name, found = answer(own, doors[number % 2])
        assert found == expected[doors[number % 2]][name]

    with reading(lake, 8, read) as (wrong, counts):
        for turn in range(swaps):
            if turn % 2:
                swapped = session.run("select generation from rollback_index('docs')").rows()
            else:
                swapped = session.run("select generation from promote_index('docs', 'g000003')").rows()
            assert swapped == [{"generation": "g000002" if turn % 2 else "g000003"}]
            assert answer(session)[0] == swapped[0]["generation"]
    assert wrong == []
    assert min(counts) > swaps / 10


def maps(lake: Lake) -> list[str]:
    """The files of the corpus that this process has mapped."""
    folder = str(lake.corpora.folder("docs"))
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if folder in line]


def test_a_corpus_is_dropped_while_it_is_read(session: Session, lake: Lake) -> None:
    session.run(BUILD).close()
    expected = {door: answer(session, door)[1] for door in ("vector_search", "matrix_search")}
    missing = [0]

    def read(own: Session, number: int) -> None:
        door = ("vector_search", "matrix_search")[number % 2]
        try:
            assert answer(own, door)[1] == expected[door]
        except NotFound:
            missing[0] += 1

    with reading(lake, 4, read) as (wrong, counts):
        for _ in range(8):
            assert session.run("select status from drop_corpus('docs')").rows() == [{"status": "dropped"}]
            assert session.run(CREATE).rows() == [{"status": "created"}]
        session.run("select * from drop_corpus('docs')")
    assert wrong == []
    assert min(counts) > 3
    assert missing[0] > 0
    assert not lake.corpora.folder("docs").exists()


def test_the_files_of_a_dropped_corpus_go_with_its_last_reader(session: Session, lake: Lake) -> None:
    answer(session)
    held = lake.corpora.live("docs")
    session.run("select * from drop_corpus('docs')")
    assert not lake.corpora.folder("docs").exists()
    assert len(held.segments[0].chunk(0)) == 5
    assert maps(lake)
    del held
    gc.collect()
    assert maps(lake) == []


def test_who_opens_a_corpus_while_it_is_dropped_leaves_nothing_open(
    session: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.corpora.close()
    opened, dropped = threading.Event(), threading.Event()
    original = lake.corpora.opened

    def slow(*arguments: object, **named: object) -> object:
        made = original(*arguments, **named)  # type: ignore[arg-type]
        opened.set()
        assert dropped.wait(20)
        return made

    monkeypatch.setattr(lake.corpora, "opened", slow)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(answer, lake.session())
        assert opened.wait(20)
        session.run("select * from drop_corpus('docs')")
        dropped.set()
        with pytest.raises(NotFound, match="corpus 'docs' does not exist"):
            reader.result(20)
    assert lake.corpora._open == {}


def test_of_two_builds_of_one_corpus_one_is_busy(session: Session, lake: Lake) -> None:
    both = threading.Barrier(2)

    def one() -> str:
        own = lake.session()
        both.wait(10)
        try:
            return str(own.run(BUILD).rows()[0]["status"])
        except Busy as error:
            return str(error).partition(" (")[0]

    with ThreadPoolExecutor(2) as pool:
        found = [future.result(60) for future in [pool.submit(one), pool.submit(one)]]
    settle(lake)
    assert sorted(found) in (["[BUSY] an index of corpus 'docs' is being built", "live"], ["live", "unchanged"])
    statuses = session.run("select status from lake.generations where corpus = 'docs' order by generation").rows()
    assert [row["status"] for row in statuses] == ["retired", "live"]
    assert session.run(BUILD).rows() == [{"status": "unchanged"}]


@pytest.mark.parametrize("long", [False, True], ids=["the second waits", "the second is told"])
def test_two_sessions_make_one_corpus(lake: Lake, monkeypatch: pytest.MonkeyPatch, long: bool) -> None:
    lake.session().run("create table docs as select i::varchar as id, 'forklift ' || i as text from range(50) as r(i)")
    begun, going_on = threading.Event(), threading.Event()
    original = HashEmbedder.embed

    def embed(self: HashEmbedder, texts: list[str], **options: object) -> object:
        begun.set()
        assert going_on.wait(20)
        return original(self, texts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(HashEmbedder, "embed", embed)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: lake.session().run(CREATE).rows())
        assert begun.wait(20)
        second = pool.submit(lambda: lake.session().run(CREATE).rows())
        if long:
            with pytest.raises(Busy, match="corpus 'docs' is being built; wait for it"):
                second.result(20)
            going_on.set()
        else:
            going_on.set()
            assert second.result(20) == [{"status": "exists"}]
        assert first.result(20) == [{"status": "created"}]
    assert lake.session().run(CREATE).rows() == [{"status": "exists"}]
