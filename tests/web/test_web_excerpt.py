"""The part of a text that is shown first."""

from hypothesis import given
from hypothesis import strategies as st

from web.excerpt import excerpt

LONG = " ".join(f"word{number}" for number in range(500))


def test_a_short_text_is_shown_whole() -> None:
    found = excerpt("The cat sat.", ["cat"])
    assert found.pieces == (("The ", False), ("cat", True), (" sat.", False))
    assert not found.cut


def test_a_long_text_is_shown_around_its_quotation() -> None:
    found = excerpt(LONG, ["word300 word301"])
    assert ("word300 word301", True) in found.pieces
    assert found.cut_before
    assert found.cut_after


def test_words_are_not_cut() -> None:
    shown = "".join(piece for piece, _ in excerpt(LONG, ["word300"]).pieces)
    assert set(shown.split()) <= set(LONG.split())


def test_a_quotation_that_is_not_there_changes_nothing() -> None:
    assert excerpt(LONG, ["nowhere", ""]) == excerpt(LONG, [])


@given(st.text(max_size=2000), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 300)), max_size=5))
def test_pieces_are_a_part_of_the_text(text: str, cuts: list[tuple[int, int]]) -> None:
    found = excerpt(text, [text[start : start + length] for start, length in cuts], width=100)
    shown = "".join(piece for piece, _ in found.pieces)
    assert shown in text
    assert len(shown) <= 100
    assert found.cut == (len(shown) < len(text))
