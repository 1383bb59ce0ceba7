"""What every request passes: the host it was meant for, where it comes from, how long it is, and headers on the answer.

A page of another site can make a browser send requests here. It cannot read the answers, unless its name is made to
point at this machine (DNS rebinding), which the Host check stops; and it must not make the browser act, which the
origin check stops.
"""

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import Forbidden, Internal, LakehouseError

log = logging.getLogger("lakehouse.web")

MAX_BODY_BYTES = 4_000_000
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_SITE = {"same-origin", "none"}  # Sec-Fetch-Site of our own pages, and of what the user typed; 'same-site' is not us
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

Refusal = Callable[[Request, LakehouseError], Response]


class Protection:
    """ASGI middleware around the whole application; `respond` makes the response to a refused or failed request."""

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str] | None, respond: Refusal, max_bytes: int = MAX_BODY_BYTES
    ) -> None:
        """`hosts`: the names that the Host header may carry, without ports; None for any."""
        self._app, self._hosts, self._respond, self._max_bytes = app, hosts, respond, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a bounded body, and add the headers to whatever is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outgoing = _Outgoing(send, scope["path"])
        refusal = self._refusal(scope)
        try:
            if refusal is None:
                await self._app(scope, _Bounded(receive, self._max_bytes), outgoing)
            else:
                await self._respond(Request(scope), refusal)(scope, receive, outgoing)
        except Exception:
            if outgoing.started:  # too late for a message: the broken connection is the error
                raise
            log.exception("a request failed: %s %s", scope["method"], scope["path"])
            await self._respond(Request(scope), Internal())(scope, receive, outgoing)

    def _refusal(self, scope: Scope) -> LakehouseError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return Forbidden(f"the host {host!r} is not served here", f"use {' or '.join(sorted(self._hosts))}")
        if scope["method"] in SAFE_METHODS:
            return None
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = site not in OWN_SITE if site else origin not in (None, f"{scope['scheme']}://{host}")
        return Forbidden("the request comes from another site", "use the forms of this console") if foreign else None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class _Outgoing:
    """`send` with our headers on the answer."""

    def __init__(self, send: Send, path: str) -> None:
        self._send, self._cache = send, "no-cache" if path.startswith("/static/") else "no-store"
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers.update({**HEADERS, "cache-control": self._cache})
        await self._send(message)


class _Bounded:
    """`receive` that refuses a body longer than `max_bytes`."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive, self._left = receive, max_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, "the request is too long")
        return message
