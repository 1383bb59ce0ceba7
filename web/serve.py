"""The console as a server: a socket that is bound before anything starts, and uvicorn on a thread of its own."""

import socket
import threading
import time
from typing import Self

import uvicorn

from engine.access.door import Lock, is_loopback
from engine.errors import Conflict, Internal, Invalid
from engine.session import SessionSource
from web.app import LOOPBACK, create_app

START_SECONDS = 30
DRAIN_SECONDS = 3  # how long a running request may take to end when the server stops


class Console:
    """A running console. `port` is the bound one, also when 0 was asked for."""

    def __init__(
        self, source: SessionSource, *, host: str = "127.0.0.1", port: int = 8080, lock: Lock | None = None
    ) -> None:
        """Bind and start. Raises Forbidden for an address that others reach and that is not locked.

        Raises Conflict when the port is taken, Invalid for a certificate that cannot be used.
        """
        lock = lock or Lock()
        lock.check(host)
        self._socket = bind(host, port)
        address, self.port = self._socket.getsockname()[:2]
        scheme = "https" if lock.certificate else "http"
        self.url = f"{scheme}://[{address}]:{self.port}" if ":" in address else f"{scheme}://{address}:{self.port}"
        config = uvicorn.Config(
            create_app(source, lock=lock, hosts=LOOPBACK if is_loopback(host) else None),
            ssl_certfile=lock.certificate,
            ssl_keyfile=lock.key,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="console", daemon=True)
        self._thread.start()
        self._wait_until_started()

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.shutdown()
                raise Internal("the console did not start", "see the log")
            time.sleep(0.005)

    def shutdown(self) -> None:
        """Take no more requests, let running ones end, and release the port. Harmless when done twice."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Invalid or Conflict."""
    if not 0 <= port <= 65535:  # the resolver would wrap it round
        raise Invalid(f"the port {port} does not exist", "choose one from 0 to 65535; 0 is any free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise Invalid(f"the address {host!r} does not exist", "use 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Conflict(
            f"port {port} cannot be used: {error.strerror}", "choose another port, or 0 for any free one"
        ) from None
    return listener
