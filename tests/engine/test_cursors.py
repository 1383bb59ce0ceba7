from collections.abc import Iterator

import duckdb
import pytest

from engine import duck
from engine.cursors import KEEP, Cursors, Held, path_of


@pytest.fixture
def pool() -> Iterator[Cursors]:
    root = duckdb.connect()
    root.execute("attach ':memory:' as fn")
    root.execute("create schema fn.catalog")
    root.execute("create macro fn.answer() as 42")
    root.execute('create schema "a,b"; create schema "it\'s ""here"""; create table "a,b".t as select 1 as x')
    yield Cursors(root)
    root.close()


def test_a_cursor_knows_its_place_its_functions_and_its_token(pool: Cursors) -> None:
    held = pool.take(path_of(("memory", "a,b")))
    rows = held.cursor.execute("select x, answer(), getvariable('lakehouse_call') from t").fetchall()
    assert rows == [(1, 42, held.token)]
    assert len(held.token) == 32
    odd = pool.take(path_of(("memory", 'it\'s "here"')))
    assert odd.cursor.execute("select current_schema()").fetchall() == [('it\'s "here"',)]
    assert odd.token != held.token


def test_a_clean_cursor_is_used_again_for_the_same_place_only(pool: Cursors) -> None:
    held = pool.take(path_of(("memory", "main")))
    pool.give(held)
    assert pool.take(path_of(("memory", "a,b"))) is not held
    assert pool.take(path_of(("memory", "main"))) is held
    assert pool.take(path_of(("memory", "main"))) is not held


def test_a_dirty_cursor_is_closed(pool: Cursors) -> None:
    held = pool.take(path_of(("memory", "main")))
    held.dirty = True
    pool.give(held)
    with pytest.raises(duck.Error):
        held.cursor.execute("select 1")
    assert pool.take(path_of(("memory", "main"))) is not held


def test_the_pool_is_bounded_over_all_places(pool: Cursors) -> None:
    places = ["main", "a,b", 'it\'s "here"']
    taken = [pool.take(path_of(("memory", places[number % 3]))) for number in range(3 * KEEP)]
    for held in taken:
        pool.give(held)
    closed = [held for held in taken if not _works(held)]
    assert len(closed) == len(taken) - KEEP
    assert closed == taken[: len(closed)]  # those that waited longest


def test_an_unknown_place_leaves_no_cursor_behind(pool: Cursors) -> None:
    for _ in range(3):
        with pytest.raises(duck.Error):
            pool.take(path_of(("memory", "nowhere")))
        with pytest.raises(duck.Error):
            pool.check(path_of(("nowhere", "main")))
    assert not pool._taken
    assert not pool._free


def test_a_place_that_is_gone_is_noticed_in_spite_of_kept_cursors(pool: Cursors) -> None:
    held = pool.take(path_of(("memory", "a,b")))
    held.cursor.execute("create schema brief")
    pool.give(pool.take(path_of(("memory", "brief"))))
    pool.check(path_of(("memory", "brief")))
    held.cursor.execute("drop schema brief")
    with pytest.raises(duck.Error):
        pool.check(path_of(("memory", "brief")))


def test_closing_closes_what_is_out_and_what_comes_back(pool: Cursors) -> None:
    free, out, late = (pool.take(path_of(("memory", "main"))) for _ in range(3))
    pool.give(free)
    pool.close()
    assert not _works(free)
    assert not _works(out)
    pool.give(late)
    assert not _works(late)
    assert not pool._free


def _works(held: Held) -> bool:
    try:
        held.cursor.execute("select 1")
    except duck.Error:
        return False
    return True
