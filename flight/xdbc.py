"""The SQL types as ODBC and JDBC number them: XdbcTypeInfo."""

from dataclasses import dataclass

import pyarrow as pa

from flight.schemas import XDBC_TYPES

NULLABLE = 1
SEARCHABLE = 3
DATETIME = 9


@dataclass(frozen=True)
class SqlType:
    """One type. `size`: digits, characters or bits; `radix`: 10 for digits, 2 for bits; `subcode`: kind of datetime."""

    name: str
    number: int
    size: int | None = None
    quote: str | None = None
    parameters: tuple[str, ...] | None = None
    unsigned: bool | None = None
    radix: int | None = None
    subcode: int | None = None
    scale: int | None = None
    prefix: str | None = None

    def row(self) -> dict[str, object]:
        """The row of the answer."""
        prefix = self.prefix if self.prefix is not None else self.quote
        return {
            "type_name": self.name,
            "data_type": self.number,
            "column_size": self.size,
            "literal_prefix": prefix,
            "literal_suffix": self.quote,
            "create_params": list(self.parameters) if self.parameters else None,
            "nullable": NULLABLE,
            "case_sensitive": self.name in ("VARCHAR", "JSON"),
            "searchable": SEARCHABLE,
            "unsigned_attribute": self.unsigned,
            "fixed_prec_scale": False,
            "auto_increment": False if self.radix else None,
            "local_type_name": self.name,
            "minimum_scale": 0 if self.scale is not None else None,
            "maximum_scale": self.scale,
            "sql_data_type": DATETIME if self.subcode is not None else self.number,
            "datetime_subcode": self.subcode,
            "num_prec_radix": self.radix,
            "interval_precision": None,
        }


def _integer(name: str, number: int, digits: int, unsigned: bool = False) -> SqlType:
    return SqlType(name, number, digits, unsigned=unsigned, radix=10, scale=0)


TYPES = (
    SqlType("BOOLEAN", -7, 1),
    _integer("TINYINT", -6, 3),
    _integer("UTINYINT", -6, 3, unsigned=True),
    _integer("BIGINT", -5, 19),
    _integer("UBIGINT", -5, 20, unsigned=True),
    SqlType("BLOB", -3, 2_147_483_647, quote="'", prefix="'\\x"),
    SqlType("UUID", 1, 36, quote="'"),
    _integer("HUGEINT", 2, 39),
    _integer("UHUGEINT", 2, 39, unsigned=True),
    SqlType("DECIMAL", 3, 38, parameters=("precision", "scale"), unsigned=False, radix=10, scale=38),
    _integer("INTEGER", 4, 10),
    _integer("UINTEGER", 4, 10, unsigned=True),
    _integer("SMALLINT", 5, 5),
    _integer("USMALLINT", 5, 5, unsigned=True),
    SqlType("FLOAT", 7, 24, unsigned=False, radix=2),
    SqlType("DOUBLE", 8, 53, unsigned=False, radix=2),
    SqlType("INTERVAL", 10, 49, quote="'", prefix="interval '"),
    SqlType("JSON", 12, 2_147_483_647, quote="'"),
    SqlType("VARCHAR", 12, 2_147_483_647, quote="'", parameters=("length",)),
    SqlType("DATE", 91, 10, quote="'", prefix="date '", subcode=1),
    SqlType("TIME", 92, 15, quote="'", prefix="time '", subcode=2, scale=6),
    SqlType("TIMESTAMP", 93, 26, quote="'", prefix="timestamp '", subcode=3, scale=6),
    SqlType("TIMESTAMP WITH TIME ZONE", 93, 32, quote="'", prefix="timestamptz '", subcode=5, scale=6),
    SqlType("TIMESTAMP_MS", 93, 23, quote="'", subcode=3, scale=3),
    SqlType("TIMESTAMP_NS", 93, 29, quote="'", subcode=3, scale=9),
    SqlType("TIMESTAMP_S", 93, 19, quote="'", subcode=3, scale=0),
)


def table(data_type: int | None = None) -> pa.Table:
    """The types with the ODBC number `data_type`, or all, by number and name."""
    found = [one for one in TYPES if data_type is None or one.number == data_type]
    ordered = sorted(found, key=lambda one: (one.number, one.name))
    return pa.Table.from_pylist([one.row() for one in ordered], schema=XDBC_TYPES)
