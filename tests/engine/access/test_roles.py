import itertools

import pyarrow as pa
import pytest

from engine.access.roles import EFFECTS, ROLES, Effect, Role, allows, require, strongest
from engine.errors import Forbidden, LakehouseError
from engine.lake import Lake
from tests.asking import session_of

OF_ROLE: dict[Role, set[Effect]] = {
    "reader": {"reads"},
    "contributor": {"reads", "records"},
    "editor": {"reads", "records", "writes"},
    "admin": {"reads", "records", "writes", "administers"},
}


def test_each_role_may_do_what_the_former_may_and_one_thing_more() -> None:
    assert {role: {effect for effect in EFFECTS if allows(role, effect)} for role in ROLES} == OF_ROLE


@pytest.mark.parametrize(("role", "effect"), list(itertools.product(ROLES, EFFECTS)))
def test_a_refusal_names_the_role_to_ask_for(role: Role, effect: Effect) -> None:
    if effect in OF_ROLE[role]:
        require(role, effect, "this")
        return
    with pytest.raises(Forbidden) as caught:
        require(role, effect, "this")
    needed = ROLES[EFFECTS.index(effect)]
    assert (
        str(caught.value) == f"[FORBIDDEN] this {effect}, which the role {role!r} may not; ask for the role {needed!r}"
    )


def test_the_strongest_effect() -> None:
    assert strongest([]) == "reads"
    assert strongest(["records", "reads"]) == "records"
    assert strongest(["writes", "administers", "records"]) == "administers"


STATEMENTS: list[tuple[Effect, str]] = [
    ("reads", "select 1"),
    ("reads", "select * from text_search('x')"),
    ("reads", "explain insert into t values (1)"),
    ("records", "select * from playbook_record('q', 'c', 'i', 1.0)"),
    ("records", "select * from t, lateral (select * from playbook_record('q', 'c', 'i', 1.0))"),
    ("writes", "select * from drop_corpus('c')"),
    ("writes", "insert into t values (1)"),
    ("writes", "create table t (a integer)"),
    ("writes", "drop table t"),
    ("writes", "with q as (select 1) delete from t"),
]


@pytest.mark.parametrize("role", ROLES)
def test_a_session_runs_what_its_role_may(house: Lake, role: Role) -> None:
    session = session_of(house, "somebody", role)
    for effect, sql in STATEMENTS:
        try:
            session.run(sql).read_all()
            refused = False
        except LakehouseError as error:
            refused = error.code == "FORBIDDEN"
        assert refused == (effect not in OF_ROLE[role]), sql


@pytest.mark.parametrize("role", ["reader", "contributor"])
def test_a_bulk_load_writes(house: Lake, role: Role) -> None:
    session = session_of(house, "somebody", role)
    with pytest.raises(Forbidden, match="a bulk load writes"):
        session.load(pa.table({"a": [1]}).to_reader(), "x", mode="create")
    with pytest.raises(Forbidden):
        session.run_many("insert into t values (?)", pa.table({"a": [1]}))
