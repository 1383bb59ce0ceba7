"""The metadata commands, through ADBC and by hand."""

from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.lake import Lake
from flight import codec, messages, schemas
from flight.messages import MetadataCommand
from tests.flight.door import Connect, descriptor

KINDS = {  # what Arrow's own servers answer and its JDBC driver reads: text, boolean, bigint, integer, texts, lists
    0: {0, 1, 2, 6, 7, 504, 513, 514, 529, 530, 531},
    1: {
        3, 4, 5, 9, 10, 11, 500, 501, 502, 506, 515, 516, 518, 519, 520, 521, 523, 524, 527, 532, 536, 537, 539, 556,
        563, 565, 566, 572, 573, 574, 575, 576,
    },
    2: {503, 505, 507, *range(541, 556), *range(557, 563)},
    3: {8, 100, 101, 522, 525, 526, 528, 533, 534, 535, 538, 540, 564, *range(567, 572)},
    4: {508, 509, 510, 511, 512},
    5: {517},
}  # fmt: skip
INTERNAL = {"control", "fn", "system", "temp", "memory"}


def ask(client: arrow_flight.FlightClient, command: MetadataCommand) -> pa.Table:
    """The answer, after checking that its schema is the announced one."""
    info = client.get_flight_info(descriptor(command))
    answer = client.do_get(info.endpoints[0].ticket).read_all()
    assert answer.schema.equals(info.schema)
    assert client.get_schema(descriptor(command)).schema.equals(info.schema)
    assert info.endpoints[0].ticket.ticket == codec.encode(command)
    return answer


@pytest.fixture(scope="module")
def shop(lake: Lake) -> str:
    """A native catalog with keys, next to the primary bucket."""
    cursor = lake.cursor()
    for statement in (
        "attach ':memory:' as shop",
        "use shop",
        "create table city (name varchar, state varchar, primary key (name, state))",
        "create table shop (id integer primary key, city varchar, state varchar, vat varchar unique, "
        "foreign key (city, state) references city (name, state))",
        "create table sale (id integer primary key, shop integer references shop (id))",
        "create type mood as enum ('glad', 'sad')",
        "create table kinds (d decimal(12, 3) not null, e mood, s struct(x integer, y varchar[]), "
        "t timestamptz, j json)",
        "comment on column kinds.d is 'the price'",
        "create view sad as select * from kinds where e = 'sad'",
    ):
        cursor.execute(statement)
    cursor.close()
    return "shop"


def test_internal_catalogs_are_not_shown(client: arrow_flight.FlightClient, shop: str) -> None:
    catalogs = ask(client, messages.CommandGetCatalogs()).column(0).to_pylist()
    assert {"primary", "lake", shop} <= set(catalogs)
    assert catalogs == sorted(catalogs)
    for answer in (
        ask(client, messages.CommandGetCatalogs()),
        ask(client, messages.CommandGetDbSchemas()),
        ask(client, messages.CommandGetTables()),
        ask(client, messages.CommandGetTables(include_schema=True)),
    ):
        shown = set(answer.column("catalog_name").to_pylist())
        assert not shown & INTERNAL
        assert not [name for name in shown if name.startswith("__ducklake")]


def test_schemas(client: arrow_flight.FlightClient, shop: str) -> None:
    assert ask(client, messages.CommandGetDbSchemas("PRIMARY", "ma%")).to_pylist() == [
        {"catalog_name": "primary", "db_schema_name": "main"}
    ]
    assert ask(client, messages.CommandGetDbSchemas(shop, "nope")).num_rows == 0
    assert ask(client, messages.CommandGetDbSchemas("nope")).num_rows == 0


