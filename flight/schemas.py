"""The schemas that the protocol fixes. ADBC compares them exactly, names and nullability."""

from collections.abc import Sequence

import pyarrow as pa


def _text(name: str, nullable: bool = True) -> pa.Field:
    return pa.field(name, pa.string(), nullable=nullable)


CATALOGS = pa.schema([_text("catalog_name", False)])
DB_SCHEMAS = pa.schema([_text("catalog_name"), _text("db_schema_name", False)])
TABLE_TYPES = pa.schema([_text("table_type", False)])
TABLES = pa.schema(
    [_text("catalog_name"), _text("db_schema_name"), _text("table_name", False), _text("table_type", False)]
)
TABLES_WITH_SCHEMA = TABLES.append(pa.field("table_schema", pa.binary(), nullable=False))
PRIMARY_KEYS = pa.schema(
    [
        _text("catalog_name"),
        _text("db_schema_name"),
        _text("table_name", False),
        _text("column_name", False),
        _text("key_name"),
        pa.field("key_sequence", pa.int32(), nullable=False),
    ]
)
FOREIGN_KEYS = pa.schema(
    [
        _text("pk_catalog_name"),
        _text("pk_db_schema_name"),
        _text("pk_table_name", False),
        _text("pk_column_name", False),
        _text("fk_catalog_name"),
        _text("fk_db_schema_name"),
        _text("fk_table_name", False),
        _text("fk_column_name", False),
        pa.field("key_sequence", pa.int32(), nullable=False),
        _text("fk_key_name"),
        _text("pk_key_name"),
        pa.field("update_rule", pa.uint8(), nullable=False),
        pa.field("delete_rule", pa.uint8(), nullable=False),
    ]
)
XDBC_TYPES = pa.schema(
    [
        _text("type_name", False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        _text("literal_prefix"),
        _text("literal_suffix"),
        pa.field("create_params", pa.list_(pa.field("item", pa.string(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        _text("local_type_name"),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)

_INFO_VALUES = [
    pa.field("string_value", pa.string(), nullable=False),
    pa.field("bool_value", pa.bool_(), nullable=False),
    pa.field("bigint_value", pa.int64(), nullable=False),
    pa.field("int32_bitmask", pa.int32(), nullable=False),
    pa.field("string_list", pa.list_(pa.field("item", pa.string())), nullable=False),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32())), nullable=False),
]
STRING, BOOLEAN, BIGINT, INTEGER, STRINGS, INTEGER_LISTS = range(6)
SQL_INFO = pa.schema(
    [
        pa.field("info_name", pa.uint32(), nullable=False),
        pa.field("value", pa.dense_union(_INFO_VALUES), nullable=False),
    ]
)

InfoRow = tuple[int, int, object]


def info_table(rows: Sequence[InfoRow]) -> pa.Table:
    """The answer to GetSqlInfo for rows of (id, child of the union, value)."""
    kinds = [kind for _, kind, _ in rows]
    offsets = [kinds[:index].count(kind) for index, kind in enumerate(kinds)]
    children = [
        pa.array([value for _, kind, value in rows if kind == number], field.type)
        for number, field in enumerate(_INFO_VALUES)
    ]
    # `UnionArray.from_dense` would make every child nullable, and the schema would differ from the promised one.
    values = pa.Array.from_buffers(
        SQL_INFO.field("value").type,
        len(rows),
        [None, pa.array(kinds, pa.int8()).buffers()[1], pa.array(offsets, pa.int32()).buffers()[1]],
        children=children,
    )
    names = pa.array([name for name, _, _ in rows], pa.uint32())
    return pa.Table.from_arrays([names, values], schema=SQL_INFO)
