"""Contained statements: the same answers, and nothing that one of them does reaches anybody else."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import Busy, Forbidden, Invalid, LakehouseError, NotFound, TimedOut
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.conftest import assert_idle
from tests.engine.containment.conftest import CONTAINED, SECONDS, fill
from tests.engine.patience import Task, until

SLOW = "select max(levenshtein(repeat('a', 10000) || range, repeat('b', 10000) || range)) as n from range(100000)"

SAME = [
    ("select repeat(name, 2000) as r from many order by n limit 3", None),
    ("select n, list_transform([n, n + 1], lambda x: x * 2) as l from many order by n limit 5", None),
    ("select count(*) as c, max(length(repeat(name, 500))) as m from many", None),
    ("select id, body, tags, ts, list_filter(tags, lambda t: t = 'x') as x from few order by id", None),
    ("select a.id, b.n from few a join many b on levenshtein(a.id, b.name) < 6 order by 1, 2 limit 5", None),
    ("select m.n, list_sort([m.n, 3, 1]) as l, repeat('z', 1200) as z from short m order by 1", None),
    ("select n, repeat(name, ?) as r from many where n in (?, ?) order by n", [2, 7, 9]),
    ("select n, repeat($what, $many) as r from many where n = $n", {"what": "ab", "many": 1500, "n": 4}),
    ("select id, _score, repeat('x', 2000) as x from matrix_search('forklift', k := 2)", None),
    ("select id, _rank, range(_rank + 20000) is null as x from vector_search('nurse') order by _rank", None),
    ("select f.id, h.id as hit, repeat('x', 2000) as x "
     "from few f, lateral (select * from text_search(f.body, k := 1)) h order by 1", None),
    ("select list_transform(embed('x'), lambda v: round(v, 3)) as e", None),
    ("select count(*) > 0 as c, max(length(repeat('a', 5000))) as r from lake.journal where kind = 'statement'", None),
    ('select "function", list_filter(parameters, lambda p: p = \'k\') as k from lake.functions order by 1', None),
    ("select dataset, repeat('r', 1001) as r from lake.datasets order by 1", None),
    ("select code, repeat('r', 1001) as r from mistakes where code = 'none'", None),
    ("select twice(body) as t from few order by 1", None),
    ("select median(a.n) as m, quantile_cont(a.n, 0.9) as q from many a join many b using (n)", None),
    ("select mode(n % 7) over (order by n rows 3 preceding) as m from many order by n limit 4", None),
    ("select map_from_entries([{'k': n, 'v': name}]) as m, {'a': n, 'b': [name]} as s from many where n = 2", None),
    ("select n from many at (version => 9) where length(repeat(name, n)) = 20 order by n", None),
    ("pivot (select n % 3 as k, list_sum(list_transform([n], lambda v: v)) as v from many) on k using max(v)", None),
    ("select date '2024-01-01' + n::integer as d, n::decimal(9, 2) as x, n::hugeint as h, repeat('a', 1001) as a, "
     "interval (n) day as i, 'x'::enum ('x', 'y') as e, uuid '00000000-0000-0000-0000-000000000001' as u, "
     "'{\"a\": 1}'::json as j, 'ab'::blob as b, null as z from many where n = 3", None),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "params"), SAME)
def test_a_contained_statement_answers_as_one_in_the_server(
    contained: Lake, caller: Session, sql: str, params: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contained.containment.takes(contained.check(sql))
    apart = caller.run(sql, params).read_all()  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr(type(contained.containment), "takes", lambda *_: False)
        here = caller.run(sql, params).read_all()  # type: ignore[arg-type]
    assert apart.schema == here.schema
    assert apart.to_pylist() == here.to_pylist()


HOSTILE = [
    "select length(repeat('a', 4000000000)) as n",
    "select repeat(repeat(repeat('a', 1000), 1000), 1000) as n",
    "select lpad('a', 2000000000, 'b') as n",
    "select max(damerau_levenshtein(repeat('a', 30000), repeat('b', 30000) || range)) as n from range(1000)",
    "select max(jaro_similarity(repeat('a', 300000) || range, repeat('b', 300000) || range)) as n from range(1000)",
    "select len(range(1000000000)) as n",
    "select list_sort(range(200000000))[1] as n",
    "select list_reduce(range(100000000), lambda a, b: a + b) as n",
    "select len(list_transform(range(100000000), lambda x: x * 2)) as n",
    "select md5(repeat('a', 4000000000)) as n",
    "select to_base64(repeat('a', 2000000000)::blob) as n",
    "select bitstring('1', 2000000000) as n",
    "select len(generate_series(timestamp '1900-01-01', timestamp '2100-01-01', interval 1 microsecond)) as n",
    "select map_from_entries(list_transform(range(3000000), lambda x: {'k': x, 'v': x})) as n",
    "select null::integer[50000000] as n from range(5000)",
    "select count(*) as n from range(2000) where repeat('a', 900) || range like '%a_%a_%a_%a_%a_%b'",
    "select strftime(date '2020-01-01', repeat('%c', 1000000000)) as n",
    "with b as (select string_agg(range::varchar, '') s from range(3000000)) "
    "select sum(length(s || range::varchar)) as n from b, range(1000000)",
    "select string_agg(range::varchar, ',') over () as n from range(100000000)",
    "select median(range) as n from range(100000000000)",
]


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attack(lake: Lake, sql: str) -> None:
    """Run a hostile statement: it ends in time, the server stays small, and another session is served all the while."""
    before, peak, slowest = resident(), 0, 0.0
    session, other = lake.session(), lake.session()
    started = time.monotonic()
    task = Task(lambda: session.run(sql).read_all())
    while not task.done:
        asked = time.monotonic()
        assert other.run("select 1 as x").rows() == [{"x": 1}]
        slowest = max(slowest, time.monotonic() - asked)
        peak = max(peak, resident())
        time.sleep(0.02)
    took = time.monotonic() - started
    with pytest.raises(LakehouseError) as raised:
        task.result()
    assert isinstance(raised.value, TimedOut | Invalid), raised.value
    assert took < SECONDS + 2
    assert peak - before < 200 << 20
    assert slowest < 0.5


@pytest.mark.parametrize("sql", HOSTILE[:3] + HOSTILE[13:14])
def test_a_hostile_statement_hurts_nobody_else(target: Lake, sql: str) -> None:
    attack(target, sql)


@pytest.mark.slow
@pytest.mark.parametrize("sql", HOSTILE)
def test_no_hostile_statement_hurts_anybody_else(target: Lake, sql: str) -> None:
    attack(target, sql)


def test_what_only_looks_at_a_hostile_statement_is_contained(target: Lake) -> None:
    attack(target, "describe select strftime(date '2020-01-01', repeat('%c', 1000000000))")
    session = target.session()
    started = time.monotonic()
    with suppress(TimedOut, Invalid):
        session.describe("select strftime(date '2020-01-01', repeat('%c', 1000000000)) as x")
    with suppress(TimedOut, Invalid):
        session.run(f"explain {HOSTILE[0]}").rows()
    assert time.monotonic() - started < 2 * (SECONDS + 2)


def test_describing_is_contained(contained: Lake, caller: Session) -> None:
    described = caller.describe("select repeat(name, ?) as r, n from many where n > ?")
    assert described.schema == pa.schema([("r", pa.string()), ("n", pa.int64())])
    assert described.parameters.names == ["1", "2"]
    assert contained.containment.pool.pids()


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told apart by /proc")
def test_a_worker_lets_the_server_go_first(contained: Lake, caller: Session) -> None:
    assert caller.run(CONTAINED).rows() == [{"n": 5000}]
    for pid in contained.containment.pool.pids():
        for thread in Path(f"/proc/{pid}/task").iterdir():
            assert os.getpriority(os.PRIO_PROCESS, int(thread.name)) > os.getpriority(os.PRIO_PROCESS, 0)


def test_each_statement_is_recorded(contained: Lake, caller: Session) -> None:
    result = caller.run(CONTAINED)
    assert result.rows() == [{"n": 5000}]
    done = caller.run("select outcome, rows from lake.statements where statement_id = ?", [result.statement_id]).rows()
    assert done == [{"outcome": "ok", "rows": 1}]


def test_it_sees_what_was_just_written(contained: Lake, caller: Session) -> None:
    caller.run("create or replace table fresh (n integer)")
    for n in range(4):
        caller.run("insert into fresh values (?)", [n])
        assert caller.run("select count(*) as c, max(repeat('a', 2000)) is null as x from fresh").rows() == [
            {"c": n + 1, "x": False}
        ]
    copies = list((contained.home / "cache" / "contained").glob("*.duckdb"))
    assert 1 <= len(copies) <= 3


def test_faults_read_as_those_of_the_server(caller: Session) -> None:
    with pytest.raises(NotFound, match="manny does not exist"):
        caller.run("select repeat(name, 5000) from manny")
    with pytest.raises(NotFound, match=r"corpus 'nope'"):
        caller.run("select repeat('x', 5000) from matrix_search('x', corpora := ['nope'])").rows()
    with pytest.raises(Invalid, match="Could not convert"):
        caller.run("select cast(repeat('x', 5000) as integer)").rows()
    with pytest.raises(Forbidden, match="not served"):
        caller.run("select _embed(repeat('x', 5000), 'contained')")


def test_a_worker_reads_no_file_of_the_machine(caller: Session) -> None:
    with pytest.raises((Forbidden, Invalid, NotFound)):
        caller.run("select repeat(content, 2000) from read_text('/etc/hostname')").rows()


def test_a_killed_worker_fails_its_own_statement_only(contained: Lake, caller: Session) -> None:
    assert caller.run(CONTAINED).rows() == [{"n": 5000}]
    task = Task(lambda: caller.run(SLOW).rows())
    until(lambda: contained.containment.pool._used)
    (pid,) = [process.pid for process in contained.containment.pool._used]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Busy, match="was killed; repeat it"):
        task.result()
    assert caller.run(CONTAINED).rows() == [{"n": 5000}]
    assert pid not in contained.containment.pool.pids()


def test_a_cancelled_statement_ends_soon(contained: Lake, caller: Session) -> None:
    caller.run(CONTAINED).rows()
    task = Task(lambda: caller.run(SLOW, statement_id="slow").rows())
    until(lambda: contained.containment.pool._used)
    started = time.monotonic()
    assert caller.cancel("slow")
    with pytest.raises(TimedOut, match="was cancelled"):
        task.result()
    assert time.monotonic() - started < 1.5


def test_a_stream_that_is_closed_early_keeps_its_worker(contained: Lake, caller: Session) -> None:
    caller.run(CONTAINED).rows()
    before = contained.containment.pool.pids()
    result = caller.run("select n, list_transform([n], lambda x: x) as l from many, range(100)")
    next(result.batches())
    result.close()
    until(lambda: not contained.containment.pool._used)
    assert contained.containment.pool.pids() == before
    assert caller.run(CONTAINED).rows() == [{"n": 5000}]


def test_a_reader_that_stalls_keeps_no_worker(contained: Lake, caller: Session) -> None:
    stalled = [caller.run("select n, repeat(name, 1200) as r from many") for _ in range(4)]
    for result in stalled:
        next(result.batches())
    assert not contained.containment.pool._used
    assert caller.run(CONTAINED).rows() == [{"n": 5000}]
    for result in stalled:
        result.close()


def test_the_rows_that_are_kept_are_bounded(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings={**FAST, "engine.contained_result": 2_000_000})
    with pytest.raises(Invalid, match="more than the 2000000 bytes that a contained statement may read at once"):
        lake.session().run("select repeat('x', 2000) as r from range(5000)").rows()
    lake.close()


@pytest.mark.parametrize("function", ["json_structure(j)", "json_merge_patch(j, j)", "j::variant::varchar"])
def test_what_could_end_the_process_never_acts_in_it(caller: Session, function: str) -> None:
    deep = '{"a":' * 150_000 + "1" + "}" * 150_000
    with pytest.raises(Invalid, match="ended its worker process"):
        caller.run(f"select {function} from (select ?::json as j)", [deep]).rows()
    with pytest.raises(Forbidden, match="may run for long, which a statement that acts may not"):
        caller.run(f"create table never as select {function} as x from (select '[]'::json as j)")


def test_rows_stream_and_are_counted(caller: Session) -> None:
    result = caller.run("select n, repeat(name, 1200) as r from many")
    sizes = [batch.num_rows for batch in result.batches()]
    assert sum(sizes) == 20000
    assert len(sizes) > 10


def test_a_row_that_is_too_large_is_refused(caller: Session) -> None:
    with pytest.raises(Invalid, match="more memory than a contained statement may"):
        caller.run("select repeat('a', 100000000) as a").rows()
    assert caller.run(CONTAINED).rows() == [{"n": 5000}]


def test_many_at_once_wait_for_each_other(contained: Lake) -> None:
    tasks = [Task(lambda: contained.session().run(CONTAINED).rows()) for _ in range(8)]
    assert [task.result() for task in tasks] == [[{"n": 5000}]] * 8
    assert len(contained.containment.pool.pids()) <= 2


def test_who_waits_in_vain_is_told(target: Lake) -> None:
    waiting = [Task(lambda: target.session().run(SLOW).rows()) for _ in range(4)]
    errors = []
    for task in waiting:
        with pytest.raises(LakehouseError) as raised:
            task.result()
        errors.append(str(raised.value))
    assert sum("were busy; repeat it later" in error for error in errors) == 2, errors
    until(lambda: not target.containment.pool._used)
    assert target.session().run("select 1 as x").rows() == [{"x": 1}]


def test_in_a_transaction(caller: Session) -> None:
    transaction = caller.begin()
    assert caller.run(CONTAINED, transaction=transaction).rows() == [{"n": 5000}]
    caller.run("create or replace table written (n integer)", transaction=transaction)
    with pytest.raises(Invalid, match="does not see what the transaction has written; commit first"):
        caller.run(CONTAINED, transaction=transaction)
    caller.rollback(transaction)


def test_temporary_tables_are_seen(caller: Session) -> None:
    rows = pa.table({"a": ["x", "y"]})
    caller.load(rows.to_reader(), "mine", mode="create", temporary=True)
    assert caller.run("select max(length(repeat(a, 2000))) as n from mine").rows() == [{"n": 2000}]


def test_large_values_are_contained(contained: Lake, caller: Session) -> None:
    contained.containment.pool.close_idle()
    assert contained.containment.pool.pids() == []
    assert caller.run("select length(?) as n", ["x" * 70_000]).rows() == [{"n": 70_000}]
    assert len(contained.containment.pool.pids()) == 1


def test_a_restricted_profile_sees_no_more_there(contained: Lake) -> None:
    ann = contained.session("ann")
    assert ann.run("select n, repeat(name, 1500) is null as x from many order by n").rows() == [
        {"n": n, "x": False} for n in range(3)
    ]
    for hidden in ("few", '"primary".main.few', "short"):
        with pytest.raises((NotFound, Forbidden)):
            ann.run(f"select repeat('a', 5000) from {hidden}").rows()
    for listing in ("information_schema.tables", "duckdb_views()", "pg_class", "(show all tables)"):
        with pytest.raises((Invalid, Forbidden), match="not"):
            ann.run(f"select repeat('a', 5000) from {listing}").rows()
    admin = contained.session()
    assert admin.run("select count(repeat(name, 1500)) as n from many").rows() == [{"n": 20000}]
    assert ann.run("select count(*) as n, max(repeat('a', 1500)) is null as x from lake.datasets").rows() == [
        {"n": 1, "x": False}
    ]
    ann.close()


def test_who_is_no_admin_may_not_act_with_what_cannot_be_stopped(contained: Lake, caller: Session) -> None:
    editor = contained.session("ed")
    with pytest.raises(
        Forbidden, match="repeat may run for long, which a statement that acts may not; compute it in a"
    ):
        editor.run("create table of_ed as select repeat(name, n) as r from many")
    editor.close()
    caller.run("create or replace table of_admin as select repeat(name, n) as r from many where n < 10")
    assert caller.run("select count(*) as n from of_admin").rows() == [{"n": 10}]


def test_a_filter_may_not_hold_it(caller: Session) -> None:
    with pytest.raises(Forbidden, match="repeat may not stand in a filter"):
        caller.run("select * from matrix_search('x', filter := $$ length(repeat(id, 1000000)) > 3 $$)").rows()


def test_workers_end_with_a_server_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from lakehouse import open_lake\n"
        "lake = open_lake(sys.argv[1], settings={'models.embedder': 'hash:256'})\n"
        f"lake.session().run({CONTAINED!r}).rows()\n"
        "print(*lake.containment.pool.pids(), flush=True)\n"
        f"lake.session().run({SLOW!r}).rows()\n"
    )
    server = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "home")], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        (pid,) = server.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        server.kill()
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_closing_the_lake_ends_every_worker(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings=FAST)
    fill(lake.session())
    running = Task(lambda: lake.session().run(SLOW).rows())
    until(lambda: lake.containment.pool._used)
    lake.session().run(CONTAINED).rows()
    pids = lake.containment.pool.pids()
    assert len(pids) == 2
    lake.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(LakehouseError):
        running.result()
    assert not (tmp_path / "home" / "cache" / "contained").exists()


def test_a_trusted_home_contains_nobody(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings={**FAST, "engine.contain": "nobody"})
    session = lake.session()
    assert session.run(CONTAINED).rows() == [{"n": 5000}]
    assert lake.containment.pool.pids() == []
    assert_idle(lake)
    lake.close()
