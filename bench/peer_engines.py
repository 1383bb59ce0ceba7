"""Other libraries, each with the vectors and questions of a folder; runs under a Python that has them.

python -m bench.peer_engines FOLDER NAME

It writes one line of JSON: how it was asked, CPU seconds of the build, the recall, and CPU milliseconds of a question
(the median). The first width that reaches the recall counts, or the last one. It needs numpy and the library.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

K, RECALL, TABLES = 10, 0.95, 5000
WIDTHS = (24, 32, 48, 64, 96, 128, 192, 256, 400)
Ask = Callable[[Any], list[int]]  # the numbers of the rows found


def chromadb(folder: Path, vectors: Any, texts: list[str]) -> Iterator[tuple[str, Ask]]:
    """Its HNSW with the parameters of the product's graph, as wide as it searches by default."""
    import chromadb as chroma

    settings = chroma.config.Settings(anonymized_telemetry=False)
    client = chroma.PersistentClient(str(folder / "chroma"), settings)
    hnsw = {"space": "cosine", "ef_construction": 100, "max_neighbors": 16}
    made = client.create_collection("rows", configuration={"hnsw": hnsw})
    for start in range(0, len(vectors), TABLES):
        ids = [str(row) for row in range(start, min(start + TABLES, len(vectors)))]
        made.add(ids, embeddings=vectors[start : start + TABLES])
    yield "ef_search 100", lambda one: [int(id) for id in made.query(one, n_results=K, include=[])["ids"][0]]


def lancedb(folder: Path, vectors: Any, texts: list[str]) -> Iterator[tuple[str, Ask]]:
    """Its IVF_HNSW_SQ index with its own parameters, refined by the full vectors."""
    import lancedb as lance
    import pyarrow as pa

    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    rows = pa.table({"row": pa.array(range(len(vectors)), pa.int64()), "vector": column})
    table = lance.connect(str(folder / "lance")).create_table("rows", rows)
    table.create_index(metric="cosine", index_type="IVF_HNSW_SQ", num_partitions=1)
    table.wait_for_index(["vector_idx"])
    for width in WIDTHS:

        def ask(one: Any, width: int = width) -> list[int]:
            query = table.search(one).distance_type("cosine").ef(width).refine_factor(2).select(["row"]).limit(K)
            found: list[int] = query.to_arrow()["row"].to_pylist()
            return found

        yield f"ef {width}, refine_factor 2", ask


def sqlite_vec(folder: Path, vectors: Any, texts: list[str]) -> Iterator[tuple[str, Ask]]:
    """It compares everything."""
    import pysqlite3 as sqlite3  # that of many a Python cannot load extensions
    import sqlite_vec as extension

    database = sqlite3.connect(folder / "vec.sqlite3")
    database.enable_load_extension(True)
    extension.load(database)
    database.execute(f"create virtual table rows using vec0(vector float[{vectors.shape[1]}] distance_metric=cosine)")
    for start in range(0, len(vectors), TABLES):
        some = [(start + at, row.tobytes()) for at, row in enumerate(vectors[start : start + TABLES])]
        database.executemany("insert into rows(rowid, vector) values (?, ?)", some)
    database.commit()
    sql = "select rowid from rows where vector match ? and k = ? order by distance"
    yield "exact", lambda one: [row for (row,) in database.execute(sql, [one.tobytes(), K])]


def duckdb_vss(folder: Path, vectors: Any, texts: list[str]) -> Iterator[tuple[str, Ask]]:
    """Its HNSW index with the parameters of the product's graph, in memory."""
    import pyarrow as pa

    database = _duckdb("vss")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    database.register("given", pa.table({"id": pa.array(range(len(vectors)), pa.int64()), "vector": column}))
    kind = f"FLOAT[{vectors.shape[1]}]"
    database.execute(f"create table rows as select id, vector::{kind} as vector from given")
    database.execute(
        "create index near on rows using hnsw (vector) with (metric = 'cosine', m = 16, ef_construction = 100)"
    )
    sql = f"select id from rows order by array_cosine_distance(vector, ?::{kind}) limit {K}"
    for width in WIDTHS:
        database.execute(f"set hnsw_ef_search = {width}")
        yield (
            f"hnsw_ef_search {width}",
            lambda one: [row for (row,) in database.execute(sql, [one.tolist()]).fetchall()],
        )


def duckdb_fts(folder: Path, vectors: Any, texts: list[str]) -> Iterator[tuple[str, Ask]]:
    """Its BM25 over the same texts; questions are texts and no recall is told."""
    import pyarrow as pa

    database = _duckdb("fts")
    database.register("given", pa.table({"id": pa.array(range(len(texts)), pa.int64()), "text": texts}))
    database.execute("create table rows as from given")
    database.execute("pragma create_fts_index('rows', 'id', 'text')")
    sql = (
        "select id from (select id, fts_main_rows.match_bm25(id, ?) as score from rows) where score is not null "
        f"order by score desc limit {K}"
    )
    yield "BM25", lambda one: [row for (row,) in database.execute(sql, [one]).fetchall()]


def _duckdb(extension: str) -> Any:
    import importlib.util

    import duckdb

    found = importlib.util.find_spec(f"duckdb_extension_{extension}")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0])
    database = duckdb.connect()
    database.execute(f"load '{next(folder.rglob(f'{extension}.duckdb_extension'))}'")
    return database


ENGINES = {one.__name__: one for one in (chromadb, lancedb, sqlite_vec, duckdb_vss, duckdb_fts)}


def main() -> None:
    """Measure one library."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    vectors, asked = np.load(folder / "vectors.npy"), np.load(folder / "asked.npy")
    texts, questions, truth = (
        json.loads((folder / f"{one}.json").read_text()) for one in ("texts", "questions", "truth")
    )
    words = name == "duckdb_fts"
    began = time.process_time()
    tried: list[dict[str, Any]] = []
    for how, ask in ENGINES[name](folder, vectors, texts):
        built = time.process_time() - began if not tried else tried[0]["built"]
        given = questions if words else list(asked)
        found = sum(len(set(ask(one)) & set(true)) for one, true in zip(given, truth, strict=True))
        taken = []
        for one in given:
            started = time.process_time()
            ask(one)
            taken.append(time.process_time() - started)
        recall = found / (K * len(truth))
        tried.append({"how": how, "built": built, "recall": recall, "ms": sorted(taken)[len(taken) // 2] * 1000})
        if words or recall >= RECALL:
            break
    print(json.dumps(tried[-1]))


if __name__ == "__main__":
    main()
