"""Who gets into the console and the JSON API when the door is locked."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from engine.access.door import Lock
from engine.lake import Lake
from tests.asking import session_of
from web.serve import Console


@pytest.fixture
def token(lake: Lake) -> str:
    """A token of a reader who sees one of two tables; his password is set as well."""
    owner = lake.session()
    owner.run("create or replace table seen as select 1 as x")
    owner.run("create or replace table hidden as select 2 as x")
    session_of(lake, "ann", "reader", ("seen",)).close()
    owner.run("select * from set_password('ann', ?)", ["correct horse"]).rows()
    return str(owner.run("select token from create_token('ann')").rows()[0]["token"])


@pytest.fixture
def locked(lake: Lake) -> Iterator[Console]:
    with Console(lake, port=0, lock=Lock(open=False)) as console:
        yield console


def ask(console: Console, sql: str, **options: object) -> httpx.Response:
    return httpx.post(f"{console.url}/v1/sql", json={"sql": sql}, **options)  # type: ignore[arg-type]


def test_nobody_gets_in_without_credentials(locked: Console) -> None:
    for response in (ask(locked, "select 1"), httpx.get(f"{locked.url}/"), httpx.get(f"{locked.url}/explore")):
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Basic realm=")
    assert ask(locked, "select 1").json()["error"]["code"] == "UNAUTHENTICATED"
    assert "no credentials were sent" in httpx.get(f"{locked.url}/journal").text


def test_whether_it_is_well_may_be_asked_by_anyone(locked: Console) -> None:
    response = httpx.get(f"{locked.url}/health")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_a_bearer_token_is_its_profile(locked: Console, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    assert ask(locked, "from seen", headers=headers).json()["rows"] == [[1]]
    assert ask(locked, "from hidden", headers=headers).json()["error"]["code"] == "NOT_FOUND"
    assert ask(locked, "insert into seen values (2)", headers=headers).status_code == 403
    page = httpx.get(f"{locked.url}/explore", headers=headers).text
    assert "seen" in page
    assert ">hidden<" not in page


def test_user_and_password_open_the_console(locked: Console, token: str) -> None:
    with httpx.Client(base_url=locked.url, auth=("ann", "correct horse")) as browser:
        for path in ("/", "/sql", "/explore", "/journal"):
            assert browser.get(path).status_code == 200
    assert httpx.get(f"{locked.url}/", auth=("ann", "wrong")).status_code == 401
    assert ask(locked, "select 1", headers={"authorization": "Bearer nonsense"}).status_code == 401


def test_who_guesses_has_to_wait(locked: Console, token: str) -> None:
    codes = [httpx.get(f"{locked.url}/sql", auth=("eve", f"guess {number}")).status_code for number in range(8)]
    assert codes[:5] == [401] * 5
    assert codes[-1] == 503
    assert httpx.get(f"{locked.url}/sql", auth=("ann", "correct horse")).status_code == 200


def test_an_open_door_takes_wrong_credentials_for_wrong(console: Console) -> None:
    assert ask(console, "select 1").status_code == 200
    assert ask(console, "select 1", headers={"authorization": "Bearer nonsense"}).status_code == 401


def test_tls(lake: Lake, token: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    lock = Lock(False, tmp_path / "certificate.pem", tmp_path / "key.pem")
    with Console(lake, host="localhost", port=0, lock=lock) as console:
        assert console.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with httpx.Client(verify=trusted, headers={"authorization": f"Bearer {token}"}) as client:
            response = client.post(f"https://localhost:{console.port}/v1/sql", json={"sql": "from seen"})
        assert response.json()["rows"] == [[1]]
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://localhost:{console.port}/health")
