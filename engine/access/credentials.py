"""Credentials: tokens for programs, passwords for people, and how long one who guesses has to wait.

A token is `lh_<id>_<secret>`, 256 random bits; only the SHA-256 of its secret is kept (a slow hash protects what people
choose, not random bits). A password is kept as scrypt (n 2^14, r 8, p 1) with its salt.
"""

import base64
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine import duck
from engine.errors import Busy, Invalid, LakehouseError, NotFound, Unauthenticated

if TYPE_CHECKING:
    from engine.lake import Lake

SECRET_BYTES = 32
ID_BYTES = 6
SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1024
REMEMBERED = 10_000  # users whose failures are remembered
REFUSED = "the credentials are not valid"
HINT = "send a token made by create_token, or log in again"


@dataclass(frozen=True)
class Token:
    """One token, without its secret."""

    token_id: str
    profile: str
    sha256: str
    expires: float | None  # seconds since the epoch
    revoked: bool


class Backoff:
    """Makes a user who fails to log in wait: 1, 2, 4 … seconds after the free failures."""

    def __init__(self, clock: Callable[[], float], free: int, longest: float) -> None:
        """`clock`: seconds since the epoch; `free`: failures without waiting; `longest`: seconds."""
        self._clock, self._free, self._longest = clock, free, longest
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, user: str) -> None:
        """Raise Busy while the user has to wait."""
        with self._lock:
            count, until = self._failures.get(user, (0, 0.0))
        left = until - self._clock()
        if left > 0:
            raise Busy(f"{count} logins failed", f"wait {left:.0f} seconds and try again")

    def failed(self, user: str) -> None:
        """Count a failure."""
        with self._lock:
            count = self._failures.pop(user, (0, 0.0))[0] + 1
            wait = min(2.0 ** min(count - self._free, 60), self._longest) if count >= self._free else 0.0
            self._failures[user] = (count, self._clock() + wait)
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, user: str) -> None:
        """Forget the failures of a user."""
        with self._lock:
            self._failures.pop(user, None)


