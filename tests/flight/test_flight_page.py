"""docs/flight-sql.md is what was observed: its table is made by sending each message to a server.

After a wanted change: `python -m tests.flight.test_flight_page` writes the table anew; the diff is then reviewed.
"""

import difflib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.errors import parse
from flight import messages
from flight.actions import ACTIONS
from flight.server import serve
from tests.flight.door import Acts
from tests.flight.walk import Walk

PAGE = Path(__file__).parents[2] / "docs" / "flight-sql.md"
BEGIN, END = "<!-- observed: python -m tests.flight.test_flight_page -->\n", "<!-- end of what was observed -->\n"
STATUS: tuple[tuple[type[Exception], str], ...] = (
    (pa.ArrowNotImplementedError, "UNIMPLEMENTED"),
    (pa.lib.ArrowKeyError, "NOT_FOUND"),
    (pa.ArrowInvalid, "INVALID_ARGUMENT"),
    (arrow_flight.FlightUnauthorizedError, "PERMISSION_DENIED"),
    (arrow_flight.FlightUnauthenticatedError, "UNAUTHENTICATED"),
    (arrow_flight.FlightUnavailableError, "UNAVAILABLE"),
    (arrow_flight.FlightTimedOutError, "DEADLINE_EXCEEDED"),
    (arrow_flight.FlightInternalError, "INTERNAL"),
)
FACTS = {
    0: "SERVER_NAME",
    3: "SERVER_READ_ONLY",
    4: "SERVER_SQL",
    5: "SERVER_SUBSTRAIT",
    8: "SERVER_TRANSACTION, 1 = without savepoints",
    9: "SERVER_CANCEL",
    10: "SERVER_BULK_INGESTION",
    11: "SERVER_INGEST_TRANSACTIONS_SUPPORTED",
    100: "SERVER_STATEMENT_TIMEOUT, milliseconds until a handle that nobody uses is forgotten",
    101: "SERVER_TRANSACTION_TIMEOUT, milliseconds until a transaction that nobody uses is rolled back",
}
HEAD = "| message | what of it | call | answer |\n|---|---|---|---|\n"


def answer(send: Callable[[], str]) -> str:
    """What came back: what works, and how; or the status and the code of the refusal."""
    try:
        told = send()
    except tuple(kind for kind, _ in STATUS) as error:
        fault = parse(str(error).partition(". Detail: ")[0])
        if fault is None:
            raise
        status = next(name for kind, name in STATUS if isinstance(error, kind))
        return f"refused, {status} `[{fault.code}] {fault.message}`"
    return f"works: {told}" if told else "works"


def observed(folder: Path) -> str:
    """The text between the marks of the page, from a server over a new home."""
    lake = Acts().open_lake(folder / "home")
    owner = lake.session()
    owner.run("select * from create_profile('ann')").read_all()
    owner.run("select * from set_password('ann', ?)", ["correct horse"]).read_all()
    server = serve(lake)
    try:
        with arrow_flight.connect(server.uri) as client:
            walk = Walk(client)
            return "".join(part(title, steps) for title, steps in walk.parts()) + advertised(walk)
    finally:
        server.shutdown(1)
        lake.close()


def part(title: str, steps: Iterator[tuple[str, str, str, Callable[[], str]]]) -> str:
    lines = [f"| {name} | {what} | {call} | {answer(send)} |\n" for name, what, call, send in steps]
    return f"\n### {title}\n\n{HEAD}{''.join(lines)}"


def advertised(walk: Walk) -> str:
    """What SqlInfo says of the server itself, but for versions."""
    facts = walk.table(messages.CommandGetSqlInfo(tuple(FACTS))).to_pylist()
    lines = [f"| {fact['info_name']} | {FACTS[fact['info_name']]} | {fact['value']} |\n" for fact in facts]
    return f"\n### What SqlInfo says of the server\n\n| number | name | value |\n|---|---|---|\n{''.join(lines)}"


def written() -> tuple[str, str, str]:
    """The page before, between and after the marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    between, _, after = rest.partition(END)
    return before, between, after


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return observed(tmp_path_factory.mktemp("page"))


def test_the_page_says_what_was_observed(table: str) -> None:
    _, between, _ = written()
    lines = difflib.unified_diff(
        between.strip().splitlines(), table.strip().splitlines(), "docs/flight-sql.md", "observed", lineterm=""
    )
    diff = "\n".join(lines)
    assert not diff, f"the page differs; if that is wanted: python -m {__name__}\n{diff}"


def test_every_message_of_the_protocol_is_on_the_page(table: str) -> None:
    commands = [name for name in vars(messages) if name.startswith("Command")]
    for name in (*commands, *ACTIONS, "CommandStatementSubstraitPlan", "BeginSavepoint", "EndSavepoint"):
        assert f"| {name} |" in table, name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        before, _, after = written()
        PAGE.write_text(f"{before}{BEGIN}{observed(Path(folder))}\n{END}{after}", encoding="utf-8")
