"""Tokens and passwords."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.access.credentials import Backoff, encode, expiry, verify
from engine.errors import Busy, Invalid, NotFound, Unauthenticated
from engine.lake import Lake
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def made(lake: Lake, profile: str, expires: str | None = None) -> str:
    rows = lake.session().run("select token from create_token(?, expires := ?)", [profile, expires]).rows()
    return str(rows[0]["token"])


def test_a_token_is_kept_as_its_hash_only(house: Lake, tmp_path: Path) -> None:
    session_of(house, "hal", "reader")
    token = made(house, "hal")
    secret = token.split("_", 2)[2]
    assert house.credentials.bearer(token).profile == "hal"
    house.journal.flush()
    for table in ("token", "journal", "profile", "access_grant"):
        with house.cursor() as cursor:
            assert secret not in str(cursor.execute(f"select t::varchar from control.{table} as t").fetchall())
    for view in ("lake.tokens", "lake.journal", "lake.statements", "lake.errors"):
        assert secret not in str(house.session().run(f"from {view}").rows())


@pytest.mark.parametrize(
    "text", ["", "x", "lh_", "lh__", "lh_a_b", "lh_{id}_", "lh_{id}_wrong", "{token}x", "xx_{rest}"]
)
def test_anything_else_is_refused(house: Lake, text: str) -> None:
    session_of(house, "hal", "reader")
    token = made(house, "hal")
    _, token_id, _ = token.split("_", 2)
    tried = text.replace("{id}", token_id).replace("{token}", token).replace("{rest}", token[3:])
    with pytest.raises(Unauthenticated, match="not valid"):
        house.credentials.bearer(tried)


def test_a_token_expires_and_is_revoked(tmp_path: Path) -> None:
    clock = Clock()
    lake = open_lake(tmp_path / "home", settings=FAST, clock=clock)
    session_of(lake, "ann", "reader")
    token = made(lake, "ann", "2 hours")
    assert lake.credentials.bearer(token).profile == "ann"
    clock.now += 7199
    lake.credentials.bearer(token)
    clock.now += 2
    with pytest.raises(Unauthenticated, match="expired"):
        lake.credentials.bearer(token)
    other = made(lake, "ann")
    lake.session().run("select * from revoke_token(?)", [other.split("_")[1]]).rows()
    with pytest.raises(Unauthenticated):
        lake.credentials.bearer(other)
    with pytest.raises(NotFound):
        lake.session().run("select * from revoke_token('nope')").rows()
    third = made(lake, "ann")
    lake.close()
    lake = open_lake(tmp_path / "home", settings=FAST, clock=clock)
    assert lake.credentials.bearer(third).profile == "ann"
    with pytest.raises(Unauthenticated):
        lake.credentials.bearer(other)
    lake.close()


def test_passwords(house: Lake) -> None:
    kept = encode("correct horse")
    assert verify("correct horse", kept)
    assert not verify("Correct horse", kept)
    assert not verify("correct horse", None)
    assert kept != encode("correct horse")
    assert "correct" not in kept
    for wrong in (None, "", "short", "x" * 2000):
        with pytest.raises(Invalid):
            encode(wrong)


def test_a_password_is_not_kept_in_the_journal(house: Lake) -> None:
    session_of(house, "pia", "reader")
    owner = house.session()
    owner.run("select * from set_password('pia', ?)", ["as a parameter"]).rows()
    owner.run("select * from set_password('pia', 'in the text')").rows()
    with pytest.raises(Invalid):
        owner.run("select * from set_password('pia', 'short')").rows()
    assert house.credentials.login("pia", "in the text")[0].profile == "pia"
    house.journal.flush()
    told = str(owner.run("from lake.journal").rows())
    for secret in ("as a parameter", "in the text", "'short'"):
        assert secret not in told


def test_a_login_lasts_and_ends_with_the_password(house: Lake) -> None:
    session_of(house, "ron", "reader")
    owner = house.session()
    owner.run("select * from set_password('ron', ?)", ["first password"]).rows()
    token, bearer = house.credentials.login("ron", "first password")
    assert house.credentials.bearer(bearer) == token
    assert house.credentials.login("ron", "first password") == (token, bearer)
    owner.run("select * from set_password('ron', ?)", ["other password"]).rows()
    with pytest.raises(Unauthenticated):
        house.credentials.login("ron", "first password")
    owner.run("select * from drop_profile('ron')").rows()
    with pytest.raises(Unauthenticated):
        house.credentials.bearer(bearer)


def test_back_off() -> None:
    clock = Clock()
    backoff = Backoff(clock, 5, 60.0)
    for _ in range(5):
        backoff.check("eve")
        backoff.failed("eve")
    with pytest.raises(Busy, match="5 logins failed; wait 1 seconds"):
        backoff.check("eve")
    backoff.check("ann")
    waits = []
    for _ in range(8):
        clock.now += 1000
        backoff.check("eve")
        backoff.failed("eve")
        with pytest.raises(Busy) as refused:
            backoff.check("eve")
        found = re.search(r"wait (\d+) seconds", str(refused.value))
        waits.append(int(found.group(1)) if found else 0)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    backoff.succeeded("eve")
    backoff.check("eve")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 minutes", 5400), ("1 hour", 3600), ("30 days", 2_592_000), ("2 weeks", 1_209_600)]
)
def test_spans(text: str, seconds: int) -> None:
    assert expiry(text, 1000.0) == datetime.fromtimestamp(1000 + seconds, UTC)


def test_times() -> None:
    assert expiry(None, 0) is None
    assert expiry("2030-01-31 12:00", 0) == datetime(2030, 1, 31, 12, tzinfo=UTC)
    for wrong in ("soon", "30", "days 30", "3000000 weeks", "-1 days"):
        with pytest.raises(Invalid):
            expiry(wrong, 0)


def test_a_token_that_would_have_expired_is_not_made(house: Lake) -> None:
    session_of(house, "hal", "reader")
    with pytest.raises(Invalid, match="expired already"):
        house.session().run("select * from create_token('hal', expires := '2001-01-01')").rows()
    with pytest.raises(NotFound, match="profile 'nobody' does not exist"):
        house.session().run("select * from create_token('nobody')").rows()
