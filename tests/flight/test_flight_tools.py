"""Tools that speak ADBC: pandas, polars, SQLAlchemy."""

from typing import Any

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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the dialect leaves its cursors open
def test_sqlalchemy(server: Server, table: str) -> None:
    engine = sa.create_engine(f"adbc+flightsql://:any-token@127.0.0.1:{server.port}?tls=false")
    metadata = sa.MetaData()
    people = sa.Table(table, metadata, sa.Column("id", sa.Integer), sa.Column("name", sa.String))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(people.insert(), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        found = connection.execute(sa.select(people.c.name).where(people.c.id > 1)).fetchall()
    assert found == [("b",)]
    assert [column["name"] for column in sa.inspect(engine).get_columns(table)] == ["id", "name"]
    metadata.drop_all(engine)
    engine.dispose()
