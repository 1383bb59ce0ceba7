"""Who calls, from the headers of a call. Until there are tokens, only the loopback interface is served."""

import ipaddress
from collections.abc import Mapping, Sequence

from engine.errors import Forbidden

Headers = Mapping[str, Sequence[str | bytes]]


def authenticate(headers: Headers) -> str:
    """The profile of a caller. Everyone who reaches a loopback server is its owner, whatever credentials they send."""
    return "admin"


def check_host(host: str) -> None:
    """Raise Forbidden unless `host` is the loopback interface."""
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise Forbidden(f"serving on {host} needs TLS and a token", "serve on 127.0.0.1")
