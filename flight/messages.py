"""The messages of Flight SQL as plain dataclasses; `flight/codec.py` turns them into bytes and back.

A dataclass has the name and the field names of its message. An optional field that is not set is None.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias, TypeGuard, get_args

OptionValue: TypeAlias = str | bool | int | float | list[str] | None


@dataclass(frozen=True)
class CommandGetSqlInfo:
    """Facts about the server; no ids means all."""

    info: tuple[int, ...] = ()


@dataclass(frozen=True)
class CommandGetXdbcTypeInfo:
    """The SQL types, or the one with the ODBC number `data_type`."""

    data_type: int | None = None


@dataclass(frozen=True)
class CommandGetCatalogs:
    """The catalogs."""


@dataclass(frozen=True)
class CommandGetDbSchemas:
    """The schemas, by exact catalog and LIKE pattern."""

    catalog: str | None = None
    db_schema_filter_pattern: str | None = None


@dataclass(frozen=True)
class CommandGetTables:
    """The tables, by exact catalog, LIKE patterns and types; with their Arrow schemas if `include_schema`."""

    catalog: str | None = None
    db_schema_filter_pattern: str | None = None
    table_name_filter_pattern: str | None = None
    table_types: tuple[str, ...] = ()
    include_schema: bool = False


@dataclass(frozen=True)
class CommandGetTableTypes:
    """The kinds of table there are."""


@dataclass(frozen=True)
class CommandGetPrimaryKeys:
    """The primary key of a table."""

    catalog: str | None = None
    db_schema: str | None = None
    table: str = ""


@dataclass(frozen=True)
class CommandGetExportedKeys:
    """The foreign keys that point to a table."""

    catalog: str | None = None
    db_schema: str | None = None
    table: str = ""


@dataclass(frozen=True)
class CommandGetImportedKeys:
    """The foreign keys of a table."""

    catalog: str | None = None
    db_schema: str | None = None
    table: str = ""


@dataclass(frozen=True)
class CommandGetCrossReference:
    """The foreign keys of one table that point to another."""

    pk_catalog: str | None = None
    pk_db_schema: str | None = None
    pk_table: str = ""
    fk_catalog: str | None = None
    fk_db_schema: str | None = None
    fk_table: str = ""


@dataclass(frozen=True)
class CommandStatementQuery:
    """A statement that returns rows (stock ADBC sends every statement so)."""

    query: str = ""
    transaction_id: bytes | None = None


@dataclass(frozen=True)
class CommandStatementUpdate:
    """A statement that returns a count."""

    query: str = ""
    transaction_id: bytes | None = None


@dataclass(frozen=True)
class CommandPreparedStatementQuery:
    """Bind (DoPut) or run (GetFlightInfo) a prepared statement that returns rows."""

    prepared_statement_handle: bytes = b""


@dataclass(frozen=True)
class CommandPreparedStatementUpdate:
    """Run a prepared statement that returns a count, once for each bound row."""

    prepared_statement_handle: bytes = b""


class IfMissing(IntEnum):
    """What a bulk load does when its table does not exist."""

    UNSPECIFIED = 0
    CREATE = 1
    FAIL = 2


class IfExists(IntEnum):
    """What a bulk load does when its table exists."""

    UNSPECIFIED = 0
    FAIL = 1
    APPEND = 2
    REPLACE = 3


@dataclass(frozen=True)
class TableDefinitionOptions:
    """What a bulk load does with its table."""

    if_not_exist: int = IfMissing.UNSPECIFIED
    if_exists: int = IfExists.UNSPECIFIED


@dataclass(frozen=True)
class CommandStatementIngest:
    """A bulk load of the stream that follows."""

    table_definition_options: TableDefinitionOptions | None = None
    table: str = ""
    schema: str | None = None
    catalog: str | None = None
    temporary: bool = False
    transaction_id: bytes | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TicketStatementQuery:
    """What a client hands to DoGet for the rows of a statement."""

    statement_handle: bytes = b""


@dataclass(frozen=True)
class DoPutUpdateResult:
    """How many rows an update or a bulk load changed; -1 = not known."""

    record_count: int = 0


@dataclass(frozen=True)
class DoPutPreparedStatementResult:
    """The handle to use from now on."""

    prepared_statement_handle: bytes | None = None


@dataclass(frozen=True)
class ActionCreatePreparedStatementRequest:
    """Prepare a statement."""

    query: str = ""
    transaction_id: bytes | None = None


@dataclass(frozen=True)
class ActionCreatePreparedStatementResult:
    """A prepared statement; the schemas are Arrow IPC messages, empty for none."""

    prepared_statement_handle: bytes = b""
    dataset_schema: bytes = b""
    parameter_schema: bytes = b""
    is_update: bool | None = None


@dataclass(frozen=True)
class ActionClosePreparedStatementRequest:
    """Forget a prepared statement."""

    prepared_statement_handle: bytes = b""


@dataclass(frozen=True)
class ActionBeginTransactionRequest:
    """Begin a transaction."""


@dataclass(frozen=True)
class ActionBeginTransactionResult:
    """The transaction that was begun."""

    transaction_id: bytes = b""


class Ending(IntEnum):
    """How a transaction ends."""

    UNSPECIFIED = 0
    COMMIT = 1
    ROLLBACK = 2


@dataclass(frozen=True)
class ActionEndTransactionRequest:
    """End a transaction."""

    transaction_id: bytes = b""
    action: int = Ending.UNSPECIFIED


class CancelStatus(IntEnum):
    """How far a cancellation got."""

    UNSPECIFIED = 0
    CANCELLED = 1
    CANCELLING = 2
    NOT_CANCELLABLE = 3


@dataclass(frozen=True)
class ActionCancelQueryRequest:
    """Cancel the statement of a serialized FlightInfo (the deprecated form)."""

    info: bytes = b""


@dataclass(frozen=True)
class ActionCancelQueryResult:
    """The answer to ActionCancelQueryRequest."""

    result: int = CancelStatus.UNSPECIFIED


@dataclass(frozen=True)
class Ticket:
    """The bytes that a client hands to DoGet."""

    ticket: bytes = b""


@dataclass(frozen=True)
class FlightEndpoint:
    """Where rows can be fetched; here only its ticket matters."""

    ticket: Ticket | None = None


@dataclass(frozen=True)
class FlightInfo:
    """The answer to GetFlightInfo; here only its endpoints matter."""

    endpoint: tuple[FlightEndpoint, ...] = ()


@dataclass(frozen=True)
class CancelFlightInfoRequest:
    """Cancel the statement of a FlightInfo."""

    info: FlightInfo | None = None


@dataclass(frozen=True)
class CancelFlightInfoResult:
    """The answer to CancelFlightInfoRequest."""

    status: int = CancelStatus.UNSPECIFIED


@dataclass(frozen=True)
class RenewFlightEndpointRequest:
    """Keep the rows of an endpoint for longer."""

    endpoint: FlightEndpoint | None = None


class OptionError(IntEnum):
    """Why a session option was not set."""

    UNSPECIFIED = 0
    INVALID_NAME = 1
    INVALID_VALUE = 2
    ERROR = 3


class Closing(IntEnum):
    """How far closing a session got."""

    UNSPECIFIED = 0
    CLOSED = 1
    CLOSING = 2
    NOT_CLOSEABLE = 3


@dataclass(frozen=True)
class CloseSessionResult:
    """The answer to CloseSession."""

    status: int = Closing.UNSPECIFIED


MetadataCommand: TypeAlias = (
    CommandGetSqlInfo
    | CommandGetXdbcTypeInfo
    | CommandGetCatalogs
    | CommandGetDbSchemas
    | CommandGetTables
    | CommandGetTableTypes
    | CommandGetPrimaryKeys
    | CommandGetExportedKeys
    | CommandGetImportedKeys
    | CommandGetCrossReference
)
METADATA: tuple[type, ...] = get_args(MetadataCommand)


def is_metadata(message: object) -> TypeGuard[MetadataCommand]:
    """Whether it is a metadata command."""
    return isinstance(message, METADATA)
