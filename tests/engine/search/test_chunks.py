"""Cutting texts: exact offsets, nothing lost, nothing above the window."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import Invalid
from engine.models.tokens import load_tokenizer
from engine.search.chunks import BLOCK, WIDEST, WINDOW, Chunk, Splitter, split

TOKENIZER = load_tokenizer()
FAMILY = "👩‍👩‍👧‍👦"
PIECES = [
    "the ",
    "forklift ",
    "operator. ",
    "\n",
    "\n\n",
    " ",
    "x" * 99,
    "y" * 150,
    "한국어",
    "日本語。",
    "é",
    "e\u0301",
]
PIECES += [
    FAMILY,
    "🇫🇷",
    "\u0301",
    "\u200d",
    "\t",
    "1234567",
    "-",
    "<>",
    "\x1c",
    "\x85",
    "\u00a0",
    "İ",
    "ﷺ",
    "\r\n",
    "#",
]
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(PIECES), max_size=400).map("".join),
    st.tuples(st.sampled_from(PIECES), st.integers(1, 600)).map(lambda part: part[0] * part[1]),
)


def tokens(text: str) -> int:
    return len(TOKENIZER.encode(text).ids)


def prose(words: int) -> str:
    """Sentences of ten words, five sentences to a paragraph; no two sentences alike."""
    sentences = [
        " ".join(f"{word}{number % 89}" for word in ("worker", "moves", "pallet", "from", "dock", "to", "aisle"))
        + f" on day {number}."
        for number in range(words // 10)
    ]
    return "".join(one + ("\n\n" if number % 5 == 4 else " ") for number, one in enumerate(sentences)).strip()


def check(text: str, chunks: list[Chunk], size: int) -> None:
    covered = bytearray(len(text))
    for number, chunk in enumerate(chunks):
        assert chunk.ordinal == number
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert tokens(chunk.text) <= size
        assert len(chunk.text) <= size * WIDEST
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    starts = [chunk.start for chunk in chunks]
    assert starts == sorted(set(starts))
    assert [text[at] for at in range(len(text)) if not covered[at] and not text[at].isspace()] == []


@example(
    text="forklift " * 4
    + "##forklift ###"
    + "forklift forklift #"
    + "forklift " * 3
    + "#"
    + "forklift " * 3
    + "##forklift forklift ####forklift ##forklift forklift #",
    size=16,
    overlap=None,
)
@settings(deadline=None, max_examples=150)
@given(text=TEXTS, size=st.sampled_from([16, 24, 64, 256]), overlap=st.sampled_from([None, 0, 5]))
def test_any_text(text: str, size: int, overlap: int | None) -> None:
    check(text, split(text, TOKENIZER, size, overlap), size)


@pytest.mark.parametrize("text", ["", None, "   ", "\n\t \u00a0", " " * (WINDOW + 10)])
def test_blank_texts_have_no_chunk(text: str | None) -> None:
    assert split(text, TOKENIZER) == []


def test_a_short_text_is_one_chunk_without_its_margins() -> None:
    assert split("  a forklift operator\n", TOKENIZER) == [Chunk(0, 2, 21, "a forklift operator")]
    assert split("émigré", TOKENIZER) == [Chunk(0, 0, 6, "émigré")]


def test_the_window_is_used_to_the_last_token() -> None:
    full = " ".join(["lift"] * 254)
    assert tokens(full) == 256
    assert [chunk.text for chunk in split(full, TOKENIZER)] == [full]
    assert len(split(full + " lift", TOKENIZER)) == 2


def test_prose_is_cut_at_sentences_and_fills_the_window() -> None:
    text = prose(3000)
    chunks = split(text, TOKENIZER, 128, 0)
    check(text, chunks, 128)
    assert all(chunk.text.endswith(".") and chunk.text.startswith("worker") for chunk in chunks)
    assert sum(tokens(chunk.text) for chunk in chunks) / len(chunks) > 80


def test_neighbours_overlap_by_about_a_tenth() -> None:
    text = prose(3000).replace(".", "").replace("\n\n", " ")
    chunks = split(text, TOKENIZER, 256)
    shared = [max(0, one.end - two.start) / len(one.text) for one, two in itertools.pairwise(chunks)]
    assert 0.03 < sum(shared) / len(shared) < 0.15
    apart = split(text, TOKENIZER, 256, 0)
    assert all(one.end <= two.start for one, two in itertools.pairwise(apart))


def test_text_denser_than_its_surroundings_is_cut_again() -> None:
    dense = "~!@#$%^&*()_+{}|:<>?" * 40
    text = f"{prose(600)}\n\n{dense}\n\n{prose(600)}"
    chunks = split(text, TOKENIZER, 64)
    check(text, chunks, 64)


def test_long_texts_keep_their_offsets() -> None:
    text = "\n\n".join([prose(4000), " " * 500, prose(9000), "x" * (BLOCK + 7), prose(3000)])
    assert len(text) > 1.5 * WINDOW
    check(text, split(text, TOKENIZER), 256)


def test_long_texts_without_a_space() -> None:
    for character in ("x", "한", "-"):
        text = character * (WINDOW + BLOCK // 2)
        check(text, split(text, TOKENIZER), 256)


def test_no_visible_character_is_cut_in_two() -> None:
    text = FAMILY * 600 + "🇫🇷" * 600 + "e\u0301" * 3000
    for chunk in split(text, TOKENIZER, 16, 0):
        bare = chunk.text.replace(FAMILY, "").replace("🇫🇷", "").replace("e\u0301", "")
        assert bare == ""


def test_a_split_is_repeatable_and_its_splitter_reusable() -> None:
    text = prose(2000)
    splitter = Splitter(TOKENIZER, 128)
    assert splitter.split(text) == splitter.split(text) == split(text, TOKENIZER, 128, 12)


@pytest.mark.parametrize(
    ("size", "overlap", "message"),
    [
        (15, None, "a chunk of 15 tokens is too small; choose at least 16"),
        (64, 40, "an overlap of 40 tokens does not suit chunks of 64"),
        (64, -1, "an overlap of -1 tokens"),
    ],
)
def test_sizes_that_make_no_sense(size: int, overlap: int | None, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        split("a text", TOKENIZER, size, overlap)
