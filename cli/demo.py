"""The demo: files become tables, tables corpora, a question an answer, and an outcome a better one.

It is a client like any other: a server is started, the statements go through the stock ADBC driver, and what is printed
is what came back.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import duckdb
import pyarrow as pa

from cli.client import Remote, timed
from cli.printing import grid
from cli.serving import Serving, running_server
from engine.errors import Conflict
from sql import scripts

SEED = 42
SHOWN_ROWS = 5
QUESTION = "forklift operator with OSHA-10 in IL"
PARAPHRASE = "forklift driver with an OSHA-10 card in Illinois"
UNRELATED = "registered nurse for a clinic"
FILES = {
    "workers.csv": "copy (from workers order by worker_id) to '{}' (format csv, header)",
    "job_orders.jsonl": "copy (from job_orders order by order_id) to '{}' (format json)",
    "safety_notes.json": "copy (from safety_notes order by note_id) to '{}' (format json, array true)",
    "timesheets.parquet": "copy (from timesheets order by timesheet_id) to '{}' (format parquet)",
}


def walk(home: Path, workers: int, stay: bool) -> None:
    """Run the demo in `home`; with `stay`, keep serving until Ctrl-C."""
    started = time.monotonic()
    running = running_server(home)
    if running:
        raise Conflict(f"the demo of {home} is served already at {running['flight']}", "stop it, or use another --home")
    files = make_files(home, workers)
    free = {} if stay else {"flight.port": 0, "web.port": 0}
    serving = Serving(home, free, [files, Path.cwd()])
    try:
        click.echo(
            f"Serving {serving.addresses['flight']} (Arrow Flight SQL) and {serving.addresses['web']} (console)."
        )
        client = Remote(serving.addresses["flight"], None)
        try:
            Walk(client, serving).run(files)
        finally:
            client.close()
        click.echo(f"\nDone in {time.monotonic() - started:.1f} s.")
        if stay:
            click.echo(CONNECT.format(**serving.addresses))
            serving.wait()
        else:
            click.echo(f"Keep it running:  lakehouse demo --serve --home {home}   (make serve)")
    finally:
        serving.close()


CONNECT = """
Console     {web}
Flight SQL  {flight}     (this machine only, no token)

    import adbc_driver_flightsql.dbapi as flight_sql
    with flight_sql.connect("{flight}", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select _rank, _corpus, id, content from matrix_search('night shift reach truck')")
        print(cursor.fetch_arrow_table().to_pandas())

Ctrl-C stops the server."""


def make_files(home: Path, workers: int) -> Path:
    """Write the files of the company, when they are not there yet for this size; returns their folder."""
    folder = home / "demo" / str(workers)
    if all((folder / name).exists() for name in FILES):
        click.echo(f"The files of {workers} workers are in {folder}/ already.")
        return folder
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as maker:
        maker.execute(f"set variable workers = {workers}; set variable seed = {SEED}")
        for script in scripts("demo"):
            maker.execute(script.text)
        for name, statement in FILES.items():
            aside = folder / f".{name}"
            maker.execute(statement.format(str(aside).replace("'", "''")))
            aside.rename(folder / name)
    click.echo(f"Wrote {', '.join(FILES)} to {folder}/ in {time.monotonic() - started:.1f} s.")
    return folder


class Walk:
    """The statements of the demo, each printed with its rows, counts and seconds."""

    def __init__(self, client: Remote, serving: Serving) -> None:
        """`client` runs them; `serving` is asked for the progress of long ones."""
        self._client, self._lake = client, serving.lake

    def run(self, files: Path) -> None:
        """The whole walk."""
        self.files_become_tables(files)
        self.tables_become_corpora()
        self.questions_get_answers()
        self.outcomes_improve_them()

    def files_become_tables(self, files: Path) -> None:
        """Ingest, exactly once by content."""
        self.title("Files become tables (a repeat reads nothing twice)")
        shown = "dataset, status, rows_read, rows_added, version"
        for file, dataset, key in (
            ("workers.csv", "workers", "worker_id"),
            ("job_orders.jsonl", "job_orders", "order_id"),
            ("safety_notes.json", "safety_notes", "note_id"),
            ("timesheets.parquet", "timesheets", "timesheet_id"),
        ):
            path = str(files / file).replace("'", "''")
            self.show(f"select {shown} from ingest('{path}', '{dataset}', key := '{key}')")
        self.show(
            "select w.role, count(distinct w.worker_id) as workers, round(sum(t.hours)) as hours\n"
            "from timesheets as t join workers as w using (worker_id)\ngroup by all order by hours desc limit 5"
        )

    def tables_become_corpora(self) -> None:
        """Create the corpora."""
        self.title("Tables become searchable corpora (the model runs here, nothing is downloaded)")
        shown = "corpus, status, rows, chunks, duplicates, seconds"
        for corpus, source, key, text in (
            ("resumes", "workers", "worker_id", "resume"),
            ("orders", "job_orders", "order_id", "description"),
            ("notes", "safety_notes", "note_id", "body"),
        ):
            self.show(
                f"select {shown} from create_corpus('{corpus}', source := '{source}', id := '{key}', text := '{text}')"
            )

    def questions_get_answers(self) -> None:
        """Search one corpus with a filter, then all of them, then ask."""
        self.title("A question, filtered exactly before the top rows are taken")
        self.show(
            "select _rank, _score, id, metadata ->> 'role' as role, metadata ->> 'certifications' as certifications, "
            "content\n"
            f"from matrix_search('{QUESTION}', filter := $$state = 'IL'$$, corpora := ['resumes'])"
        )
        self.title("A question to every corpus, with the origin of each row")
        self.show("select _rank, _corpus, id, content\nfrom matrix_search('who may operate a reach truck at night?')")
        self.title("A quoted answer, with citations")
        self.show(
            "select cited.corpus, cited.id, cited.quote\n"
            "from ask('what certification does a forklift operator need?'), unnest(citations) as quoted(cited)"
        )

    def outcomes_improve_them(self) -> None:
        """Record who proved right, and show that a paraphrase finds him better and nothing else moved."""
        self.title("What proved right is recorded")
        before = self.ranks(PARAPHRASE, "off")
        worker = self.worker_to_prove(before)
        self.show(f"select status from playbook_record('{QUESTION}', 'resumes', '{worker}', 1.0)")
        self.title("The same need in other words, before and after")
        after = self.ranks(PARAPHRASE, "robust")
        click.echo(f"{PARAPHRASE!r}:\n  {worker} was at rank {before[worker]}, now at rank {after[worker]}.")
        same = self.answer(UNRELATED, "off") == self.answer(UNRELATED, "robust")
        click.echo(f"{UNRELATED!r}:\n  {'not changed by it: the same rows, scores and order.' if same else 'CHANGED.'}")
        self.show(
            f"select _rank, _score, id, _explain ->> '$.playbook.query' as learned_from\n"
            f"from matrix_search('{PARAPHRASE}', filter := $$state = 'IL'$$, corpora := ['resumes'])"
        )

    def ranks(self, question: str, playbook: str) -> dict[str, int]:
        """The rank of each of the best 40 workers in Illinois for a question."""
        table, _, _ = timed(
            self._client,
            f"select id, _rank from matrix_search('{question}', filter := $$state = 'IL'$$, corpora := ['resumes'], "
            f"k := 40, per_corpus_k := null, playbook := '{playbook}')",
        )
        return dict(zip(table.column("id").to_pylist(), table.column("_rank").to_pylist(), strict=True))

    def worker_to_prove(self, ranks: dict[str, int]) -> str:
        """A forklift operator with OSHA-10 in Illinois whom the paraphrase finds, but not among the first five."""
        table, _, _ = timed(
            self._client,
            "select worker_id from workers where role = 'forklift operator' and state = 'IL' "
            "and contains(certifications, 'OSHA-10') order by worker_id",
        )
        fitting = [worker for worker in table.column("worker_id").to_pylist() if ranks.get(worker, 0) > 5]
        return str(min(fitting, key=ranks.__getitem__, default=max(ranks, key=ranks.__getitem__)))

    def answer(self, question: str, playbook: str) -> list[dict[str, Any]]:
        """The rows of a question as they are."""
        table, _, _ = timed(self._client, f"select * from matrix_search('{question}', playbook := '{playbook}')")
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def title(self, text: str) -> None:
        """A heading."""
        click.echo(f"\n── {text}")

    def show(self, sql: str) -> pa.Table:
        """Print a statement, run it, print its rows."""
        click.echo("\n" + re.sub(r"(?m)^", "  ", f"{sql};"))
        with self.progress():
            table, _, seconds = timed(self._client, sql)
        click.echo(grid(table, rows=SHOWN_ROWS))
        click.echo(f"{table.num_rows} row{'s' if table.num_rows != 1 else ''} in {seconds:.2f} s")
        return table

    @contextmanager
    def progress(self) -> Iterator[None]:
        """On a terminal, say every half second how far the running statement is."""
        if not sys.stdout.isatty():
            yield
            return
        done = threading.Event()
        teller = threading.Thread(target=self._tell, args=(done.wait,), daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()
            click.echo("\r\033[K", nl=False)

    def _tell(self, wait: Callable[[float], bool]) -> None:
        while not wait(0.5):
            for statement in self._lake.statements():
                if statement.progress:
                    finished, total, what = statement.progress
                    click.echo(f"\r\033[K  {finished} of {total} {what} …", nl=False)
