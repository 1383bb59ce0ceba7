"""What search costs and finds: the product beside bare libraries in one run, CPU time of the process.

python -m bench.search [--part corpus|several|batches|embedding|vectors|growth|peers] [--rows 100000] [--write]

The texts are sentences of the documentation of Python and of installed packages, embedded with the bundled model; that
takes some minutes once, and is kept in `--kept`. Questions are sentences that are in no corpus.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import search_batches, search_growth, search_peers, search_questions, search_vectors
from bench.figures import Figures, machine
from bench.search_lake import Real, sentences

REPORT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PARTS = {
    "corpus": "A corpus through SQL",
    "several": "Several corpora",
    "batches": "Questions in batches",
    "embedding": "Embedding",
    "vectors": "Engines and filters, under the SQL",
    "growth": "From ten thousand to a million",
    "peers": "Peers",
}


def page(measured: dict[str, Figures], before: str) -> str:
    """The page; a part that was not measured stands as it did `before`."""
    kept = {title: rest for title, _, rest in (part.partition("\n") for part in before.split("\n## ")[1:])}
    lines = [
        "# Benchmarks",
        "",
        "`python -m bench.search --write` made this page. " + str(__doc__).split("\n\n", 2)[2].strip(),
        "Milliseconds and seconds of CPU are those of the process with all its threads; a question is the median of",
        "200, the best of three rounds. The reference of a line is measured in the same run.",
    ]
    for part, title in PARTS.items():
        if part in measured:
            made = machine("duckdb", "numpy", "hnswlib", "usearch", "onnxruntime")
            lines += ["", f"## {title}", "", *NOTES.get(part, []), made, "", measured[part].table()]
        elif title in kept:
            lines += ["", f"## {title}", kept[title].rstrip("\n")]
    return "\n".join(lines) + "\n"


NOTES = {
    "batches": [str(search_batches.__doc__).split("\n\n", 1)[1].strip(), ""],
    "growth": [str(search_growth.__doc__).split("\n\n", 1)[1].strip(), ""],
    "peers": [str(search_peers.__doc__).split("\n\n", 1)[1].strip(), ""],
}


def main() -> None:
    """Measure the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), action="append")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--kept", type=Path, default=Path.home() / ".cache" / "lakehouse-bench")
    parser.add_argument(
        "--peers", type=Path, help="a Python that has chromadb, lancedb, sqlite-vec, duckdb and its vss"
    )
    parser.add_argument("--write", action="store_true", help="write the figures to docs/benchmarks.md")
    given = parser.parse_args()
    real = sentences(given.kept, given.rows)
    measures: dict[str, Callable[[Figures], None]] = {
        "corpus": lambda figures: search_questions.one_corpus(figures, real, given.kept),
        "several": lambda figures: search_questions.four_corpora(figures, real, given.kept),
        "batches": lambda figures: search_batches.batches(figures, real, given.kept),
        "embedding": lambda figures: search_questions.embedding(figures, real, given.kept),
        "vectors": lambda figures: _engines(figures, real),
        "growth": lambda figures: search_growth.growth(figures, given.largest),
        "peers": lambda figures: search_peers.peers(figures, real, given.kept, given.peers),
    }
    measured: dict[str, Figures] = {}
    for part in given.part or PARTS:
        measured[part] = Figures()
        measures[part](measured[part])
    if given.write:
        before = REPORT.read_text(encoding="utf-8") if REPORT.exists() else ""
        REPORT.write_text(page(measured, before), encoding="utf-8")


def _engines(figures: Figures, real: Real) -> None:
    with tempfile.TemporaryDirectory() as folder:
        search_vectors.engines(figures, real, Path(folder))


if __name__ == "__main__":
    main()
