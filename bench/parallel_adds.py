"""Several corpora made and refreshed at once: does one wait for the other?

python -m bench.parallel_adds [--rows 4000] [--corpora 4] [--rounds 3]

The same work in two ways, by turns: by as many threads as corpora in one process, and by two processes (one a core),
each with half of the corpora, one after the other. Wall seconds from the first call to the last answer; opening homes
and making the tables do not count. The best round of each counts. The ratio is the throughput of the first way as a
share of the second: 1 when nothing in common is waited for.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from engine.lake import Lake
from lakehouse import open_lake

SETTINGS = {"models.embedder": "hash:384", "journal.statements": False, "search.exact_rows": 1_000_000}
PROCESSES = 2


def opened(home: Path, names: Sequence[str], rows: int) -> Lake:
    """A home with a table for each corpus: rows of 40 words."""
    lake = open_lake(home, settings=SETTINGS)
    text = "array_to_string(list_transform(range(40), j -> 'word' || hash(i * 41 + j) % 5000), ' ')"
    for name in names:
        lake.session().run(f"create table {name} as select i::varchar as id, {text} as text from range({rows}) as r(i)")
    return lake


def work(lake: Lake, name: str) -> None:
    """Make a corpus, change a twentieth of its table, refresh it."""
    session = lake.session()
    session.run(f"select * from create_corpus('{name}', source := '{name}', id := 'id', text := 'text')").rows()
    session.run(f"update {name} set text = text || ' again' where id::bigint % 20 = 0")
    status = session.run(f"select * from refresh_corpus('{name}')").rows()[0]["status"]
    if status != "refreshed":
        raise RuntimeError(f"the refresh of {name} is {status}")


def at_once(names: Sequence[str], rows: int) -> float:
    """Wall seconds of a thread for each corpus, in one process."""
    with tempfile.TemporaryDirectory() as home:
        lake = opened(Path(home), names, rows)
        threads = [threading.Thread(target=work, args=(lake, name)) for name in names]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
        made = len(lake.corpora.names())
        lake.close()
    if made != len(names):
        raise RuntimeError(f"only {made} of {len(names)} corpora were made")
    return seconds


def part(names: Sequence[str], rows: int, ready: object, ended: object) -> None:
    """One process: its corpora one after the other, begun when all processes are ready."""
    with tempfile.TemporaryDirectory() as home:
        lake = opened(Path(home), names, rows)
        ready.wait()  # type: ignore[attr-defined]
        started = time.monotonic()
        for name in names:
            work(lake, name)
        ended.put((started, time.monotonic()))  # type: ignore[attr-defined]
        lake.close()


def by_processes(names: Sequence[str], rows: int) -> float:
    """Wall seconds of PROCESSES processes that have nothing in common."""
    context = multiprocessing.get_context("spawn")
    ready, ended = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=part, args=(names[at::PROCESSES], rows, ready, ended)) for at in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    spans = [ended.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    return float(max(end for _, end in spans) - min(start for start, _ in spans))


def main() -> None:
    """Both ways, by turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--corpora", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    names = [f"corpus{at}" for at in range(given.corpora)]
    threads, processes = [], []
    for _ in range(given.rounds):
        threads.append(at_once(names, given.rows))
        processes.append(by_processes(names, given.rows))
    print(f"{given.corpora} × {given.rows:,} rows: threads {min(threads):.2f} s, processes {min(processes):.2f} s")
    print(f"throughput of threads: {min(processes) / min(threads):.2f} of that of processes")


if __name__ == "__main__":
    main()
