"""The one error of this door that the engine does not know."""

from engine.errors import Invalid


class Unsupported(Invalid):
    """the server does not speak this part of the protocol"""
