import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import flight as arrow_flight

from engine.errors import Busy, NotFound
from engine.lake import Lake
from engine.session import Session
from engine.spool import Spool
from flight import messages
from flight.registry import Registry
from flight.server import Server
from flight.sessions import Sessions
from flight.streams import has_dictionary, split
from tests.asking import session_of
from tests.flight.door import descriptor, query


@dataclass
class Thing:
    session: Session
    busy: bool = False
    disposable: bool = False
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    session: Session
    clock: Clock = field(default_factory=Clock)

    def registry(self, limit: int = 3) -> Registry[Thing]:
        return Registry("things", limit, 60.0, self.clock)


@pytest.fixture
def world(session: Session) -> World:
    return World(session)


def test_a_handle_is_found_until_it_is_too_old(world: World) -> None:
    things, thing = world.registry(), Thing(world.session)
    handle = things.add(thing)
    world.clock.now += 60
    assert things.get(handle, world.session) is thing
    world.clock.now += 1
    with pytest.raises(NotFound, match=r"\[NOT_FOUND\].*things"):
        things.get(handle, world.session)
    things.sweep()
    assert (thing.closed, len(things)) == (1, 0)


def test_renewing_starts_the_age_again(world: World) -> None:
    things = world.registry()
    handle = things.add(Thing(world.session))
    world.clock.now += 50
    assert things.renew(handle, world.session) == world.clock.now + 60
    world.clock.now += 50
    things.get(handle, world.session)


def test_what_works_is_neither_too_old_nor_evicted(world: World) -> None:
    things, thing = world.registry(limit=1), Thing(world.session, busy=True, disposable=True)
    handle = things.add(thing)
    world.clock.now += 1000
    things.sweep()
    assert things.get(handle, world.session) is thing
    with pytest.raises(Busy):
        things.add(Thing(world.session))
    assert thing.closed == 0


def test_the_bound_evicts_what_is_disposable_and_else_refuses(world: World) -> None:
    things = world.registry(limit=2)
    kept = things.add(Thing(world.session))
    old = Thing(world.session, disposable=True)
    things.add(old)
    things.add(Thing(world.session))
    assert old.closed == 1
    things.get(kept, world.session)
    with pytest.raises(Busy, match="2 things are open"):
        things.add(Thing(world.session))


def test_another_profile_finds_nothing(world: World, lake: Lake) -> None:
    things, thing = world.registry(), Thing(world.session)
    handle = things.add(thing)
    other = session_of(lake, "someone")
    with pytest.raises(NotFound):
        things.get(handle, other)
    with pytest.raises(NotFound):
        things.remove(handle, other)
    assert thing.closed == 0


def test_forgetting_a_session_closes_its_things_only(world: World, lake: Lake) -> None:
    things, mine, theirs = world.registry(), Thing(world.session), Thing(lake.session("admin"))
    things.add(mine)
    handle = things.add(theirs)
    things.forget(world.session)
    assert (mine.closed, theirs.closed) == (1, 0)
    things.remove(handle, world.session)
    assert theirs.closed == 1


@pytest.mark.parametrize("memory", [0, 10_000, 10_000_000])
def test_a_spool_gives_back_what_was_written_as_often_as_asked(memory: int) -> None:
    schema = pa.schema([("i", pa.int64()), ("s", pa.string())])
    batches = [pa.record_batch([pa.array([n] * 100), pa.array(["x" * 50] * 100)], schema=schema) for n in range(20)]
    spool = Spool(schema, memory)
    for batch in batches:
        spool.write(batch)
    spool.finish()
    expected = pa.Table.from_batches(batches)
    for _ in range(2):
        assert pa.Table.from_batches(spool.batches(), schema) == expected
    assert spool.rows == 2000
    spool.close()


def test_a_spool_of_no_rows() -> None:
    spool = Spool(pa.schema([("i", pa.int64())]), 0)
    spool.finish()
    assert list(spool.batches()) == []
    spool.close()


def test_a_reader_of_a_spool_survives_its_close() -> None:
    schema = pa.schema([("i", pa.int64())])
    spool = Spool(schema, 0)
    for n in range(3):
        spool.write(pa.record_batch([pa.array([n])], schema=schema))
    spool.finish()
    reading = spool.batches()
    first = next(reading)
    spool.close()
    assert [first, *reading][2].column(0).to_pylist() == [2]
    with pytest.raises(NotFound):
        spool.batches()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=300)), max_size=200), st.integers(50, 5000))
