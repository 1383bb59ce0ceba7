"""Generated and mutated statements of restricted profiles: none that runs touches what the profile lacks.

Two checks: what the engine really opens for the text that runs (its own binder names the tables), and canaries in
everything that is hidden, which may stand in no answer and in no error.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import duck
from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST

CANARY = "kanarienvogel4711"  # in what is hidden
HIDDEN_TABLES = {"hidden", "deep", "shadow"}
SETUP = f"""
create table open as select i as a, 'open ' || i as b from range(20) as r(i);
create table part as
select i as a, if(i % 2 = 0, 'mine', 'theirs') as tenant, if(i % 2 = 0, 'seen', '{CANARY}') as b,
    '{CANARY} masked' as c, '{CANARY} column' as d
from range(20) as r(i);
create table hidden as select '{CANARY}' as secret_column, 1 as a;
create schema vault;
create table vault.deep as select '{CANARY}' as secret_column, 1 as a;
create table vault.open as select '{CANARY}' as secret_column, 1 as a;
create view shadow as from hidden;
create schema drafts;
create table drafts.mine as select 1 as a, 'x' as b;
create macro leaky() as table from hidden;
select * from create_corpus('public', source := 'open', id := 'a', text := 'b');
select * from create_corpus('secrets', source := 'hidden', id := 'a', text := 'secret_column');
select * from playbook_record('{CANARY}', 'secrets', '1', 1.0);
"""


def pieces() -> dict[str, list[str]]:
    """The pieces that statements are made of, by section of `fuzz_pieces.txt`; a dash is an empty piece."""
    found: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "fuzz_pieces.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:-1].isalpha():
            found[line[1:-1]] = mine = []
        elif line:
            mine.append("" if line == "-" else line)
    return found


PIECES = pieces()
TABLES = PIECES["tables"]
WORD = re.compile(r"\w+|[^\w\s]|\s+")


def statement(chance: random.Random) -> str:
    text = chance.choice(PIECES["frames"])
    for mark, plain, wild in (
        ("{t}", "granted", "tables"),
        ("{e}", "harmless", "expressions"),
        ("{c}", "", "conditions"),
    ):
        while mark in text:
            piece = chance.choice(PIECES[plain] if plain and chance.random() < 0.6 else PIECES[wild])
            text = text.replace(mark, f" {piece}" if mark == "{c}" else piece, 1)
    return mutated(text, chance) if chance.random() < 0.3 else text


def mutated(text: str, chance: random.Random) -> str:
    words = WORD.findall(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(words))
        how = chance.randrange(6)
        if how == 0:
            del words[at]
        elif how == 1:
            words.insert(at, chance.choice(words))
        elif how == 2:
            other = chance.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        elif how == 3:
            words[at] = chance.choice([words[at].upper(), f'"{words[at]}"', f"{words[at]}\u00a0", f"/**/{words[at]}"])
        elif how == 4:
            words[at] = chance.choice(TABLES)
        else:
            words.insert(at, chance.choice([".", "(", ")", ",", ";", "'", '"', "::", "--\n", "$$", "\u200b", "hidden"]))
        words = words or ["x"]
    return "".join(words)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = open_lake(tmp_path_factory.mktemp("vault") / "home", settings={**FAST, "engine.statement_seconds": 3})
    owner = lake.session()
    for one in SETUP.strip().split(";\n"):
        owner.run(one.rstrip(";")).rows()
    session_of(lake, "ann", "reader", ("open", "public"))
    session_of(lake, "ed", "editor", ("open", "public", "primary.drafts"))
    for name in ("ann", "ed"):
        owner.run(
            "select * from grant_access(?, 'part', filter := $$tenant = 'mine'$$, "
            "columns := ['a', 'tenant', 'b', 'c'], masks := {'c': 'hash'})",
            [name],
        ).rows()
    yield lake
    lake.close()


def opened(lake: Lake, session: Session, text: str) -> set[str]:
    """The tables that the engine opens for a text in the namespace of a session, views expanded; none if it fails."""
    held = lake.cursors.take(session.search_path)
    try:
        return {name.split(".")[-1].strip('"') for name in held.cursor.get_table_names(text, qualified=True)}
    except duck.Error:
        return set()
    finally:
        held.dirty = True
        lake.cursors.give(held)


def check(lake: Lake, session: Session, sql: str) -> bool:
    """Run one statement; whether it ran. Fails when it touched or told what is hidden."""
    space = lake.spaces.of(session.profile)
    assert space is not None
    try:
        result = session.run(sql)
        told, ran = str(result.schema) + str(result.rows()), True
    except LakehouseError as error:
        told, ran = str(error), False
    asked = sql.lower()
    assert CANARY not in told, f"{sql}\n{told[:2000]}"
    if not re.search(r"errors|journal|statements", asked):  # those hold the statements of the profile
        for secret in ("secret_column", "theirs", "__as_", "__seen", "__lake"):
            assert secret in asked or secret not in told.lower(), f"{sql}\n{told[:2000]}"
    if ran:
        checked = lake.check(sql)
        if checked.kind == "SELECT":
            reached = opened(lake, session, space.admit(sql, checked, session.place))
            assert not reached & HIDDEN_TABLES or "hidden as" in asked or "with recursive" in asked, f"{sql}\n{reached}"
    return ran


def fuzz(lake: Lake, profile: str, count: int, seed: int) -> int:
    chance, session, ran = random.Random(seed), lake.session(profile), 0
    for _ in range(count):
        ran += check(lake, session, statement(chance))
    session.close()
    hidden = (
        lake.session().run("select secret_column from hidden union all select secret_column from vault.deep").rows()
    )
    assert len(hidden) == 2
    return ran


@pytest.mark.parametrize("profile", ["ann", "ed"])
def test_nothing_hidden_is_touched_or_told(vault: Lake, profile: str) -> None:
    assert fuzz(vault, profile, 600, seed=7) > 45


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("profile", ["ann", "ed"])
def test_nothing_hidden_is_touched_or_told_at_length(vault: Lake, profile: str, seed: int) -> None:
    assert fuzz(vault, profile, 6000, seed=100 + seed) > 450


@pytest.mark.parametrize("table", TABLES)
def test_every_table_in_plain_frames(vault: Lake, table: str) -> None:
    for profile in ("ann", "ed"):
        session = vault.session(profile)
        for frame in ("from {t}", "select count(*) from {t}", "describe {t}", "with x as (from {t}) from x"):
            check(vault, session, frame.replace("{t}", table))
        session.close()


def test_the_checks_can_fail(vault: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fence open, the same checks find what is told."""
    session = vault.session("ann")
    space = vault.spaces.of("ann")
    assert space is not None
    monkeypatch.setattr(space, "admit", lambda sql, checked, place: sql)
    with pytest.raises(AssertionError):
        check(vault, session, 'select * from "primary".main.hidden')
    with pytest.raises(AssertionError):
        fuzz(vault, "ann", 300, seed=7)
