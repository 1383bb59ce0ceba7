"""The part of a text that is worth showing first, with the quoted passages marked."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 420  # characters
LEAD = 90  # characters before the first quotation


@dataclass(frozen=True)
class Excerpt:
    """`pieces` of (text, marked), and whether something is missing before or after them."""

    pieces: tuple[tuple[str, bool], ...]
    cut_before: bool
    cut_after: bool

    @property
    def cut(self) -> bool:
        """Whether this is less than the whole text."""
        return self.cut_before or self.cut_after


def excerpt(text: str, quotes: Sequence[str], width: int = WIDTH) -> Excerpt:
    """The first `width` characters of `text` or, when it is longer, those around its first quotation."""
    spans = _spans(text, quotes)
    low, high = 0, len(text)
    if high > width:
        low = max(0, min((spans[0][0] if spans else 0) - LEAD, high - width))
        low = text.find(" ", low, low + LEAD) + 1 if low else 0
        high = _word_end(text, min(low + width, len(text)))
    pieces: list[tuple[str, bool]] = []
    position = low
    for start, end in spans:
        start, end = max(start, position), min(end, high)
        if start < end:
            pieces += [(text[position:start], False), (text[start:end], True)]
            position = end
    pieces.append((text[position:high], False))
    return Excerpt(tuple(piece for piece in pieces if piece[0]), low > 0, high < len(text))


def _word_end(text: str, position: int) -> int:
    """The end of a word at most a few characters before `position`, so that no word is cut."""
    if position == len(text) or text[position].isspace():
        return position
    end = text.rfind(" ", position - LEAD // 3, position)
    return end if end > 0 else position


def _spans(text: str, quotes: Sequence[str]) -> list[tuple[int, int]]:
    found = [(text.find(quote), len(quote)) for quote in quotes if quote]
    return sorted((start, start + length) for start, length in found if start >= 0)