def test_tables_by_pattern_and_type(client: arrow_flight.FlightClient, shop: str) -> None:
    def names(*args: Any, **options: Any) -> list[str]:
        found: list[str] = ask(client, messages.CommandGetTables(*args, **options)).column("table_name").to_pylist()
        return found

    assert names(shop) == ["city", "kinds", "sad", "sale", "shop"]
    assert names(shop, "main", "s%") == ["sad", "sale", "shop"]
    assert names(shop, "main", "S___") == ["sale", "shop"]
    assert names(shop, table_types=("VIEW",)) == ["sad"]
    assert names(shop, table_types=("BASE TABLE", "view")) == ["city", "kinds", "sad", "sale", "shop"]
    assert names(shop, table_types=("SYSTEM TABLE",)) == []
    assert names("lake", None, "journal") == ["journal"]
    assert ask(client, messages.CommandGetTableTypes()).column(0).to_pylist() == ["LOCAL TEMPORARY", "TABLE", "VIEW"]


def test_a_backslash_escapes_a_wildcard(client: arrow_flight.FlightClient, connect: Connect) -> None:
    with connect(autocommit=True).cursor() as cursor:
        for name in ("a_b", "axb"):
            cursor.execute(f"create or replace table {name} (x integer)")
        assert ask(client, messages.CommandGetTables("primary", "main", "a_b")).num_rows == 2
        assert ask(client, messages.CommandGetTables("primary", "main", r"a\_b")).num_rows == 1
        for name in ("a_b", "axb"):
            cursor.execute(f"drop table {name}")


def test_table_schemas_with_their_metadata(client: arrow_flight.FlightClient, shop: str) -> None:
    answer = ask(client, messages.CommandGetTables(shop, "main", "kinds", (), True))
    schema = pa.ipc.read_schema(pa.py_buffer(answer.column("table_schema")[0].as_py()))
    assert schema.names == ["d", "e", "s", "t", "j"]
    assert [field.nullable for field in schema] == [False, True, True, True, True]
    assert schema.field("d").type == pa.decimal128(12, 3)
    assert schema.field("t").type == pa.timestamp("us", "UTC")
    assert schema.field("s").type.field("y").type.value_type == pa.string()
    metadata = schema.field("d").metadata
    assert metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"DECIMAL(12,3)"
    assert metadata[b"ARROW:FLIGHT:SQL:PRECISION"] == b"12"
    assert metadata[b"ARROW:FLIGHT:SQL:SCALE"] == b"3"
    assert metadata[b"ARROW:FLIGHT:SQL:REMARKS"] == b"the price"
    assert metadata[b"ARROW:FLIGHT:SQL:TABLE_NAME"] == b"kinds"
    view = ask(client, messages.CommandGetTables(shop, "main", "sad", (), True))
    assert pa.ipc.read_schema(pa.py_buffer(view.column("table_schema")[0].as_py())).names == schema.names


def test_a_view_that_is_broken_does_not_hide_the_others(client: arrow_flight.FlightClient, connect: Connect) -> None:
    with connect(autocommit=True).cursor() as cursor:
        cursor.execute("create table gone (a integer)")
        cursor.execute("create view broken as select a from gone")
        cursor.execute("drop table gone")
        names = ask(client, messages.CommandGetTables("primary", None, None, (), True)).column("table_name").to_pylist()
        assert "broken" in names
        cursor.execute("drop view broken")


def test_primary_keys(client: arrow_flight.FlightClient, shop: str) -> None:
    keys = ask(client, messages.CommandGetPrimaryKeys(shop, None, "city")).to_pylist()
    assert [(key["column_name"], key["key_sequence"]) for key in keys] == [("name", 1), ("state", 2)]
    assert {key["key_name"] for key in keys} == {"city_name_state_pkey"}
    assert ask(client, messages.CommandGetPrimaryKeys("primary", "main", "anything")).num_rows == 0


def test_foreign_keys(client: arrow_flight.FlightClient, shop: str) -> None:
    imported = ask(client, messages.CommandGetImportedKeys(shop, "main", "shop")).to_pylist()
    found = [
        (key["pk_table_name"], key["pk_column_name"], key["fk_column_name"], key["key_sequence"]) for key in imported
    ]
    assert found == [("city", "name", "city", 1), ("city", "state", "state", 2)]
    assert {(key["pk_key_name"], key["update_rule"], key["delete_rule"]) for key in imported} == {
        ("city_name_state_pkey", 3, 3)
    }
    exported = ask(client, messages.CommandGetExportedKeys(shop, "main", "shop")).to_pylist()
    assert [(key["fk_table_name"], key["fk_column_name"]) for key in exported] == [("sale", "shop")]
    crossed = messages.CommandGetCrossReference(shop, None, "city", shop, None, "shop")
    assert ask(client, crossed).num_rows == 2
    assert ask(client, messages.CommandGetCrossReference(shop, None, "city", shop, None, "sale")).num_rows == 0


