"""What the server says of itself: SqlInfo. JDBC fails on every id that is missing, so that all of them are here."""

import pyarrow as pa

from flight.schemas import BIGINT, BOOLEAN, INTEGER, INTEGER_LISTS, STRING, STRINGS, InfoRow

NAME = "Lakehouse"


def _words(text: str) -> list[str]:
    return text.split()


KEYWORDS = _words(
    "ANTI ASOF ATTACH DESCRIBE DETACH EXCLUDE GLOB ILIKE INSTALL LAMBDA LOAD MACRO PIVOT PIVOT_LONGER PIVOT_WIDER "
    "POSITIONAL PRAGMA QUALIFY RETURNING SEMI SHOW SUMMARIZE UNPIVOT USE VARIABLE"
)
NUMERIC_FUNCTIONS = _words(
    "abs acos asin atan atan2 ceil cos cot degrees exp floor ln log log10 log2 mod pi power radians random round sign "
    "sin sqrt tan trunc"
)
STRING_FUNCTIONS = _words(
    "ascii chr concat concat_ws contains left length lower lpad ltrim regexp_extract regexp_matches regexp_replace "
    "repeat replace reverse right rpad rtrim split_part starts_with strpos substring trim upper"
)
SYSTEM_FUNCTIONS = _words("coalesce current_database current_schema current_user nullif typeof version")
DATETIME_FUNCTIONS = _words(
    "age current_date current_timestamp date_add date_diff date_part date_sub date_trunc dayname dayofmonth dayofweek "
    "dayofyear epoch extract hour last_day minute month monthname now quarter second strftime strptime week year"
)

# The numbers of SqlSupportsConvert.
NUMBERS = [0, 5, 6, 7, 12, 13, 14, 17]
TEXT, DATE, TIMESTAMP = 19, 4, 16
CONVERSIONS = [
    *((number, [*NUMBERS, TEXT]) for number in NUMBERS),
    (DATE, [DATE, TIMESTAMP, TEXT]),
    (TIMESTAMP, [DATE, TIMESTAMP, TEXT]),
    (TEXT, [*NUMBERS, DATE, TIMESTAMP, TEXT]),
]

CASE_INSENSITIVE = 1
NULLS_AT_END = 3
ALL_OF_THREE, ALL_OF_TWO, ALL_OF_FOUR = 0b111, 0b11, 0b1111
FULL_OUTER_JOINS = 2
REPEATABLE_READ = 3
FORWARD_ONLY = READ_ONLY = 0b10
TRANSACTIONS_WITHOUT_SAVEPOINTS = 1


def rows(version: str, statement_ms: int, transaction_ms: int) -> list[InfoRow]:
    """Every SqlInfo as (id, child of the union, value), by id.

    `version`: of the server. `statement_ms`, `transaction_ms`: after which a handle that nobody uses is dropped.
    """
    server: list[InfoRow] = [
        (0, STRING, NAME),
        (1, STRING, version),
        (2, STRING, pa.__version__),
        (3, BOOLEAN, False),
        (4, BOOLEAN, True),
        (5, BOOLEAN, False),
        (6, STRING, ""),
        (7, STRING, ""),
        (8, INTEGER, TRANSACTIONS_WITHOUT_SAVEPOINTS),
        (9, BOOLEAN, True),
        (10, BOOLEAN, True),
        (11, BOOLEAN, True),
        (100, INTEGER, statement_ms),
        (101, INTEGER, transaction_ms),
    ]
    return server + _language() + _support() + _limits() + _transactions()


def _language() -> list[InfoRow]:
    return [
        (500, BOOLEAN, False),
        (501, BOOLEAN, True),
        (502, BOOLEAN, True),
        (503, BIGINT, CASE_INSENSITIVE),
        (504, STRING, '"'),
        (505, BIGINT, CASE_INSENSITIVE),
        (506, BOOLEAN, True),
        (507, BIGINT, NULLS_AT_END),
        (508, STRINGS, KEYWORDS),
        (509, STRINGS, NUMERIC_FUNCTIONS),
        (510, STRINGS, STRING_FUNCTIONS),
        (511, STRINGS, SYSTEM_FUNCTIONS),
        (512, STRINGS, DATETIME_FUNCTIONS),
        (513, STRING, "\\"),
        (514, STRING, ""),
    ]


def _support() -> list[InfoRow]:
    return [
        (515, BOOLEAN, True),
        (516, BOOLEAN, True),
        (517, INTEGER_LISTS, CONVERSIONS),
        (518, BOOLEAN, True),
        (519, BOOLEAN, False),
        (520, BOOLEAN, True),
        (521, BOOLEAN, True),
        (522, INTEGER, ALL_OF_TWO),
        (523, BOOLEAN, True),
        (524, BOOLEAN, True),
        (525, INTEGER, ALL_OF_THREE),
        (526, INTEGER, ALL_OF_TWO),
        (527, BOOLEAN, False),
        (528, INTEGER, FULL_OUTER_JOINS),
        (529, STRING, "schema"),
        (530, STRING, "function"),
        (531, STRING, "catalog"),
        (532, BOOLEAN, True),
        (533, INTEGER, 0),
        (534, INTEGER, 0),
        (535, INTEGER, 0),
        (536, BOOLEAN, False),
        (537, BOOLEAN, False),
        (538, INTEGER, ALL_OF_FOUR),
        (539, BOOLEAN, True),
        (540, INTEGER, ALL_OF_TWO),
    ]


def _limits() -> list[InfoRow]:
    """541 to 561: all without a limit, which is 0; 556 is whether the row size counts large objects."""
    return [(number, BOOLEAN, True) if number == 556 else (number, BIGINT, 0) for number in range(541, 562)]


def _transactions() -> list[InfoRow]:
    return [
        (562, BIGINT, REPEATABLE_READ),  # the protocol says int32, JDBC reads a bigint
        (563, BOOLEAN, True),
        (564, INTEGER, 1 << REPEATABLE_READ),
        (565, BOOLEAN, False),
        (566, BOOLEAN, False),
        (567, INTEGER, FORWARD_ONLY),
        (568, INTEGER, 0),
        (569, INTEGER, READ_ONLY),
        (570, INTEGER, 0),
        (571, INTEGER, 0),
        (572, BOOLEAN, True),
        (573, BOOLEAN, False),
        (574, BOOLEAN, False),
        (575, BOOLEAN, True),
        (576, BOOLEAN, False),
    ]
