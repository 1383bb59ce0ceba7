"""From the errors of the engine to those that a user reads: the right code, a next step, no paths, no traces."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from engine import faults
from engine.errors import Busy, Conflict, Forbidden, Internal, Invalid, LakehouseError, NotFound, TimedOut
from engine.lake import Lake
from engine.session import Session


@pytest.fixture(scope="module", autouse=True)
def furnished(house: Lake) -> None:
    session = house.session()
    session.run("create table workers (worker_id integer, name varchar)")
    session.run("create schema depot")
    session.run("create table depot.pallets (a integer)")
    session.run("create view staff as from workers")


def failure(session: Session, sql: str, params: list[object] | None = None) -> LakehouseError:
    with pytest.raises(LakehouseError) as caught:
        session.run(sql, params).read_all()
    assert caught.value.hint, "every error says what to do next"
    assert not re.search(r"/home|/tmp|/root|site-packages|Traceback|\.py\b|_embed|control", str(caught.value))
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("sql", "text", "hint"),
    [
        (
            "select * from worker",
            "[NOT_FOUND] Table with name worker does not exist (line 1, near 'worker')",
            "'workers'",
        ),
        ("select *\nfrom workrs", "[NOT_FOUND] Table with name workrs does not exist (line 2", "'workers'"),
        ("select * from stafff", "[NOT_FOUND] Table with name stafff does not exist", "did you mean 'staff'?"),
        ("select * from pallet", "[NOT_FOUND] Table with name pallet does not exist", "'depot.pallets'"),
        ("select * from lake.corpra", "[NOT_FOUND] Table with name corpra does not exist", "'lake.corpora'"),
        ("select * from zzzzzz", "[NOT_FOUND] Table with name zzzzzz", "known: depot.pallets, staff, workers"),
        ("drop table wokers", "[NOT_FOUND] Table with name wokers does not exist", "'workers'"),
        ("insert into wokers values (1)", "[NOT_FOUND] Table with name wokers does not exist", "'workers'"),
        ("select * from matrix_serch('x')", "[NOT_FOUND] Table Function with name matrix_serch", "'matrix_search'"),
        ("select embedd('x')", "[NOT_FOUND] Scalar Function with name embedd does not exist", "did you mean 'embed'"),
        ("select * from embed('x')", "[NOT_FOUND] Table Function with name embed", "write select embed(…)"),
        ("select ask('x')", '[INVALID] Function "ask" is a table function but', ""),
        ("select lowr('x')", "[NOT_FOUND] Scalar Function with name lowr does not exist", "did you mean 'lower'?"),
        ("select nme from workers", '[INVALID] Referenced column "nme" not found in FROM clause!', 'known: "name"'),
        ("select * from nowhere.main.t", '[NOT_FOUND] Catalog "nowhere" does not exist', "show all tables"),
        ("create table nowhere.t (a integer)", "[NOT_FOUND] Schema", "show all tables"),
        ("create table workers (a integer)", '[CONFLICT] Table with name "workers" already exists', "or replace"),
        ("selec 1", "[INVALID] syntax error at or near \"selec\" (line 1, near 'selec 1')", "correct the statement"),
        ("select 'x'::integer", "[INVALID] Could not convert string 'x' to INT32", "correct the statement"),
        ("from text_search('x', corpora := 'notes')", "[INVALID] Type VARCHAR with value 'notes'", "wanted: ['notes']"),
        ("insert into workers values (1)", "[INVALID] table workers has 2 columns but 1 values were supplied", ""),
        ("select * from playbook_import(workers)", '[INVALID] Referenced column "workers" was not', "'from workers'"),
        ("from playbook_import('workers')", '[INVALID] syntax error at or near "workers"', "table: from workers"),
        ("select * from 'x.csv'", '[FORBIDDEN] Cannot access file "x.csv"', "[ingest] allowed"),
        ("select * from read_text('x.csv')", '[FORBIDDEN] Cannot access file "x.csv"', "[ingest] allowed"),
        ("select error('INTERRUPT Error: x')", "[INVALID] INTERRUPT Error: x", ""),
        ("select error('No space left on device')", "[INVALID] No space left on device", ""),
        ("select error('[FORBIDDEN] x; y')", "[INVALID] [FORBIDDEN] x; y", ""),
        ("select * from workers at (version => 99999)", "[INVALID] No snapshot found at version 99999", ""),
    ],
)
def test_what_a_user_reads(guest: Session, sql: str, text: str, hint: str) -> None:
    error = failure(guest, sql)
    assert str(error).startswith(text)
    assert hint in str(error.hint)


def test_hints_follow_the_place_of_the_session(guest: Session) -> None:
    guest.run("use depot")
    assert "did you mean 'pallets'?" in str(failure(guest, "select * from palets"))
    assert "'main.workers'" in str(failure(guest, "select * from worker"))


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("select case when range < 5500000 then 1 else ('x' || range)::int end from range(6000000)", Invalid),
        ("select case when range < 5500000 then 1 else error('late') end from range(6000000)", Invalid),
        ("select (range // 40000)::utinyint + 155::utinyint from range(6000000)", Invalid),
    ],
)
def test_an_error_in_the_middle_of_a_stream_keeps_its_kind(
    guest: Session, sql: str, kind: type[LakehouseError]
) -> None:
    result = guest.run(sql)
    batches = result.batches()
    assert next(batches).num_rows
    with pytest.raises(kind) as caught:
        for _ in batches:
            pass
    assert caught.value.hint == "correct the statement or its values"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (duckdb.InterruptException("INTERRUPT Error: Interrupted!"), TimedOut),
        (OSError("INTERRUPT Error: Interrupted!"), TimedOut),
        (OSError("Out of Memory Error: failed to allocate data of size 16.0 MiB"), Busy),
        (OSError("Permission Error: Cannot access file"), Forbidden),
        (OSError("TransactionContext Error: Failed to commit: write-write conflict"), Conflict),
        (OSError("Whatever New Error: nobody knows"), Invalid),
        (OSError(28, "No space left on device"), Busy),
        (OSError(122, "Disk quota exceeded"), Busy),
        (duckdb.TransactionException("Failed to commit: x.\nCould not write: No space left on device"), Busy),
        (MemoryError("Unable to allocate 3.7 GiB for an array"), Busy),
        (RuntimeError("can't start new thread"), Busy),
        (pa.ArrowMemoryError("malloc of size 4096 failed"), Busy),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), Busy),
        (duckdb.OutOfMemoryException("Out of Memory Error: x"), Busy),
        (duckdb.ConstraintException("Constraint Error: Duplicate key"), Conflict),
        (duckdb.TransactionException("TransactionContext Error: Conflict on update!"), Conflict),
        (duckdb.PermissionException("Permission Error: x"), Forbidden),
        (duckdb.FatalException("FATAL Error: database has been invalidated"), Internal),
        (duckdb.InternalException("INTERNAL Error: x"), Internal),
        (duckdb.ConnectionException("Connection Error: Connection already closed!"), faults.Closed),
        (pa.ArrowInvalid("bad"), Invalid),
        (ValueError("bad"), Invalid),
        (RuntimeError("Unable to cast Python instance of type str to C++ type"), Invalid),
        (KeyError("bug"), Internal),
    ],
    ids=repr,
)
def test_the_code_of_each_kind(error: Exception, kind: type[LakehouseError]) -> None:
    assert type(faults.translate(error)) is kind


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException('IO Error: Cannot open file "/srv/home/lake.duckdb": Permission denied'),
        duckdb.TransactionException('Failed to commit: x.\nCannot open file "/srv/home/y.wal": Permission denied'),
        PermissionError(13, "Permission denied", "/srv/home/cache"),
        PermissionError(1, "Operation not permitted", "/srv/home"),
        OSError(30, "Read-only file system", "/srv/home/cache"),
    ],
    ids=repr,
)
def test_a_home_that_is_closed_to_this_user(error: Exception) -> None:
    for found in (faults.translate(error, "/srv/home"), faults.unopened(error, "/srv/home")):
        assert type(found) is Busy
        assert found.message.startswith("the home 'home' cannot be read or written: ")
        assert "<home>" in found.message
        assert "let the user of this process read and write that folder" in str(found.hint)
    assert "backup" in str(faults.unopened(OSError(5, "Input/output error", "/srv/home/lake.duckdb"), "/srv/home"))
    for other in ("/srv/hom", "/srv/home/cache/deeper", ""):
        assert "cannot be read or written" not in faults.translate(error, other).message


def test_an_error_of_ours_stays_what_it_is() -> None:
    error = Conflict("a", "b")
    assert faults.translate(error) is error


def test_paths_and_traces_are_cut() -> None:
    text = (
        "Invalid Input Error: Python exception occurred while executing the UDF: KeyError: 'x'\n\n"
        "At:\n  /opt/lakehouse/udfs/kernel.py(19): called\n"
    )
    assert str(faults.translate(duckdb.InvalidInputException(text))) == "[INTERNAL] KeyError: 'x'"
    text = "IO Error: Could not read /srv/home/buckets/x.parquet in /usr/lib/python3/site-packages/duckdb/x.py"
    message = faults.translate(duckdb.IOException(text), "/srv/home").message
    assert message == "Could not read <home>/buckets/x.parquet in <package>"


def test_the_error_of_a_kernel_is_found_in_the_text_of_the_engine() -> None:
    text = (
        "Invalid Input Error: Python exception occurred while executing the UDF: NotFound: [NOT_FOUND] a; b\n\nAt:\n x"
    )
    found = faults.translate(duckdb.InvalidInputException(text))
    assert (type(found), found.message, found.hint) == (NotFound, "a", "b")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('IO Error: Could not set lock on file "/x/lake.duckdb": Conflicting lock is held in python (PID 1)', Conflict),
        ('Binder Error: Unique file handle conflict: Cannot attach "control"', Conflict),
        ('IO Error: Cannot open file "/clock/block/lake.duckdb": No space left on device', Busy),
        ('IO Error: The file "/clock/block/lake.duckdb" exists, but it is not a valid DuckDB database file!', Internal),
    ],
)
def test_a_home_that_cannot_be_opened(text: str, kind: type[LakehouseError]) -> None:
    error = faults.unopened(duckdb.IOException(text), str(Path("/clock/block")))
    assert type(error) is kind
    assert "'block'" in str(error) or "<home>" in str(error) or kind is Busy