class Credentials:
    """The tokens of a lake, and who they stand for."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake, after its profiles."""
        self._lake = lake
        self._lock = threading.Lock()
        access = lake.config.access
        self._backoff = Backoff(lake.clock, access.login_failures, access.login_wait)
        self._tokens = self._load()
        self._issued: OrderedDict[str, Token] = OrderedDict()  # for those who logged in, by id
        self._logins: OrderedDict[str, tuple[Token, str]] = (
            OrderedDict()
        )  # by the digest of user, password and its kept hash

    def _load(self) -> dict[str, Token]:
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select token_id, profile, sha256, epoch(expires_at), revoked_at is not null from control.token"
            ).fetchall()
        return {row[0]: Token(*row) for row in rows}

    def forget_dropped(self) -> None:
        """Take note that the tokens of dropped profiles are gone, and those of logins with them."""
        with self._lock:
            self._tokens = self._load()
            gone = [one.token_id for one in self._issued.values() if self._lake.profiles.find(one.profile) is None]
            for token_id in gone:
                del self._issued[token_id]

    def create(self, profile: str | None, expires: datetime | None, actor: str) -> tuple[str, str]:
        """Make a token of a profile: (its id, the token itself, which is never shown again)."""
        found = self._lake.profiles.get(profile or "")
        if expires is not None and expires.timestamp() <= self._lake.clock():
            raise Invalid("the token would have expired already", "name a time to come")
        token_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        with self._lock:
            with self._lake.control() as cursor:
                cursor.execute(
                    "insert into control.token (token_id, profile, sha256, expires_at) values (?, ?, ?, ?)",
                    [token_id, found.name, _digest(secret), expires],
                )
                body = {"action": "token created", "token_id": token_id, "expires": expires}
                self._lake.journal.record_within(cursor, "access", found.name, body, actor)
            self._tokens = self._load()
        return token_id, f"lh_{token_id}_{secret}"

    def revoke(self, token_id: str | None, actor: str) -> Token:
        """Make a token worthless at once. Raises NotFound."""
        with self._lock:
            found = self._tokens.get(token_id or "")
            if found is None:
                raise NotFound(f"token {token_id!r} does not exist", "see lake.tokens")
            with self._lake.control() as cursor:
                cursor.execute(
                    "update control.token set revoked_at = coalesce(revoked_at, now()) where token_id = ?", [token_id]
                )
                body = {"action": "token revoked", "token_id": token_id}
                self._lake.journal.record_within(cursor, "access", found.profile, body, actor)
            self._tokens = self._load()
        return found

    def bearer(self, text: str) -> Token:
        """The token that `text` is, made by `create` or `issue`. Raises Unauthenticated for any other text."""
        kind, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        found = self._tokens.get(token_id) or self._issued.get(token_id)
        # An unknown id takes as long as a wrong secret.
        same = hmac.compare_digest(_digest(secret), found.sha256 if found else _digest(""))
        if kind != "lh" or found is None or not same or found.revoked:
            raise Unauthenticated(REFUSED, HINT)
        if self._expired(found):
            raise Unauthenticated("the token has expired", "ask for a new one, or log in again")
        return found

    def issue(self, profile: str) -> tuple[Token, str]:
        """A token for one who has just logged in, and its text: kept in memory only, until it expires."""
        token_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        until = self._lake.clock() + self._lake.config.access.login_hours * 3600
        token = Token(token_id, profile, _digest(secret), until, False)
        with self._lock:
            self._issued[token_id] = token
            while len(self._issued) > REMEMBERED:
                self._issued.popitem(last=False)
        return token, f"lh_{token_id}_{secret}"

    def record_refusal(self, error: LakehouseError) -> None:
        """Put into the journal that somebody did not get in."""
        body = {"code": error.code, "message": error.message, "hint": error.hint, "sql": None}
        with suppress(Busy, duck.Error):  # many guesses at once must not make the journal the bottleneck
            self._lake.journal.record("error", error.code, body)

    def exists(self) -> bool:
        """Whether anybody could get in: a token is valid, or a password is set."""
        valid = any(not one.revoked and not self._expired(one) for one in self._tokens.values())
        return valid or self._lake.profiles.any_password()

    def _expired(self, token: Token) -> bool:
        return token.expires is not None and token.expires <= self._lake.clock()

    def login(self, user: str, password: str) -> tuple[Token, str]:
        """The token, and its text, of a user and a password; a token of the profile is accepted as its password.

        Raises Unauthenticated, or Busy after many failures of that user; an unknown user takes as long as a wrong
        password. The same login again within a while gives the same token, without the cost of its password's hash.
        """
        if password.startswith("lh_"):
            found = self.bearer(password)
            if user and found.profile != user:
                raise Unauthenticated(REFUSED, HINT)
            return found, password
        self._backoff.check(user)
        profile = self._lake.profiles.find(user)
        kept = profile.password if profile is not None else None
        known = self._logins.get(digest := _digest(f"{user}:{password}:{kept}"))
        if known is not None and known[0].token_id in self._issued and not self._expired(known[0]):
            return known
        if not verify(password, kept) or profile is None:
            self._backoff.failed(user)
            raise Unauthenticated(REFUSED, HINT)
        self._backoff.succeeded(user)
        made = self.issue(profile.name)
        with self._lock:
            self._logins[digest] = made
            while len(self._logins) > REMEMBERED:
                self._logins.popitem(last=False)
        return made


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def encode(password: str | None) -> str:
    """A password as it is kept: scrypt$salt$hash. Raises Invalid for one that is too short or too long."""
    if password is None or not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(f"a password has at least {SHORTEST_PASSWORD} characters", "choose a longer one")
    salt = secrets.token_bytes(16)
    return "scrypt$" + "$".join(base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt)))


def verify(password: str, kept: str | None) -> bool:
    """Whether a password is the one that is kept; as slow for none."""
    encoded = kept or "scrypt$AAAA$AAAA"
    _, salt, wanted = (base64.b64decode(part) if at else part.encode() for at, part in enumerate(encoded.split("$")))
    same = hmac.compare_digest(_scrypt(password[:LONGEST_PASSWORD], salt), wanted)
    return same and kept is not None


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, **SCRYPT)


def expiry(text: str | None, now: float) -> datetime | None:
    """When a token ends: a time, or a span such as '30 days' or '12 hours' from now; None = never.

    Raises Invalid for any other text.
    """
    if text is None:
        return None
    number, _, unit = text.strip().partition(" ")
    spans = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    if number.isdigit() and unit.rstrip("s") in spans:
        seconds = int(number) * spans[unit.rstrip("s")]
        if seconds > 100 * 365 * 86400:
            raise Invalid("a token lasts at most 100 years", "leave expires out for one that does not end")
        return datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(f"{text!r} is no time", "for example '30 days' or '2030-01-31 12:00'") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
