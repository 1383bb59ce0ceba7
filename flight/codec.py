"""Bytes to messages and back.

The protobuf classes live in a descriptor pool of their own: in the default pool they would clash with any other package
that brings the same protocol. Flight SQL commands travel inside an `Any`; session and cancel messages travel bare.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from engine.errors import Invalid
from flight import messages
from flight.errors import Unsupported
from flight.messages import OptionError, OptionValue

SQL = "arrow.flight.protocol.sql."
FLIGHT = "arrow.flight.protocol."
ANY_PREFIX = "type.googleapis.com/"
BARE = (
    messages.Ticket,
    messages.FlightEndpoint,
    messages.FlightInfo,
    messages.CancelFlightInfoRequest,
    messages.CancelFlightInfoResult,
    messages.RenewFlightEndpointRequest,
    messages.CloseSessionResult,
)
T = TypeVar("T")


def _full_name(kind: type) -> str:
    if kind is messages.TableDefinitionOptions:
        return f"{SQL}CommandStatementIngest.{kind.__name__}"
    return (FLIGHT if kind in BARE else SQL) + kind.__name__


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    content = (files(__package__) / "proto" / "flight.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def _wire(full_name: str) -> type[Message]:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


@cache
def _kinds() -> Mapping[str, type]:
    kinds = [kind for kind in vars(messages).values() if hasattr(kind, "__dataclass_fields__")]
    return {_full_name(kind): kind for kind in kinds}


@cache
def _fields(full_name: str) -> tuple[tuple[str, bool], ...]:
    """Each field's name, and whether it may be unset."""
    return tuple((item.name, item.default is None) for item in fields(cast(Any, _kinds()[full_name])))


def _value(value: object) -> object:
    if isinstance(value, Message):
        return _from_wire(_kinds()[value.DESCRIPTOR.full_name], value)
    if isinstance(value, str | bytes | int | float):
        return value
    if hasattr(value, "items"):
        return dict(value.items())
    return tuple(_value(item) for item in cast(Any, value))


def _from_wire(kind: type[T], wire: Message) -> T:
    values: dict[str, Any] = {}
    for name, optional in _fields(_full_name(kind)):
        values[name] = None if optional and not wire.HasField(name) else _value(getattr(wire, name))
    return kind(**values)


def _to_wire(message: object) -> Message:
    wire = _wire(_full_name(type(message)))()
    for name, _ in _fields(_full_name(type(message))):
        value = getattr(message, name)
        if value is None:
            continue
        if hasattr(value, "__dataclass_fields__"):
            getattr(wire, name).CopyFrom(_to_wire(value))
        elif isinstance(value, tuple):
            items = [_to_wire(item) if hasattr(item, "__dataclass_fields__") else item for item in value]
            getattr(wire, name).extend(items)
        elif isinstance(value, dict):
            getattr(wire, name).update(value)
        else:
            setattr(wire, name, value)
    return wire


def _read(full_name: str, data: bytes) -> Message:
    wire = _wire(full_name)()
    try:
        wire.ParseFromString(data)
    except DecodeError:
        raise Invalid("the request is not a Flight SQL message", "use a Flight SQL client") from None
    return wire


def parse(kind: type[T], data: bytes) -> T:
    """The bare message `data`. Raises Invalid when it is something else."""
    return _from_wire(kind, _read(_full_name(kind), data))


def serialize(message: object) -> bytes:
    """The bare bytes of a message."""
    return _to_wire(message).SerializeToString()


def decode(data: bytes) -> object:
    """The message inside the `Any` `data`. Raises Invalid for other bytes, Unsupported for an unknown message."""
    envelope = cast(Any, _read(FLIGHT + "Envelope", data))
    name = str(envelope.type_url).rpartition("/")[2]
    kind = _kinds().get(name)
    if kind is not None and name.startswith(SQL):
        return _from_wire(kind, _read(name, envelope.value))
    if name.startswith(SQL):
        raise Unsupported(f"{name.removeprefix(SQL)} is not supported", "send SQL text")
    raise Invalid("the request is not a Flight SQL command", "use a Flight SQL client")


def encode(message: object) -> bytes:
    """The bytes of a message inside an `Any`."""
    envelope = cast(Any, _wire(FLIGHT + "Envelope")())
    envelope.type_url = ANY_PREFIX + _full_name(type(message))
    envelope.value = serialize(message)
    return cast(bytes, envelope.SerializeToString())


def parse_options(data: bytes) -> dict[str, OptionValue]:
    """The options of a SetSessionOptionsRequest (or a GetSessionOptionsResult); None = unset the option."""
    found: dict[str, OptionValue] = {}
    for name, option in cast(Any, _read(FLIGHT + "SetSessionOptionsRequest", data)).session_options.items():
        which = option.WhichOneof("option_value")
        if which == "string_list_value":
            found[name] = list(option.string_list_value.values)
        else:
            found[name] = getattr(option, which) if which else None
    return found


def serialize_options(options: Mapping[str, str]) -> bytes:
    """A GetSessionOptionsResult (or a SetSessionOptionsRequest) of text options."""
    wire = cast(Any, _wire(FLIGHT + "GetSessionOptionsResult")())
    for name, value in options.items():
        wire.session_options[name].string_value = value
    return cast(bytes, wire.SerializeToString())


def serialize_option_errors(errors: Mapping[str, OptionError]) -> bytes:
    """A SetSessionOptionsResult: the options that were not set, and why."""
    wire = cast(Any, _wire(FLIGHT + "SetSessionOptionsResult")())
    for name, error in errors.items():
        wire.errors[name].value = int(error)
    return cast(bytes, wire.SerializeToString())
