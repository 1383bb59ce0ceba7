"""A serving process: one lake, both network doors, and the file that says where they are."""

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from engine.access.door import lock_of
from engine.config import Limits
from engine.errors import Conflict
from flight.server import serve as serve_flight
from flight.service import Limits as FlightLimits
from udfs import open_lake
from web.serve import Console

ADDRESSES = "server.json"
DRAIN_SECONDS = 10.0
ANSWER_SECONDS = 2.0


class Serving:
    """An open lake with its doors. Close it to drain and stop."""

    def __init__(self, home: Path, settings: Mapping[str, Any], allowed: list[Path]) -> None:
        """Open `home` and start the doors. Raises Conflict, naming the address, when it is served already."""
        try:
            self.lake = open_lake(home, settings=settings, allowed=allowed)
        except Conflict:
            running = running_server(home)
            if running:
                raise Conflict(
                    f"the home {home.name!r} is served already at {running['flight']}",
                    "connect to it, stop it, or choose another --home",
                ) from None
            raise
        config = self.lake.config
        try:
            locks = [
                lock_of(host, config.access, self.lake.credentials) for host in (config.flight.host, config.web.host)
            ]
            limits = flight_limits(config.limits)
            self.flight = serve_flight(self.lake, config.flight.host, config.flight.port, limits=limits, lock=locks[0])
        except BaseException:
            self.lake.close()
            raise
        try:
            self.console = Console(self.lake, host=config.web.host, port=config.web.port, lock=locks[1])
        except BaseException:
            self.flight.shutdown(0)
            self.lake.close()
            raise
        self.addresses = {"flight": self.flight.uri, "web": self.console.url}
        self._file = self.lake.home / ADDRESSES
        self._file.write_text(json.dumps({**self.addresses, "pid": os.getpid()}), encoding="utf-8")

    def wait(self) -> None:
        """Wait for SIGTERM or SIGINT."""
        stop = threading.Event()

        def ask_to_stop(number: int, frame: FrameType | None) -> None:
            stop.set()

        before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            stop.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Let what runs end, refuse what is new, and close the lake."""
        self._file.unlink(missing_ok=True)
        self.console.shutdown()
        self.flight.shutdown(DRAIN_SECONDS)
        self.lake.close()


def flight_limits(limits: Limits) -> FlightLimits:
    """The bounds of the Flight door, from [limits]."""
    return FlightLimits(
        results=limits.results,
        prepared=limits.prepared,
        transactions=limits.transactions,
        ticket_seconds=limits.result_seconds,
        transaction_idle_seconds=limits.transaction_seconds,
        prepared_seconds=limits.prepared_seconds,
        session_seconds=limits.session_seconds,
        sessions=limits.sessions,
        request_bytes=limits.request_bytes,
        message_bytes=limits.message_bytes,
    )


def running_server(home: Path) -> dict[str, Any] | None:
    """The addresses of the server of `home`, when one runs."""
    path = home.expanduser() / ADDRESSES
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        address = urlsplit(found["flight"])
        # A process of that number may be another one, or a killed one that nobody has waited for: only a door tells.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.hostname or "", address.hostname)
        socket.create_connection((host, address.port), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found
