"""Cutting texts into chunks that fit a model's window, at the best boundary in reach (paragraph, sentence, word)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from engine.errors import Invalid

# Measuring every candidate in tokens costs 0.2 MB/s, measuring characters 50 MB/s. So a long text is cut by characters,
# at FILL of the window by its own characters per token, and only pieces that turn out too long are cut by tokens: 5
# times as fast, with 10 to 20 % more chunks.
FILL = 0.9
# Texts are worked on in blocks of so many characters: bounds memory, and lets the ratio follow the text.
BLOCK = 16_384
# The splitter's time grows with the square of a text without spaces; it sees so many characters at once.
WINDOW = 4 * BLOCK
# No chunk has more characters per token: a line of blanks or a word that is no word counts one token at any length.
WIDEST = 8
SMALLEST = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a text: `text == original[start:end]`, offsets in characters, `ordinal` from 0."""

    ordinal: int
    start: int
    end: int
    text: str


class Splitter:
    """Cuts texts into chunks of at most `size` tokens; safe to use from many threads."""

    def __init__(self, tokenizer: Tokenizer, size: int = 256, overlap: int | None = None) -> None:
        """`tokenizer`: without truncation. `size`: tokens of a chunk, the model's special tokens included.

        `overlap`: tokens of a chunk that the next one may repeat, whole sentences or words (None: a tenth of `size`).
        Raises Invalid when a size or an overlap makes no sense.
        """
        if size < SMALLEST:
            raise Invalid(f"a chunk of {size} tokens is too small", f"choose at least {SMALLEST}")
        self._room = size - tokenizer.num_special_tokens_to_add(False)
        self._overlap = size // 10 if overlap is None else overlap
        if not 0 <= self._overlap <= self._room // 2:
            raise Invalid(f"an overlap of {self._overlap} tokens does not suit chunks of {size}", "choose 0 to a half")
        self._tokenizer = tokenizer
        self._blocks = TextSplitter(BLOCK)
        self._by_tokens = TextSplitter.from_huggingface_tokenizer(tokenizer, self._room, overlap=self._overlap)

    def split(self, text: str | None) -> list[Chunk]:
        """The chunks of `text` in order: they cover all but white space, none begins or ends with it.

        None and blank texts have no chunk. Neighbours may overlap, except at the border of blocks of 16,384 characters.
        A chunk never cuts a character in two, nor what a reader sees as one, unless that alone exceeds the window.
        """
        pieces = _trimmed(self._pieces(text)) if text else ()
        return [Chunk(number, start, start + len(piece), piece) for number, (start, piece) in enumerate(pieces)]

    def _pieces(self, text: str) -> Iterator[tuple[int, str]]:
        at = 0
        while at < len(text):
            window = text[at : at + WINDOW]
            blocks = self._blocks.chunk_indices(window) if len(window) > BLOCK else [(0, window)]
            done = len(window)
            if at + done < len(text) and blocks and blocks[-1][0] > 0:
                done, _ = blocks.pop()  # it ends where the window does, so the next window begins with it
            for start, block in blocks:
                yield from self._cut(block, at + start)
            at += done

    def _cut(self, text: str, at: int) -> Iterator[tuple[int, str]]:
        """Cut one block, which begins `at` that offset of the text."""
        piece = text.strip()
        if not piece:
            return
        at += len(text) - len(text.lstrip())
        if piece.isascii() and len(piece) <= self._room:  # no tokenizer makes two tokens of one such character
            yield at, piece
            return
        count = self._counts([piece])[0]
        if self._fits(piece, count):
            yield at, piece
            return
        width = min(len(piece) / max(count, 1), WIDEST)
        room, overlap = int(self._room * FILL * width), int(self._overlap * FILL * width)
        cut = TextSplitter(max(room, 1), overlap=min(overlap, max(room, 1) - 1)).chunk_indices(piece)
        following = [start for start, _ in cut[1:]] + [len(piece)]
        for (start, part), size, after in zip(cut, self._counts([part for _, part in cut]), following, strict=True):
            if self._fits(part, size):
                yield at + start, part
                continue
            reached = start
            for inner, smaller in self._by_tokens.chunk_indices(part):
                if reached < after and start + inner < after:  # else its neighbours cover it
                    yield at + start + inner, smaller
                    reached = start + inner + len(smaller)

    def _fits(self, piece: str, count: int) -> bool:
        return count <= self._room and len(piece) <= self._room * WIDEST

    def _counts(self, texts: list[str]) -> list[int]:
        return [len(one.ids) for one in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _trimmed(pieces: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The pieces without the white space of Python, which knows four control characters more than the splitter does."""
    for start, piece in pieces:
        inner = piece.strip()
        if inner:
            yield start + len(piece) - len(piece.lstrip()), inner


@lru_cache(maxsize=4)
def _splitter(tokenizer: Tokenizer, size: int, overlap: int | None) -> Splitter:
    """Building one copies the tokenizer, some 50 ms."""
    return Splitter(tokenizer, size, overlap)


def split(text: str | None, tokenizer: Tokenizer, size: int = 256, overlap: int | None = None) -> list[Chunk]:
    """The chunks of `text`; see `Splitter`. `tokenizer`: the embedder's, `size`: usually its `max_tokens`."""
    return _splitter(tokenizer, size, overlap).split(text)