def test_every_sql_info_is_there_with_its_type(client: arrow_flight.FlightClient) -> None:
    answer = ask(client, messages.CommandGetSqlInfo())
    answer.validate(full=True)
    assert answer.column(0).to_pylist() == [*range(12), 100, 101, *range(500, 577)]
    assert answer.schema.equals(schemas.SQL_INFO)
    values = dict(zip(answer.column(0).to_pylist(), answer.column(1).to_pylist(), strict=True))
    assert (values[0], values[3], values[8], values[10], values[504]) == ("Lakehouse", False, 1, True, '"')
    codes = answer.column(1).combine_chunks().type_codes.to_pylist()
    kinds = {kind: {name for name, code in zip(values, codes, strict=True) if code == kind} for kind in range(6)}
    assert kinds == KINDS


def test_some_sql_info(client: arrow_flight.FlightClient) -> None:
    assert ask(client, messages.CommandGetSqlInfo((8, 9999, 0))).column(0).to_pylist() == [0, 8]


def test_xdbc_types(client: arrow_flight.FlightClient) -> None:
    every = ask(client, messages.CommandGetXdbcTypeInfo()).to_pylist()
    order = [(row["data_type"], row["type_name"]) for row in every]
    assert order == sorted(order)
    assert {"INTEGER", "VARCHAR", "DECIMAL", "TIMESTAMP WITH TIME ZONE"} <= {row["type_name"] for row in every}
    integers = ask(client, messages.CommandGetXdbcTypeInfo(4)).to_pylist()
    assert [row["type_name"] for row in integers] == ["INTEGER", "UINTEGER"]
    assert ask(client, messages.CommandGetXdbcTypeInfo(0)).num_rows == 0


def test_adbc_objects(connection: Any, shop: str) -> None:
    def objects(**options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = connection.adbc_get_objects(**options).read_all().to_pylist()
        return found

    assert {"primary", "lake", shop} <= {row["catalog_name"] for row in objects(depth="catalogs")}
    assert not {row["catalog_name"] for row in objects(depth="catalogs")} & INTERNAL
    (catalog,) = objects(catalog_filter=shop, table_name_filter="kinds")
    (schema,) = catalog["catalog_db_schemas"]
    (table,) = schema["db_schema_tables"]
    assert (table["table_name"], table["table_type"]) == ("kinds", "table")
    columns = {column["column_name"]: column for column in table["table_columns"]}
    assert list(columns) == ["d", "e", "s", "t", "j"]
    assert columns["d"]["xdbc_type_name"] == "DECIMAL(12,3)"
    everything = objects()
    assert {"primary", "lake", shop} <= {row["catalog_name"] for row in everything}
    assert (
        objects(catalog_filter=shop, table_types_filter=["VIEW"])[0]["catalog_db_schemas"][0]["db_schema_tables"][0][
            "table_name"
        ]
        == "sad"
    )
    assert connection.adbc_get_table_types() == ["local temporary", "table", "view"]
    assert connection.adbc_get_info()["vendor_name"] == "Lakehouse"


def test_adbc_table_schema(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer not null, b varchar)")
        schema = connection.adbc_get_table_schema(table)
        assert schema.remove_metadata().equals(
            pa.schema([pa.field("a", pa.int32(), nullable=False), ("b", pa.string())])
        ), "also before the table is committed"
        assert schema.field("a").metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"INTEGER"
        assert connection.adbc_get_table_schema(table, catalog_filter="primary", db_schema_filter="main").names == [
            "a",
            "b",
        ]
        with pytest.raises(adbc_driver_manager.ProgrammingError):
            connection.adbc_get_table_schema(table + "_not")
        cursor.execute(f"drop table {table}")
