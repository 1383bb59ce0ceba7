"""The lock of the Flight door: what the server of Arrow is made with, and who a call is from."""

from collections.abc import Mapping, Sequence

from pyarrow import flight

from engine.access import door
from engine.access.credentials import Credentials
from engine.access.door import Known, Lock
from engine.errors import Unauthenticated

Headers = Mapping[str, Sequence[str | bytes]]


class Handshake(flight.ServerAuthHandler):  # type: ignore[misc]  # pyarrow has no types
    """Lets the handshake of a login through: the headers of the call say who it is."""

    def authenticate(self, outgoing: object, incoming: object) -> None:
        """Nothing is exchanged."""

    def is_valid(self, token: bytes) -> bytes:
        """Every call is looked at by its headers."""
        return b""


def scheme(lock: Lock) -> str:
    """The scheme that Arrow binds with."""
    return "grpc+tls" if lock.certificate else "grpc+tcp"


def arguments(lock: Lock) -> dict[str, object]:
    """What the server of Arrow is made with. Raises Invalid for a file that cannot be read."""
    if lock.certificate is None or lock.key is None:
        return {"auth_handler": Handshake()}
    pair = flight.CertKeyPair(cert=door.read(lock.certificate), key=door.read(lock.key))
    if lock.client_ca is None:
        return {"tls_certificates": [pair], "auth_handler": Handshake()}
    # With a handler the certificate's name would be invisible, so that mutual TLS has no login by handshake.
    return {"tls_certificates": [pair], "verify_client": True, "root_certificates": door.read(lock.client_ca)}


def authenticate(headers: Headers, credentials: Credentials, lock: Lock) -> Known:
    """Who sends these headers. Raises Unauthenticated, and Busy for one who guesses passwords."""
    values = headers.get("authorization") or [""]
    first = values[0].decode("latin-1") if isinstance(values[0], bytes) else values[0]
    return door.authenticate(first, credentials, lock)


def certified(name: bytes) -> str:
    """The profile that a client's certificate stands for: its common name. Raises Unauthenticated without one."""
    if not name:
        raise Unauthenticated("the client has no certificate", door.HINT)
    return name.decode("utf-8", "replace")