def test_splitting_keeps_every_row_and_the_bound(texts: list[str | None], limit: int) -> None:
    batch = pa.record_batch([pa.array(range(len(texts)), pa.int64()), pa.array(texts, pa.string())], ["i", "s"])
    parts = list(split(batch, limit))
    assert pa.Table.from_batches(parts) == pa.Table.from_batches([batch])
    assert all(part.num_rows == 1 or part.nbytes <= limit for part in parts)


def test_a_dictionary_is_found_inside_other_types() -> None:
    mood = pa.dictionary(pa.uint8(), pa.string())
    assert has_dictionary(pa.schema([("m", mood)]))
    assert has_dictionary(pa.schema([("m", pa.list_(pa.struct([("x", pa.map_(pa.string(), mood))])))]))
    assert not has_dictionary(pa.schema([("m", pa.list_(pa.struct([("x", pa.string())])))]))


def test_a_dictionary_does_not_make_single_rows() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([n % 1000 for n in range(5000)], pa.int16()), ["x" * 900] * 1000)
    parts = list(split(pa.record_batch([words], ["w"]), 100_000))
    assert len(parts) == 1


@dataclass
class Front:
    """Sessions over the real lake with a clock of the test's."""

    sessions: Sessions
    clock: Clock
    closed: list[Session]


@pytest.fixture
def front(lake: Lake) -> Front:
    clock, closed = Clock(), list[Session]()
    sessions = Sessions(lake, limit=3, idle_seconds=60.0, clock=clock, closed=closed.append)
    return Front(sessions, clock, closed)


def test_a_connection_has_a_session_and_a_cookie_goes_before_it(front: Front) -> None:
    first, cookie = front.sessions.of("admin", "ipv4:1")
    assert front.sessions.of("admin", "ipv4:1") == (first, None)
    second, _ = front.sessions.of("admin", "ipv4:2")
    assert second is not first
    assert front.sessions.of("admin", "ipv4:2", f"other=x; {cookie}") == (first, None)
    assert front.sessions.of("admin", "ipv4:2", "arrow_flight_session_id=unknown") == (second, None)
    assert front.sessions.of("admin", "ipv4:2", "not a \x00 cookie") == (second, None)


def test_a_session_is_never_given_to_another_profile(front: Front, lake: Lake) -> None:
    session_of(lake, "stranger").close()
    mine, cookie = front.sessions.of("admin", "ipv4:1")
    theirs, _ = front.sessions.of("stranger", "ipv4:1", cookie)
    assert (theirs is mine, theirs.profile) == (False, "stranger")


def test_idle_sessions_are_closed_unless_they_are_busy(front: Front) -> None:
    idle, busy, used = (front.sessions.of("admin", f"ipv4:{number}")[0] for number in range(3))
    front.clock.now += 61
    front.sessions.of("admin", "ipv4:2")
    front.sessions.sweep({busy})
    assert front.closed == [idle]
    assert front.sessions.of("admin", "ipv4:2") == (used, None)
    again, _ = front.sessions.of("admin", "ipv4:0")
    assert again is not idle
    with pytest.raises(Busy, match="3 sessions are open"):
        front.sessions.of("admin", "ipv4:9")
    front.sessions.close_all()
    assert len(front.closed) == 4


def test_a_reader_that_stalls_costs_bounded_memory_and_keeps_nobody_waiting(server: Server) -> None:
    columns = ", ".join(f"i * {number} as c{number}" for number in range(20))
    sql = f"select {columns} from range(5_000_000) as t(i)"  # 800 MB
    with arrow_flight.connect(server.uri) as slow, arrow_flight.connect(server.uri) as other:
        info = slow.get_flight_info(descriptor(messages.CommandStatementQuery(sql)))
        before = resident()
        stalled = [slow.do_get(info.endpoints[0].ticket) for _ in range(4)]
        for reader in stalled:
            reader.read_chunk()
        time.sleep(1.5)
        started = time.monotonic()
        assert query(other, "select 1 as x").num_rows == 1
        assert time.monotonic() - started < 1
        assert resident() - before < 300 << 20
        for reader in stalled:
            reader.cancel()


def resident() -> int:
    """The memory of this process, which holds the server, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
