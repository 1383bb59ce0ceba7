"""Tools that speak ADBC: pandas, polars, DuckDB, SQLAlchemy."""

import datetime
from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pytest
import sqlalchemy as sa

from flight.server import Server


def test_pandas_writes_and_reads(connection: Any, table: str) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert frame.to_sql(table, connection, index=False) == 2
    assert frame.to_sql(table, connection, index=False, if_exists="append") == 2
    assert frame.to_sql(table, connection, index=False, if_exists="replace") == 2
    assert pd.read_sql(f"select * from {table} order by a", connection)["b"].tolist() == ["x", "y"]


def test_polars_writes_and_reads(connection: Any, table: str) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.write_database(table, connection, engine="adbc")
    frame.write_database(table, connection, engine="adbc", if_table_exists="append")
    read = pl.read_database(f"select a, b from {table} order by a", connection)
    assert read["a"].to_list() == [1, 1, 2, 2]


def test_polars_binds_parameters(connection: Any) -> None:
    sql = "select i from range(10) as r(i) where i > ?"
    assert pl.read_database(sql, connection, execute_options={"parameters": (7,)})["i"].to_list() == [8, 9]


def test_duckdb_reads_the_stream(connection: Any) -> None:
    """DuckDB of the client over the batches as they arrive: no data frame between."""
    with connection.cursor() as cursor, duckdb.connect() as local:
        cursor.execute("select i, i % 3 as k from range(100_000) as r(i)")
        local.register("remote", cursor.fetch_record_batch())
        found = local.execute("select k, sum(i) from remote group by k order by k").fetchall()
        assert sum(total for _, total in found) == sum(range(100_000))
        cursor.adbc_ingest("from_duckdb", local.execute("select 1 as a, 'x' as b").to_arrow_reader(), mode="replace")
        cursor.execute("from from_duckdb")
        assert cursor.fetchall() == [(1, "x")]
        cursor.execute("drop table from_duckdb")


@pytest.fixture
def engine(server: Server) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"adbc+flightsql://127.0.0.1:{server.port}?tls=false")
    yield engine
    engine.dispose()


leaks = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the dialect leaves cursors open


@pytest.fixture
def people(engine: sa.Engine, table: str) -> Iterator[sa.Table]:
    metadata = sa.MetaData()
    people = sa.Table(
        table, metadata, sa.Column("id", sa.Integer), sa.Column("name", sa.String), sa.Column("born", sa.Date)
    )
    metadata.create_all(engine)
    yield people
    metadata.drop_all(engine)


@leaks
def test_sqlalchemy_inserts_and_selects(engine: sa.Engine, people: sa.Table) -> None:
    born = datetime.date(1990, 1, 2)
    with engine.begin() as connection:
        rows = [{"id": n, "name": f"name {n}", "born": born} for n in range(50)]
        connection.execute(people.insert(), rows)
        connection.execute(people.update().where(people.c.id == 1).values(name="changed"))
        connection.execute(people.delete().where(people.c.id >= 10))
    with engine.connect() as connection:
        found = connection.execute(sa.select(people.c.name, people.c.born).where(people.c.id < 2).order_by(people.c.id))
        assert found.fetchall() == [("name 0", born), ("changed", born)]
        assert connection.execute(sa.select(sa.func.count()).select_from(people)).scalar() == 10


@leaks
def test_sqlalchemy_rolls_back(engine: sa.Engine, people: sa.Table) -> None:
    with engine.connect() as connection:
        connection.execute(people.insert(), [{"id": 1, "name": "a", "born": None}])
        assert connection.execute(sa.select(sa.func.count()).select_from(people)).scalar() == 1
        connection.rollback()
        assert connection.execute(sa.select(sa.func.count()).select_from(people)).scalar() == 0


@leaks
def test_sqlalchemy_reflects(engine: sa.Engine, people: sa.Table, table: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"create view {table}_seen as select id from {table}"))
    inspector = sa.inspect(engine)
    assert table in inspector.get_table_names()
    assert table in inspector.get_table_names(schema="main")
    assert f"{table}_seen" not in inspector.get_table_names()
    assert f"{table}_seen" in inspector.get_view_names()
    assert inspector.has_table(table)
    assert not inspector.has_table(table + "_not")
    assert "main" in inspector.get_schema_names()
    columns = {column["name"]: type(column["type"]) for column in inspector.get_columns(table)}
    assert columns == {"id": sa.Integer, "name": sa.String, "born": sa.Date}
    reflected = sa.Table(table, sa.MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        connection.execute(reflected.insert(), [{"id": 5, "name": "e", "born": None}])
        assert connection.execute(sa.select(reflected.c.id)).scalar() == 5
        connection.execute(sa.text(f"drop view {table}_seen"))


@leaks
def test_pandas_over_sqlalchemy(engine: sa.Engine, people: sa.Table, table: str) -> None:
    frame = pd.DataFrame({"id": [1, 2], "name": ["x", "y"], "born": [None, None]})
    frame.to_sql(table, engine, index=False, if_exists="append")
    assert pd.read_sql(sa.select(people.c.name).order_by(people.c.id), engine)["name"].tolist() == ["x", "y"]
