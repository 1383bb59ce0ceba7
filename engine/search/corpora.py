"""Corpora."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.lake import Lake


class Corpora:
    """The corpora of a lake."""

    def __init__(self, lake: "Lake") -> None:
        self._lake = lake

    def recover(self) -> None:
        """Nothing yet."""

    def close(self) -> None:
        """Nothing yet."""
