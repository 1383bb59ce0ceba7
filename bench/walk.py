"""What the walk costs: ingest, embedding, question to answer. CPU seconds, ratios to the bare engine in one run.

python -m bench.walk [--rows 1000000] [--workers 1000]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from sql import scripts

QUESTIONS = [
    "forklift operator with OSHA-10 in IL",
    "who may operate a reach truck at night?",
    "registered nurse for a clinic",
    "welder with an AWS certification, second shift",
]


def cpu(work: Callable[[], object], repeat: int = 1) -> float:
    """Least CPU seconds of the process for one call."""
    best = float("inf")
    for _ in range(repeat):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def line(what: str, value: str) -> None:
    """One figure."""
    print(f"{what:<58} {value}")


def ingest(session: Session, folder: Path, rows: int) -> None:
    """A CSV and a Parquet file into the lake, against the same statement in bare DuckDB."""
    numbers = f"select i as id, 'name ' || i as name, i % 97 as part, i / 7.0 as value from range({rows}) as r(i)"
    with duckdb.connect() as maker:
        for suffix, options in (("csv", "format csv, header"), ("parquet", "format parquet")):
            path = folder / f"numbers.{suffix}"
            maker.execute(f"copy ({numbers}) to '{path}' ({options})")
            bare = cpu(lambda path=path: duckdb.connect().execute(f"create table t as from '{path}'"))  # type: ignore[misc]
            sql = f"select * from ingest('{path}', 'numbers_{suffix}')"
            started = time.monotonic()
            ours = cpu(lambda sql=sql: session.run(sql))  # type: ignore[misc]
            wall = time.monotonic() - started
            line(
                f"ingest {rows} rows of {suffix}",
                f"{rows / wall:,.0f} rows/s wall, {ours / bare:.2f} × CPU of bare DuckDB",
            )


def corpus(session: Session, workers: int) -> None:
    """The résumés of the demo: chunks embedded a second."""
    with duckdb.connect() as maker:
        maker.execute(f"set variable workers = {workers}; set variable seed = 42")
        for script in scripts("demo"):
            maker.execute(script.text)
        for table in ("workers", "job_orders", "safety_notes"):
            session.load(maker.execute(f"from {table}").to_arrow_reader(), table, mode="replace")
    started, used = time.monotonic(), time.process_time()
    sql = "select chunks from create_corpus('{}', source := '{}', id := '{}', text := '{}')"
    row = session.run(sql.format("resumes", "workers", "worker_id", "resume")).rows()[0]
    wall, used = time.monotonic() - started, time.process_time() - used
    chunks = int(str(row["chunks"]))
    line(f"corpus of {chunks} résumés", f"{chunks / wall:.0f} texts/s wall, {chunks / used:.0f} texts/s of CPU")
    session.run(sql.format("orders", "job_orders", "order_id", "description"))
    session.run(sql.format("notes", "safety_notes", "note_id", "body"))


def questions(lake: Lake, session: Session) -> None:
    """Question to rows, with a new embedding and with a kept one."""
    search = "select * from matrix_search(?)"
    session.run(search, ["warm up the model"]).read_all()
    fresh = [cpu(lambda text=text: session.run(search, [text]).read_all()) for text in QUESTIONS]  # type: ignore[misc]
    kept = [cpu(lambda text=text: session.run(search, [text]).read_all(), 20) for text in QUESTIONS]  # type: ignore[misc]
    line("question to rows, three corpora, embedding included", f"{1000 * sum(fresh) / len(fresh):.1f} ms CPU")
    line("question to rows, embedding known", f"{1000 * min(kept):.1f} ms CPU")
    line("select 1 in process", f"{1000 * cpu(lambda: session.run('select 1').read_all(), 200):.2f} ms CPU")
    described = cpu(lambda: session.describe(search), 50)
    line("describe the search", f"{1000 * described:.2f} ms CPU")
    answer = "select * from ask('what certification does a forklift operator need?')"
    line("question to quoted answer", f"{1000 * cpu(lambda: session.run(answer).read_all(), 5):.0f} ms CPU")
    assert lake.corpora.names() == ["notes", "orders", "resumes"]


def main() -> None:
    """Run everything in a temporary home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        started = time.process_time()
        lake = open_lake(folder / "home", allowed=[folder / "in"])
        line("open an empty home", f"{time.process_time() - started:.2f} s CPU")
        session = lake.session()
        ingest(session, folder / "in", given.rows)
        corpus(session, given.workers)
        questions(lake, session)
        lake.close()


if __name__ == "__main__":
    main()
