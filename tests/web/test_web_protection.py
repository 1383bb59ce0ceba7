"""Headers on every answer, and requests that another site made a browser send."""

import http.client
import json

import httpx
import pytest

from engine.access.credentials import Credentials
from engine.session import Session
from web.serve import Console

EXPECTED = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
POST = {"content-type": "application/json"}
STATEMENT = json.dumps({"sql": "select 1"}).encode()


@pytest.mark.parametrize("path", ["/", "/sql", "/static/frame.css", "/static/nope.css", "/nope", "/health", "/v1/sql"])
def test_headers_are_on_every_answer(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers.get(name) for name in EXPECTED} == EXPECTED
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    assert "server" not in headers


def test_headers_are_on_refusals(client: httpx.Client) -> None:
    response = client.get("/", headers={"host": "evil.example"})
    assert {name: response.headers.get(name) for name in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[", "127.0.0.1@evil.example", "10.0.0.1"]
)
def test_other_hosts_are_refused(client: httpx.Client, host: str) -> None:
    for response in (client.get("/", headers={"host": host}), client.get("/health", headers={"host": host})):
        assert response.status_code == 403
        assert "FORBIDDEN" in response.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:80"])
def test_loopback_names_are_served(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


def test_a_request_without_a_host_is_refused(console: Console) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", console.port)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    connection.putrequest("GET", "/", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/sql", "/sql", "/sql/export", "/outcomes"])
def test_other_sites_cannot_act(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    response = client.post(path, content=STATEMENT, headers={**POST, **headers})
    assert response.status_code == 403
    assert "another site" in response.text


def test_own_pages_and_programs_can_act(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    for headers in ({}, {"origin": own}, {"sec-fetch-site": "same-origin", "origin": "null"}):
        assert client.post("/v1/sql", content=STATEMENT, headers={**POST, **headers}).status_code == 200


def test_other_sites_may_link_here(client: httpx.Client) -> None:
    assert client.get("/sql", headers={"sec-fetch-site": "cross-site"}).status_code == 200


class Broken:
    """A source with a fault in it."""

    @property
    def credentials(self) -> Credentials:
        raise RuntimeError("the secret inside")

    def session(self, profile: str = "admin", token_id: str | None = None) -> Session:
        raise RuntimeError("the secret inside")


def test_a_fault_shows_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    with Console(Broken(), port=0) as console, httpx.Client(base_url=console.url) as client:
        page, health = client.get("/explore"), client.get("/health")
    for response in (page, health):
        assert response.status_code == 500
        assert "INTERNAL" in response.text
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert {name: response.headers.get(name) for name in EXPECTED} == EXPECTED
    assert "the secret inside" in caplog.text
