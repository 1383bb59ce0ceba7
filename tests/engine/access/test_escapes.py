"""Every attempt of `escapes.txt` in a session of its profile, and that all is as it was afterwards."""

from collections.abc import Iterator

import pytest

from engine import guard, paths
from engine.access import fence
from engine.access.namespace import Namespace
from engine.errors import LakehouseError
from tests.engine.access.escaping import ROLES, Ask, House, Outcome, answered, attempts, betrays, tried

ATTEMPTS = list(attempts())
SECTIONS = list(dict.fromkeys(attempt.section for attempt in ATTEMPTS))
ORDINARY = {  # so that a refusal is one of the attempt, not of all that the role does
    "reader": ["from open", "from tally", "from matrix_search('open')", "show tables"],
    "contributor": ["select count(*) from open", "from lake.corpora"],
    "editor": ["select a, b from drafts.mine", "explain from drafts.mine", "from lake.datasets"],
    "partial": ["select id, name, pay, email from staff", "from vector_search('klaus', corpora := ['staffs'])"],
    "whole": ["from payroll", "from vault.safe", "from kickback", "from text_search('later')"],
    "admin": ["from payroll", "from lake.tokens", "from read_csv('{in}/given.csv')", "from '{in}/given.csv'"],
}
WRITING = (
    "create table drafts.made (a integer, b varchar)",
    "insert into drafts.made (a, b) select a, b from open where b is distinct from 'open 1'",
    "insert into drafts.made select v.a, v.b from open join (values (1, 'x'), (2, 'y')) as v(a, b) on open.a = v.a",
    "update drafts.made set b = 'y', a = 3 from open where open.b in ('open 1', 'open 2')",
    "delete from drafts.made using open where drafts.made.a = open.a and open.b is not distinct from 'x'",
    "alter table drafts.made add column c integer default 5",
    "drop table drafts.made",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("escapes"))
    yield house
    house.close()


def asks(house: House) -> Ask:
    """Asks in a session of its own."""

    def ask(role: str, sql: str) -> Outcome:
        session = house.lake.session(role)
        try:
            return answered(session.run(sql).read_all())
        except LakehouseError as error:
            return Outcome(error.code, str(error))
        finally:
            session.close()

    return ask


@pytest.mark.parametrize("section", SECTIONS)
def test_nobody_escapes(house: House, section: str) -> None:
    before, ask = house.state(), asks(house)
    tries = [tried(house, attempt, ask) for attempt in ATTEMPTS if attempt.section == section]
    assert not any(tries), "\n".join(filter(None, tries))
    assert house.state() == before, "something was changed"


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_see_what_they_were_granted(house: House, role: str) -> None:
    ask = asks(house)
    for sql in ORDINARY[role]:
        outcome = ask(role, sql.replace("{in}", house.places["in"]))
        assert (outcome.code, outcome.rows > 0) == ("ok", True), f"{sql}\n{outcome.told}"


def test_an_editor_writes_where_everything_is_granted(house: House) -> None:
    ask = asks(house)
    for sql in WRITING:
        outcome = ask("editor", sql)
        assert outcome.code == "ok", f"{sql}\n{outcome.told}"


def test_there_are_many_attempts_of_everyone() -> None:
    assert len(ATTEMPTS) > 1000
    assert {attempt.role for attempt in ATTEMPTS} == set(ROLES)


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Another house: what gets in changes it."""
    house = House(tmp_path_factory.mktemp("unguarded"))
    yield house
    house.close()


@pytest.mark.parametrize(
    ("broken", "name", "left", "section"),
    [
        (fence, "_check_table", lambda *arguments: None, "place of a table"),
        (fence, "_check_function", lambda *arguments: None, "readers"),
        (fence, "_check_files", lambda *arguments: None, "place of a table"),
        (guard, "_check_catalog_functions", lambda *arguments: None, "functions and views"),
        (guard, "_check_first_words", lambda *arguments: None, "written"),
        (guard, "_check_function", lambda *arguments: None, "settings"),
        (paths, "tables", lambda *arguments: iter(()), "place of a table"),
        (Namespace, "scrubbed", lambda self, fault, sql: fault, "hidden tables"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_attempts_find_a_hole(
    unguarded: House, monkeypatch: pytest.MonkeyPatch, broken: object, name: str, left: object, section: str
) -> None:
    monkeypatch.setattr(broken, name, left)
    unguarded.lake.checking.cache_clear()
    unguarded.lake.spaces.forget()
    ask = asks(unguarded)
    assert any(tried(unguarded, attempt, ask) for attempt in ATTEMPTS if section in attempt.section)


def test_what_is_told_is_found(house: House) -> None:
    assert betrays(house, "reader", "from open", "kanarienvogel4711")
    assert betrays(house, "reader", "from open", "a hint at Payroll")
    assert not betrays(house, "reader", "from payroll", "table payroll does not exist")
    assert not betrays(house, "whole", "from payroll", "kanarienvogel4711")
    (house.out / "secret.csv").read_text()
    assert house.touched() == "a file outside was opened"
    assert not house.touched()
