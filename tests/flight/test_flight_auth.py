"""Who gets in: tokens, logins, TLS and certificates, through real clients."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import pytest
import trustme
from adbc_driver_manager import ProgrammingError
from pyarrow import flight as arrow_flight

from engine.access.door import Lock, lock_of
from engine.config import Access
from engine.errors import Forbidden, Invalid
from engine.lake import Lake
from flight.server import Server, serve
from tests.flight.door import in_background, query, under_way, wait_for

BEARER = "adbc.flight.sql.authorization_header"


@pytest.fixture
def people(lake: Lake) -> Iterator[dict[str, str]]:
    """A token for each of two profiles, one with a password, and a table that one of them sees."""
    owner = lake.session()
    for statement in (
        "create or replace table seen as select 1 as x",
        "create or replace table hidden as select 'the secret' as x",
        "select * from create_profile('ann')",
        "select * from create_profile('ed', role := 'editor')",
        "select * from grant_access('ann', 'seen')",
        "select * from grant_access('ed', '*')",
    ):
        owner.run(statement).rows()
    owner.run("select * from set_password('ann', ?)", ["correct horse"]).rows()
    made = {name: str(owner.run("select * from create_token(?)", [name]).rows()[0]["token"]) for name in ("ann", "ed")}
    yield made
    for name in ("ann", "ed"):
        owner.run("select * from drop_profile(?)", [name]).rows()
    owner.close()


@pytest.fixture
def locked(lake: Lake) -> Iterator[Server]:
    """A server that lets nobody in without credentials."""
    server = serve(lake, lock=Lock(open=False))
    yield server
    server.shutdown(1)


def one(server: Server, sql: str, options: dict[str, str] | None = None) -> list[Any]:
    with adbc.connect(server.uri, options or {}, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[Any] = cursor.fetchall()
        return rows


def test_a_token_is_its_profile(locked: Server, people: dict[str, str]) -> None:
    ann, ed = ({BEARER: f"Bearer {people[name]}"} for name in ("ann", "ed"))
    assert one(locked, "from seen", ann) == [(1,)]
    assert one(locked, "from hidden", ed) == [("the secret",)]
    with pytest.raises(ProgrammingError, match=r"\[NOT_FOUND\] Table with name hidden does not exist"):
        one(locked, "from hidden", ann)
    with pytest.raises(ProgrammingError, match=r"\[FORBIDDEN\]"):
        one(locked, "insert into seen values (2)", ann)


@pytest.mark.parametrize(
    "options",
    [{}, {BEARER: "Bearer lh_nobody_nothing"}, {BEARER: "Bearer x"}, {BEARER: "Negotiate x"}, {BEARER: "Basic !"}],
)
def test_without_valid_credentials_nobody_gets_in(locked: Server, options: dict[str, str]) -> None:
    with pytest.raises(ProgrammingError, match=r"\[UNAUTHENTICATED\]"):
        one(locked, "select 1", options)


def test_wrong_credentials_are_wrong_on_an_open_server_too(server: Server) -> None:
    assert one(server, "select 1") == [(1,)]
    with pytest.raises(ProgrammingError, match=r"\[UNAUTHENTICATED\]"):
        one(server, "select 1", {BEARER: "Bearer whatever"})


def test_every_call_of_the_protocol_asks_who_it_is(locked: Server) -> None:
    with arrow_flight.connect(locked.uri) as client:
        descriptor = arrow_flight.FlightDescriptor.for_command(b"x")
        for call in (
            lambda: client.get_flight_info(descriptor),
            lambda: client.get_schema(descriptor),
            lambda: client.do_get(arrow_flight.Ticket(b"x")).read_all(),
            lambda: list(client.do_action(arrow_flight.Action("BeginTransaction", b""))),
            lambda: list(client.list_actions()),
            lambda: list(client.list_flights()),
        ):
            with pytest.raises((arrow_flight.FlightUnauthenticatedError, OSError), match="no credentials were sent"):
                call()


def test_user_and_password_give_a_bearer_token(locked: Server, people: dict[str, str]) -> None:
    options = {"username": "ann", "password": "correct horse"}
    assert one(locked, "from seen", options) == [(1,)]
    with arrow_flight.connect(locked.uri) as client:
        name, value = client.authenticate_basic_token("ann", "correct horse")
        assert (name, value[:10]) == (b"authorization", b"Bearer lh_")
        assert query(client, "from seen", options=arrow_flight.FlightCallOptions(headers=[(name, value)])).num_rows == 1
        with pytest.raises(arrow_flight.FlightUnauthenticatedError):
            client.authenticate_basic_token("ann", "wrong horse")
        with pytest.raises(arrow_flight.FlightUnauthenticatedError):
            client.authenticate_basic_token("nobody", "correct horse")


def test_a_token_is_accepted_as_a_password(locked: Server, people: dict[str, str]) -> None:
    assert one(locked, "from seen", {"username": "ann", "password": people["ann"]}) == [(1,)]
    with pytest.raises(ProgrammingError, match="UNAUTHENTICATED"):
        one(locked, "from seen", {"username": "ed", "password": people["ann"]})


def test_basic_credentials_on_every_call_are_one_session(locked: Server, lake: Lake, people: dict[str, str]) -> None:
    header = base64.b64encode(b"ann:correct horse").decode()
    options = arrow_flight.FlightCallOptions(headers=[(b"authorization", f"Basic {header}".encode())])
    before = len(lake.sessions)
    with arrow_flight.connect(locked.uri) as client:
        for _ in range(5):
            assert query(client, "from seen", options=options).num_rows == 1
    assert len(lake.sessions) - before <= 1


def test_a_revoked_token_ends_at_once(locked: Server, lake: Lake, people: dict[str, str]) -> None:
    options = arrow_flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {people['ann']}".encode())])
    with arrow_flight.connect(locked.uri) as client:
        assert query(client, "from seen", options=options).num_rows == 1
        sql = "select count(*) from range(100000000000) t(i) where i % 7 = 3"
        thread, errors = in_background(lambda: query(client, sql, options=options))
        wait_for(lambda: under_way(lake, sql))
        lake.session().run("select * from revoke_token(?)", [people["ann"].split("_")[1]]).rows()
        thread.join(5)
        assert "cancelled" in str(errors)
        with pytest.raises(arrow_flight.FlightUnauthenticatedError):
            query(client, "from seen", options=options)


def test_what_is_revoked_is_not_seen_any_more(locked: Server, lake: Lake, people: dict[str, str]) -> None:
    options = arrow_flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {people['ann']}".encode())])
    with arrow_flight.connect(locked.uri) as client:
        query(client, "from seen", options=options)
        lake.session().run("select * from revoke_access('ann', 'seen')").rows()
        with pytest.raises(KeyError, match="does not exist"):
            query(client, "from seen", options=options)


def test_metadata_shows_what_the_profile_sees(locked: Server, people: dict[str, str]) -> None:
    with adbc.connect(locked.uri, {BEARER: f"Bearer {people['ann']}"}) as connection:
        found = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
    catalogs = {one["catalog_name"]: one["catalog_db_schemas"] for one in found}
    assert set(catalogs) == {"primary", "lake"}
    tables = [table["table_name"] for schema in catalogs["primary"] for table in schema["db_schema_tables"]]
    assert tables == ["seen"]
    assert "hidden" not in str(found)


def test_another_token_of_the_profile_does_not_take_over_a_session(
    locked: Server, lake: Lake, people: dict[str, str]
) -> None:
    other = str(lake.session().run("select * from create_token('ann')").rows()[0]["token"])
    with arrow_flight.connect(locked.uri) as client:
        for token in (people["ann"], other):
            options = arrow_flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
            query(client, "from seen", options=options)
    ids = {token.split("_")[1] for token in (people["ann"], other)}
    assert ids <= {one.token_id for one in lake.sessions}


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The server's certificate and key, and the authority's certificate."""
    folder: Path = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(folder / "certificate.pem", append=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return {name: folder / f"{name}.pem" for name in ("certificate", "key", "ca")}


def test_tls(lake: Lake, files: dict[str, Path], people: dict[str, str]) -> None:
    lock = Lock(False, files["certificate"], files["key"])
    server = serve(lake, "localhost", lock=lock)
    try:
        assert server.uri.startswith("grpc+tls://")
        trusted = {"adbc.flight.sql.client_option.tls_root_certs": files["ca"].read_text()}
        assert one(server, "from seen", {**trusted, BEARER: f"Bearer {people['ann']}"}) == [(1,)]
        with pytest.raises(ProgrammingError, match="UNAUTHENTICATED"):
            one(server, "from seen", trusted)
        with pytest.raises(Exception, match=r"certificate|tls|handshake|Unavailable|UNAVAILABLE|IO"):
            one(server, "from seen", {BEARER: f"Bearer {people['ann']}"})
    finally:
        server.shutdown(1)


def test_mutual_tls_takes_the_profile_from_the_certificate(
    lake: Lake, authority: trustme.CA, files: dict[str, Path], people: dict[str, str]
) -> None:
    server = serve(lake, "localhost", lock=Lock(False, files["certificate"], files["key"], files["ca"]))
    root = files["ca"].read_bytes()

    def ask(name: str, sql: str) -> int:
        issued = authority.issue_cert(common_name=name)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        with arrow_flight.connect(
            server.uri, tls_root_certs=root, cert_chain=chain, private_key=issued.private_key_pem.bytes()
        ) as client:
            return int(query(client, sql).num_rows)

    try:
        assert ask("ann", "from seen") == 1
        assert ask("ed", "from hidden") == 1
        with pytest.raises(Exception, match="does not exist"):
            ask("ann", "from hidden")
        with pytest.raises(arrow_flight.FlightUnauthenticatedError):
            ask("nobody", "select 1")
        with pytest.raises(arrow_flight.FlightError), arrow_flight.connect(server.uri, tls_root_certs=root) as client:
            query(client, "select 1")
    finally:
        server.shutdown(1)


def access(**settings: object) -> Access:
    return Access.model_validate(settings)


def test_another_address_needs_tls_and_a_token(lake: Lake, files: dict[str, Path]) -> None:
    plain, keys = access(), access(tls_certificate=files["certificate"], tls_key=files["key"])
    assert lock_of("127.0.0.1", plain, lake.credentials) == Lock()
    assert not lock_of("127.0.0.1", access(loopback="token"), lake.credentials).open
    with pytest.raises(Forbidden, match=r"needs TLS and a token; set \[access\] tls_certificate"):
        lock_of("0.0.0.0", plain, lake.credentials)
    with pytest.raises(Forbidden, match=r"there is none; make one: lakehouse token create admin"):
        lock_of("0.0.0.0", keys, lake.credentials)
    owner = lake.session()
    made = owner.run("select token_id from create_token('admin')").rows()[0]["token_id"]
    assert not lock_of("0.0.0.0", keys, lake.credentials).open
    owner.run("select * from revoke_token(?)", [made]).rows()
    with pytest.raises(Forbidden):
        lock_of("0.0.0.0", keys, lake.credentials)
    for wrong in (access(tls_key=files["key"]), access(client_ca=files["ca"])):
        with pytest.raises(Invalid):
            lock_of("127.0.0.1", wrong, lake.credentials)
    with pytest.raises(Forbidden):
        serve(lake, "0.0.0.0")
