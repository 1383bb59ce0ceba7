"""Where the console listens, and how it stops."""

import socket

import httpx
import pytest

from engine.errors import Conflict, Forbidden, Invalid
from engine.lake import Lake
from web.serve import Console, bind


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])
def test_other_addresses_are_refused(lake: Lake, host: str) -> None:
    with pytest.raises(Forbidden, match="needs TLS and a token"):
        Console(lake, host=host)


def test_addresses_that_do_not_exist_are_refused() -> None:
    with pytest.raises(Invalid):
        bind("not a host", 0)
    with pytest.raises(Invalid):
        bind("127.0.0.1", 70_000)


def test_a_taken_port_is_a_conflict(console: Console) -> None:
    with pytest.raises(Conflict, match=str(console.port)):
        bind("127.0.0.1", console.port)


def test_names_of_loopback_are_served(lake: Lake) -> None:
    with Console(lake, host="localhost", port=0) as console:
        assert console.port > 0
        assert httpx.get(f"{console.url}/health").status_code == 200


def test_the_port_is_free_after_shutdown(lake: Lake) -> None:
    console = Console(lake, port=0)
    assert console.url == f"http://127.0.0.1:{console.port}"
    console.shutdown()
    console.shutdown()
    with pytest.raises(httpx.ConnectError):
        httpx.get(console.url)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", console.port))
