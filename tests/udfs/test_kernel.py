"""Kernels as DuckDB calls them: batches, errors with their codes, cancellation, effects, never without a statement."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from engine import duck
from engine.errors import Conflict, Forbidden, Internal, Invalid, LakehouseError, NotFound, TimedOut
from engine.lake import Lake
from engine.session import Session
from sql import scripts
from tests.asking import session_of
from tests.engine.conftest import assert_idle
from tests.engine.patience import Task, until
from tests.udfs.workshop import BATCHES, open_workshop
from udfs import kernels


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = open_workshop(tmp_path_factory.mktemp("workshop") / "home", **{"engine.statement_seconds": 2.0})
    yield lake
    lake.close()


@pytest.fixture
def smith(workshop: Lake) -> Iterator[Session]:
    session = session_of(workshop, "smith")
    yield session
    session.close()
    assert_idle(workshop)


def values(session: Session, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in session.run(sql, params).rows()]


def test_rows_come_in_batches_and_in_order(smith: Session) -> None:
    BATCHES.clear()
    table = smith.run("select range as n, double(range) as d from range(10_000) order by n").read_all()
    assert table.column("d").to_pylist() == [2 * n for n in range(10_000)]
    assert sum(BATCHES) == 10_000
    assert 100 < max(BATCHES) <= 2048


def test_null_in_and_out(smith: Session) -> None:
    assert values(smith, "select double(null), double(?)", [None]) == [(None, None)]
    assert values(smith, "select count(double(n)) from (values (1), (null), (3)) v(n)") == [(2,)]


def test_types_that_hold_commas(smith: Session) -> None:
    [(price, whole)] = values(smith, "from tell(1.5, {'a': 1, 'b': 'x'})")
    assert (price, whole) == ("Decimal('1.50')", "{'a': 1, 'b': 'x'}")


def test_equal_calls_are_not_folded_nor_run_by_explain(smith: Session) -> None:
    BATCHES.clear()
    smith.describe("select double(1)")
    smith.run("explain select double(1)").read_all()
    assert BATCHES == []
    smith.run("select double(1)").read_all()
    assert BATCHES == [1]


def test_an_error_of_ours_arrives_as_it_was(smith: Session) -> None:
    for sql in ("select break_as('ours')", "select break_as('ours') from range(5000)",
                "create table t as select break_as('ours')"):  # fmt: skip
        with pytest.raises(Conflict) as caught:
            smith.run(sql).read_all()
        assert (caught.value.message, caught.value.hint) == ("the shelf\nis full; all of it", "empty it; then repeat")


def test_an_error_of_the_engine_is_translated(smith: Session) -> None:
    with pytest.raises(NotFound, match="Table with name nothing_here does not exist"):
        smith.run("select break_as('engine')").read_all()


@pytest.mark.parametrize(("how", "kind"), [("bug", "KeyError"), ("recursion", "RecursionError")])
def test_a_bug_is_told_without_its_insides_and_kept_for_us(smith: Session, how: str, kind: str) -> None:
    with pytest.raises(Internal) as caught:
        smith.run(f"select break_as('{how}')").read_all()
    assert str(caught.value) == f"[INTERNAL] break() failed: {kind}; see lake.journal, kind 'fault'"
    faults = "select subject, body ->> 'trace' from lake.journal where kind = 'fault' order by entry desc limit 1"
    [(subject, trace)] = values(smith, faults)
    assert subject == "_break"
    assert kind in trace
    assert values(smith, "select count(*) from lake.errors where code = 'INTERNAL' and sql like ?", [f"%'{how}'%"]) == [
        (1,)
    ]


def test_an_answer_of_the_wrong_type_is_an_error(smith: Session) -> None:
    with pytest.raises(LakehouseError):
        smith.run("select break_as('value')").read_all()


def test_there_is_no_call_without_a_statement(workshop: Lake, smith: Session) -> None:
    for kernel in [*kernels()]:
        arguments = ", ".join(f"null::{sql_type}" for sql_type in kernel.parameters)
        for token in ("null", "''", "'x'", f"'{'0' * 32}'"):
            call = f"{kernel.name}({', '.join(filter(None, [arguments, token]))})"
            with pytest.raises(duck.Error, match="cannot be called directly"):
                workshop.root.cursor().execute(f"select {call}").fetchall()
            with pytest.raises(Forbidden):
                smith.run(f"select {call}")


def test_a_waiting_kernel_is_cancelled_within_a_second(workshop: Lake, smith: Session) -> None:
    task = Task(lambda: smith.run("select wait('for ever')", statement_id="waiting").rows())
    until(lambda: any(one.progress for one in workshop.statements()))
    shown = values(workshop.session(), "select status, progress from lake.statements where statement_id = 'waiting'")
    assert shown == [("running", "1/2 for ever")]
    started = time.monotonic()
    assert smith.cancel("waiting")
    with pytest.raises(TimedOut, match="was cancelled"):
        task.result()
    assert time.monotonic() - started < 1


def test_the_time_limit_stops_a_kernel(smith: Session) -> None:
    started = time.monotonic()
    with pytest.raises(TimedOut, match="took longer than it may"):
        smith.run("select wait('for ever')").rows()
    assert 2 <= time.monotonic() - started < 3


def test_closing_stops_a_kernel(tmp_path: Any) -> None:
    lake = open_workshop(tmp_path / "home")
    session = lake.session()
    task = Task(lambda: session.run("select wait('for ever')").rows())
    until(lambda: any(one.progress for one in lake.statements()))
    started = time.monotonic()
    lake.close()
    assert time.monotonic() - started < 5
    with pytest.raises(TimedOut):
        task.result()


def test_rows_that_nobody_wants_stop_their_kernel(workshop: Lake, smith: Session) -> None:
    statement_id = smith.run(
        "select double(range), case when range < 4_000_000 then 1 else wait('x') end from range(5_000_000)"
    ).statement_id
    gc.collect()
    started = time.monotonic()
    until(lambda: statement_id not in [one.statement_id for one in workshop.statements()])
    assert time.monotonic() - started < 1.5


NOTES = "select subject from lake.journal where kind = 'note' and subject like ? order by entry"


def test_an_effect_happens_once_and_before_run_returns(workshop: Lake, smith: Session) -> None:
    result = smith.run("select * from note('once')")
    assert values(workshop.session(), NOTES, ["once"]) == [("once",)]
    assert result.rows() == [{"noted": "once"}]
    smith.describe("select * from note('never')")
    smith.run("explain select * from note('never')").read_all()
    assert values(smith, NOTES, ["never"]) == []


def test_a_kernel_may_write_within_a_statement_that_writes(workshop: Lake, smith: Session) -> None:
    smith.run("create table noted as select * from note('created')")
    smith.run(
        "insert into noted select noted from (values ('a'), ('b')) v(x), lateral (select * from note('in ' || x))"
    )
    assert values(smith, "from noted order by all") == [("created",), ("in a",), ("in b",)]
    assert len(values(smith, NOTES, ["in %"])) == 2
    with pytest.raises(Invalid):
        smith.run("insert into noted select error(noted) from note('kept')")
    assert values(smith, NOTES, ["kept"]) == [("kept",)]
    assert len(values(smith, "from noted")) == 3


def test_a_kernel_in_a_transaction_commits_on_its_own(workshop: Lake, smith: Session) -> None:
    transaction = smith.begin()
    assert values(smith, NOTES, ["within"]) == []
    smith.run("select * from note('within')", transaction=transaction)
    assert values(smith, NOTES, ["within"]) == [("within",)]
    assert smith.run(NOTES, ["within"], transaction=transaction).rows() == [{"subject": "within"}]
    smith.rollback(transaction)
    assert values(smith, NOTES, ["within"]) == [("within",)]


def test_a_kernel_may_run_sql_of_its_caller(smith: Session) -> None:
    assert values(smith, "select nested('from range(7)')") == [(7,)]
    assert values(smith, "select sum(nested('select double(1)'))::integer from range(20)") == [(20,)]
    assert values(smith, "select nested('select nested(''from range(3)'')')") == [(1,)]
    with pytest.raises(NotFound):
        smith.run("select nested('from nothing_here')").rows()
    with pytest.raises(NotFound):
        smith.run("select nested('from control.journal')").rows()


def test_what_a_role_may_not_is_refused_where_it_would_act_too(workshop: Lake) -> None:
    workshop.session().run("create view v as select 1 as x")
    reader = session_of(workshop, "ann", "reader")
    assert values(reader, "select double(2)") == [(4,)]
    for sql in ("select * from note('x')", "select * from rule()", "select nested('select * from note(''x'')')"):
        with pytest.raises(Forbidden, match="which the role 'reader' may not"):
            reader.run(sql).rows()
    editor = session_of(workshop, "eve", "editor")
    assert values(editor, "select * from note('eve')") == [("eve",)]
    for sql in ("select * from rule()", "insert into noted select ruled::varchar from rule()"):
        with pytest.raises(Forbidden, match="administers, which the role 'editor' may not; ask for the role 'admin'"):
            editor.run(sql)
    assert values(workshop.session(), "select * from rule()") == [(True,)]


def test_a_kernel_asks_for_the_role_although_a_view_hides_it(workshop: Lake) -> None:
    workshop.root.execute("create view \"primary\".main.hiding as select * from fn.note('hidden')")
    with pytest.raises(Forbidden, match=r"note\(\) records, which the role 'reader' may not"):
        session_of(workshop, "ann", "reader").run("from hiding").rows()
    assert values(workshop.session(), NOTES, ["hidden"]) == []
    assert values(session_of(workshop, "con", "contributor"), "from hiding") == [("hidden",)]


def test_every_kernel_belongs_to_a_function_of_the_same_effect(workshop: Lake) -> None:
    """A kernel that needs more than its function declares could never be called by those who may."""
    text = "\n".join(script.text for script in [*scripts("functions"), *scripts("views")])
    effects = {row["function"]: row["effect"] for row in workshop.session().run("from lake.functions").rows()}
    for kernel in kernels():
        assert f"{kernel.name}(" in text, f"{kernel.name} is called by no macro and no view"
        assert effects.get(kernel.name.lstrip("_"), "reads") == kernel.effect
        for sql_type in (*kernel.parameters, kernel.returns):
            assert isinstance(workshop.arrow_type(sql_type), pa.DataType)
