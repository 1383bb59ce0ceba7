"""The product beside other libraries.

The same vectors and questions for all. Those with an index get the least width that reaches a recall@10 of .95; a
build has the parameters of the product's graph (m 16, ef_construction 100) where it can be told. Each runs in a process
of its own and counts its own CPU time. The product answers with the text, the metadata and an explanation, the others
with the number of the row. `bench/peer_engines.py` asks them, under the Python that `--peers` names.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bench.figures import Figures, cpu, middle
from bench.search_lake import QUESTIONS, K, Real, create, lake_of

ENGINES = ("chromadb", "lancedb", "sqlite_vec", "duckdb_vss", "duckdb_fts")
SCRIPT = Path(__file__).with_name("peer_engines.py")
TIME_LIMIT = 1800


def peers(figures: Figures, given: Real, kept: Path, python: Path | None) -> None:
    """A line for the product and one for each that `python` has; the others say why not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _product(figures, given, kept, folder / "home")
        np.save(folder / "vectors.npy", given.vectors)
        np.save(folder / "asked.npy", given.asked)
        truth = [sorted(one) for one in given.truth()]
        for part, value in (("texts", given.texts), ("questions", given.questions), ("truth", truth)):
            (folder / f"{part}.json").write_text(json.dumps(value))
        for engine in ENGINES:
            figures.add(*_peer(engine, folder, python))


def _product(figures: Figures, given: Real, kept: Path, home: Path) -> None:
    truth = given.truth()
    with lake_of(home, kept, given) as lake:
        create(lake, "sentences", given)
        session = lake.session()
        build = "select * from build_index('sentences', engine := 'hnswlib', wait := true)"
        built = cpu(lambda: session.run(build).read_all())

        def ask(function: str, turn: int) -> set[int]:
            rows = session.run(f"select id from {function}(?, k := {K})", [given.questions[turn]]).read_all()
            return {int(id[1:]) for id in rows["id"].to_pylist()}

        found = sum(len(ask("vector_search", turn) & one) for turn, one in enumerate(truth))
        for function, said in (
            ("vector_search", f"recall {found / (K * len(truth)):.3f}, built in {built:.1f} s"),
            ("text_search", "BM25"),
        ):
            taken = middle(lambda turn, name=function: ask(name, turn), range(QUESTIONS))  # type: ignore[misc]
            figures.add(f"lakehouse, `{function}` in SQL", f"{taken:.2f} ms CPU, {said}")


def _peer(engine: str, folder: Path, python: Path | None) -> tuple[str, str]:
    name = engine.replace("_", " ")
    if python is None:
        return name, "not asked: no `--peers`"
    words = [str(python), "-P", str(SCRIPT), str(folder), engine]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return name, f"not ended within {TIME_LIMIT} s"
    if done.returncode:
        return name, "failed: " + (done.stderr.strip().splitlines() or ["without a word"])[-1][:150]
    one = json.loads(done.stdout.strip().splitlines()[-1])
    recall = "" if engine == "duckdb_fts" else f"recall {one['recall']:.3f}, "
    return f"{name}, {one['how']}", f"{one['ms']:.2f} ms CPU, {recall}built in {one['built']:.1f} s"
