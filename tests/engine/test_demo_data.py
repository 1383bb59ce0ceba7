"""The synthetic staffing company of `sql/demo`: sizes, repeatability, references and texts."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import duckdb
import pytest

KEYS = {"workers": "worker_id", "job_orders": "order_id", "safety_notes": "note_id", "timesheets": "timesheet_id"}
TEXTS = [("workers", "resume", 60, 150), ("job_orders", "description", 30, 70), ("safety_notes", "body", 50, 110)]


def company(workers: int, seed: int = 42, threads: int = 2) -> duckdb.DuckDBPyConnection:
    """A connection in which the demo's files ran in order."""
    connection = duckdb.connect()
    connection.execute(f"set threads = {threads}; set variable workers = {workers}; set variable seed = {seed}")
    texts = sorted((entry for entry in (files("sql") / "demo").iterdir() if entry.name.endswith(".sql")), key=str)
    for text in texts:
        connection.execute(text.read_text(encoding="utf-8"))
    return connection


def value(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The first column of the one row of a query."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def prints(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """One digest per table over its rows, in the order in which they lie."""
    digests = {}
    for table in KEYS:
        digest = hashlib.sha256()
        for (row,) in connection.execute(f"select t::varchar from {table} as t").fetchall():
            digest.update(row.encode())
        digests[table] = digest.hexdigest()
    return digests


@pytest.fixture(scope="module")
def small() -> Iterator[duckdb.DuckDBPyConnection]:
    with company(200) as connection:
        yield connection


@pytest.fixture(scope="module")
def usual() -> Iterator[duckdb.DuckDBPyConnection]:
    with company(2000) as connection:
        yield connection


@pytest.mark.parametrize(("workers", "orders"), [(10, 1), (200, 30), (2000, 300)])
def test_sizes_follow_the_number_of_workers(workers: int, orders: int) -> None:
    with company(workers) as connection:
        counts = {table: value(connection, f"select count(*) from {table}") for table in KEYS}
        assert counts == {"workers": workers, "job_orders": orders, "safety_notes": 40, "timesheets": workers * 10}
        leftovers = "select count(*) from duckdb_tables() where temporary or table_name like 'demo%'"
        assert value(connection, leftovers) == 0
        assert value(connection, "select count(*) from duckdb_functions() where function_name like 'demo%'") == 0


def test_same_seed_gives_the_same_bytes_on_any_number_of_threads(small: duckdb.DuckDBPyConnection) -> None:
    with company(200, threads=1) as again, company(200, seed=43) as other:
        assert prints(again) == prints(small)
        assert prints(other)["workers"] != prints(small)["workers"]


def test_a_company_of_several_row_groups_is_the_same_on_any_number_of_threads() -> None:
    with company(13000, threads=1) as one, company(13000, threads=4) as four:
        assert prints(one) == prints(four)
        assert value(four, "select count(distinct worker_id) from workers") == 13000
        shortest = "select min(len(string_split(resume, ' '))) from workers"
        assert value(four, shortest) == 60
        # A padded number must grow past four digits, not be cut to them.
        assert value(four, "select worker_id from workers order by rowid desc limit 1") == "W-13000"


@pytest.mark.parametrize("size", ["small", "usual"])
@pytest.mark.parametrize(("table", "key"), KEYS.items())
def test_keys_are_unique_and_rows_lie_in_their_order(
    size: str, table: str, key: str, request: pytest.FixtureRequest
) -> None:
    connection: duckdb.DuckDBPyConnection = request.getfixturevalue(size)
    keys = [row[0] for row in connection.execute(f"select {key} from {table}").fetchall()]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("seed", [42, 7])
def test_timesheets_point_at_workers_and_running_orders(seed: int) -> None:
    with company(200, seed=seed) as connection:
        sheets = """
            select count(*)
            from timesheets
            join workers using (worker_id)
            join job_orders using (order_id)
            where work_date > start_date and overtime = greatest(hours - 8, 0) and hours between 4 and 12
        """
        assert value(connection, sheets) == 2000
        assert value(connection, "select count(distinct (worker_id, work_date)) from timesheets") == 2000


def test_workers_get_orders_of_their_own_role(usual: duckdb.DuckDBPyConnection) -> None:
    share = """
        select avg((workers.role = job_orders.role)::integer)
        from timesheets
        join workers using (worker_id)
        join job_orders using (order_id)
    """
    assert value(usual, share) > 0.95


@pytest.mark.parametrize(("table", "column", "least", "most"), TEXTS)
def test_texts_are_whole_and_of_their_length(
    usual: duckdb.DuckDBPyConnection, table: str, column: str, least: int, most: int
) -> None:
    rows = usual.execute(f"select {column} from {table}").fetchall()
    for (text,) in rows:
        assert least <= len(text.split()) <= most, text
        assert text == " ".join(text.split())
        assert text.endswith((".", "?", "!"))
        assert not {"{", "}"} & set(text), text
    assert len({text for (text,) in rows}) >= 0.99 * len(rows)


def test_resumes_stay_short_enough_to_embed_cheaply(usual: duckdb.DuckDBPyConnection) -> None:
    average = value(usual, "select avg(len(string_split(resume, ' '))) from workers")
    assert 75 <= average <= 85


def test_resumes_agree_with_their_rows(usual: duckdb.DuckDBPyConnection) -> None:
    count = "select count(*) from workers where "
    assert value(usual, count + "not contains(resume, city)") == 0
    card = r"regexp_matches(resume, 'OSHA[ -]10|OSHA 10-hour|ten-hour OSHA')"
    assert value(usual, count + f"{card} <> contains(certifications, 'OSHA-10')") == 0
    license = "regexp_matches(resume, 'RN license|registered nurse license')"
    assert value(usual, count + f"{license} <> (role = 'registered nurse')") == 0
    assert value(usual, count + "certifications = ''") > 200


def test_people_are_spread_as_promised(usual: duckdb.DuckDBPyConnection) -> None:
    assert 0.15 <= value(usual, "select avg((state = 'IL')::integer) from workers") <= 0.21
    assert value(usual, "select count(distinct state) from workers") >= 12
    assert value(usual, "select count(distinct role) from workers") >= 24
    assert value(usual, "select count(distinct availability) from workers") == 5
    in_warehouses = "('warehouse associate', 'order picker', 'packer', 'loader', 'forklift operator')"
    share = f"select avg(contains(certifications, 'OSHA-10')::integer) from workers where role in {in_warehouses}"
    assert 0.28 <= value(usual, share) <= 0.42
    assert value(usual, "select count(*) from workers where reliability not between 0 and 1") == 0


def test_draws_of_one_row_are_independent() -> None:
    # A hash of several parts is an xor in DuckDB: without a second hash, two draws of a row would move in step.
    with duckdb.connect() as connection:
        connection.execute("set variable workers = 10; set variable seed = 42")
        connection.execute((files("sql") / "demo" / "0100_words.sql").read_text(encoding="utf-8"))
        pairs = "select count(distinct (demo_draw(n, 'a') % 8, demo_draw(n, 'b') % 8)) from range(2000) as t (n)"
        assert value(connection, pairs) == 64
        assert (
            abs(value(connection, "select corr(demo_unit(n, 'a'), demo_unit(n, 'b')) from range(2000) as t (n)")) < 0.1
        )


def test_the_forklift_question_has_answers_in_many_wordings(usual: duckdb.DuckDBPyConnection) -> None:
    asked = "role = 'forklift operator' and state = 'IL' and contains(certifications, 'OSHA-10')"
    assert value(usual, f"select count(*) from workers where {asked}") >= 5
    certified = "select avg(contains(certifications, 'forklift certification')::integer) from workers where role = "
    assert value(usual, certified + "'forklift operator'") > 0.75
    by_word = "select count(*) from workers where role = 'forklift operator' and "
    assert value(usual, by_word + "not contains(lower(resume), 'forklift')") >= 20
    for word in ("fork truck", "lift truck", "counterbalance"):
        assert value(usual, by_word + f"contains(lower(resume), '{word}')") >= 10


@pytest.mark.parametrize(("workers", "seed"), [("9", "42"), ("1000001", "42"), ("'many'", "42"), ("200", "null")])
def test_a_wrong_size_or_seed_is_refused(workers: str, seed: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"set variable workers = {workers}; set variable seed = {seed}")
        first = files("sql") / "demo" / "0100_words.sql"
        with pytest.raises(duckdb.InvalidInputException, match=r"\[INVALID\] the demo needs"):
            connection.execute(first.read_text(encoding="utf-8"))
