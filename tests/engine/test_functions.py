"""The catalogue of functions as the guard reads it."""

import pytest

from engine import catalogue
from engine.catalogue import Function
from engine.errors import Internal, Invalid
from engine.lake import Lake

ONE = Function("find", "search", "reads", ("query", "k", "filter"), 1, "find(query, k := 10, filter := NULL)")


@pytest.mark.parametrize(
    ("positional", "named"), [(1, []), (3, []), (0, ["query"]), (1, ["K", "Filter"]), (2, ["filter"])]
)
def test_calls_that_fit(positional: int, named: list[str]) -> None:
    ONE.check_arguments(positional, named)


@pytest.mark.parametrize(
    ("positional", "named", "message"),
    [
        (0, [], "find() needs the argument 'query'"),
        (0, ["k"], "find() needs the argument 'query'"),
        (4, [], "find() takes at most 3 arguments"),
        (1, ["query"], "find() got the argument 'query' twice"),
        (1, ["k", "K"], "find() got the argument 'k' twice"),
        (1, ["fliter"], "find() has no argument 'fliter'; did you mean 'filter'?"),
        (1, ["x"], "find() has no argument 'x'; known: filter, k, query"),
    ],
)
def test_calls_that_do_not_fit(positional: int, named: list[str], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        ONE.check_arguments(positional, named)
    assert str(caught.value).startswith(f"[INVALID] {message}")
    assert str(caught.value).endswith(f"usage: {ONE.signature}")


def test_what_is_read_is_what_lake_functions_shows(house: Lake) -> None:
    functions = catalogue.read(house.root.cursor())
    rows = house.session().run('select "function", effect, signature from lake.functions').rows()
    assert {name: (one.effect, one.signature) for name, one in functions.items()} == {
        row["function"]: (row["effect"], row["signature"]) for row in rows
    }
    assert functions["playbook_record"].required == 4


def test_the_names_that_a_macro_may_not_take(house: Lake) -> None:
    session = house.session()
    session.run("create macro mine(x) as x")
    taken = catalogue.taken(house.root.cursor())
    assert {"lower", "duckdb_functions", "matrix_search", "_embed", "range"} <= taken
    assert "mine" not in taken
    session.run("create or replace macro mine(x) as x + 1")
    assert session.run("select mine(1) as x").rows() == [{"x": 2}]


def test_a_function_without_an_effect_is_a_fault(house: Lake) -> None:
    house.root.execute("create macro fn.nameless() as table select 1 as x")
    try:
        with pytest.raises(Internal, match="the function nameless declares no effect; add an @effect line"):
            catalogue.read(house.root.cursor())
    finally:
        house.root.execute("drop macro table fn.nameless")
