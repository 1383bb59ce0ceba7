"""The files of an index that came from elsewhere: whether they are what the engine can use for some vectors.

The libraries of the graphs notice a file that is cut, but trust its links: a wrong one ends the process. So another
process opens the files first, and asks some questions.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.errors import Invalid
from engine.search.vectors import compact, hnsw, usearch

FILES: Mapping[str, tuple[str, ...]] = {
    "exact": (),
    "hnswlib": (hnsw.NAME,),
    "usearch": (usearch.NAME,),
    "compact": (compact.CODES, compact.MEAN),
}
SECONDS = 120
PROGRAMS = {  # of a path, the rows, the dimension and the file of the vectors; they end well where all is right
    "hnswlib": "import sys, numpy as n, hnswlib; path, rows, dim = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]); "
    "g = hnswlib.Index('ip', dim); g.load_index(path, max_elements=rows); "
    "assert g.element_count == rows and sorted(g.get_ids_list()) == list(range(rows)), 'it has other rows'; "
    "v = n.memmap(sys.argv[4], '<f4', 'r').reshape(rows, dim); some = list(range(0, rows, -(-rows // 100))); "
    "assert n.array_equal(n.array(g.get_items(some)), v[some]), 'it has other vectors'; "
    "g.knn_query(v[some], min(10, rows), num_threads=1)",
    "usearch": "import sys, numpy as n; from usearch.index import Index; "
    "path, rows, dim = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]); g = Index.restore(path, view=True); "
    "assert g is not None and g.ndim == dim, 'it has another dimension'; "
    "assert len(g) == rows and sorted(n.asarray(g.keys).tolist()) == list(range(rows)), 'it has other rows'; "
    "v = n.memmap(sys.argv[4], '<f4', 'r').reshape(rows, dim); "
    "g.search(n.array(v[:: -(-rows // 100)]), min(10, rows), threads=1)",
}


def refuse_unusable(engine: str, folder: Path, vectors: Path, rows: int, dimension: int) -> None:
    """Raise Invalid unless the index of `engine` in `folder` is one of the vectors in a file of float32."""
    if engine == "compact":
        _refuse_codes(folder, rows, dimension)
    elif engine in PROGRAMS:
        _refuse_graph(engine, [str(folder / FILES[engine][0]), str(rows), str(dimension), str(vectors)])


def _refuse_codes(folder: Path, rows: int, dimension: int) -> None:
    try:
        codes = np.load(folder / compact.CODES, mmap_mode="r", allow_pickle=False)
        mean = np.load(folder / compact.MEAN, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Invalid(f"its codes cannot be read: {error}", "export it again") from None
    shapes = (codes.shape, mean.shape) == ((-(-dimension // 64), rows), (dimension,))
    if not shapes or (codes.dtype, mean.dtype) != (np.uint64, np.float32) or not np.isfinite(mean).all():
        raise Invalid("its codes are not those of its vectors", "export it again")


def _refuse_graph(engine: str, arguments: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAMS[engine], *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    try:
        tried = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Invalid(f"its {engine} graph does not answer within {SECONDS} s", "export it again") from None
    if tried.returncode < 0:
        raise Invalid(f"its {engine} graph ends a process with signal {-tried.returncode}", "export it again")
    if tried.returncode:
        lines = tried.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1][:200] if lines else f"it ends with {tried.returncode}"
        raise Invalid(f"its {engine} graph cannot be used: {why}", "export it again")
