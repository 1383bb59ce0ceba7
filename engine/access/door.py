"""How a network door is locked, and who knocks: the same for every door."""

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.access.credentials import Credentials
from engine.errors import Busy, Forbidden, Invalid, Unauthenticated

if TYPE_CHECKING:
    from engine.config import Access

SETUP = "set [access] tls_certificate and tls_key, and make one: lakehouse token create admin"
HINT = "send a bearer token (create_token makes one), or log in with user and password"
NOTHING = ("", "Og==")  # of Basic: the latter is ':', no user and no password


@dataclass(frozen=True)
class Lock:
    """How a door is locked. `open`: who sends no credentials is the owner of the home."""

    open: bool = True
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    def check(self, host: str) -> None:
        """Raise Forbidden for an address that others reach, when it is open or not encrypted."""
        if not is_loopback(host) and (self.open or self.certificate is None):
            raise Forbidden(f"serving on {host} needs TLS and a token", f"{SETUP}; or use 127.0.0.1")


@dataclass(frozen=True)
class Known:
    """Who knocks. `profile` None: the certificate tells. `bearer`: what a login is answered with."""

    profile: str | None
    token_id: str | None = None
    bearer: str | None = None


def lock_of(host: str, access: "Access", credentials: Credentials) -> Lock:
    """How a door on `host` is locked by the settings of [access].

    Raises Forbidden for an address that others reach without TLS and anybody who could get in, saying how to have both.
    """
    if (access.tls_certificate is None) != (access.tls_key is None):
        raise Invalid("TLS needs a certificate and its key", "set [access] tls_certificate and tls_key")
    if access.client_ca is not None and access.tls_certificate is None:
        raise Invalid("mutual TLS needs TLS", "set [access] tls_certificate and tls_key")
    lock = Lock(
        is_loopback(host) and access.loopback == "admin" and access.client_ca is None,
        access.tls_certificate,
        access.tls_key,
        access.client_ca,
    )
    lock.check(host)
    if not is_loopback(host) and access.client_ca is None and not credentials.exists():
        raise Forbidden(f"serving on {host} needs a token, and there is none", "make one: lakehouse token create admin")
    return lock


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read(path: Path) -> bytes:
    """A certificate or key. Raises Invalid when it cannot be read."""
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}", "correct [access] in lakehouse.toml") from None


def authenticate(authorization: str, credentials: Credentials, lock: Lock) -> Known:
    """Who sends this `Authorization` header, empty for none.

    Raises Unauthenticated, and Busy for one who guesses passwords; both are in the journal then.
    """
    try:
        return _known(authorization, credentials, lock)
    except (Unauthenticated, Busy) as error:
        credentials.record_refusal(error)
        raise


def _known(authorization: str, credentials: Credentials, lock: Lock) -> Known:
    kind, _, rest = authorization.strip().partition(" ")
    kind, rest = kind.lower(), rest.strip()
    if kind == "bearer" and rest:
        token = credentials.bearer(rest)
        return Known(token.profile, token.token_id)
    if kind == "basic" and rest not in NOTHING:
        token, bearer = credentials.login(*_basic(rest))
        return Known(token.profile, token.token_id, bearer)
    if kind not in ("", "bearer", "basic"):
        raise Unauthenticated(f"credentials of the kind {kind[:20]!r} are not known", HINT)
    if lock.client_ca is not None:
        return Known(None)
    if lock.open:
        return Known("admin")
    raise Unauthenticated("no credentials were sent", HINT)


def _basic(encoded: str) -> tuple[str, str]:
    try:
        padded = encoded + "=" * (-len(encoded) % 4)  # the Go driver sends it without padding
        user, colon, password = base64.b64decode(padded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("the user and password cannot be read", HINT) from None
    if not colon:
        raise Unauthenticated("the user and password cannot be read", HINT)
    return user, password
