"""The tokenizer of MiniLM (WordPiece, lower case, 30,522 pieces), which ships with this package."""

from importlib import resources

from tokenizers import Tokenizer


def load_tokenizer() -> Tokenizer:
    """A tokenizer of its own for the caller, without truncation and padding."""
    source = resources.files(__name__.rpartition(".")[0]).joinpath("tokenizer.json").read_text(encoding="utf-8")
    tokenizer = Tokenizer.from_str(source)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
