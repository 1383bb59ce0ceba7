"""The page Ask says truly what is recorded, what the caller has just done, and what he may do."""

import html
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from engine.lake import Lake
from tests.web.seed import run
from web.serve import Console

FIELDS = {"corpus": "resumes", "filter": "", "row_corpus": "resumes", "row_id": "W-1"}
As = Callable[[str, str], httpx.Client]


def text(response: httpx.Response) -> str:
    """What a page shows, as `test_web_pages` reads it."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def row(response: httpx.Response, shown: str = "W-1") -> str:
    """What the page says of the row `shown`, buttons included."""
    listed = re.findall(r'<li class="card hit".*?</li>', response.text, re.DOTALL)
    (found,) = [one for one in listed if f"</span> {shown}</h3>" in one]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found.partition("</details>")[2])).split())


def act(client: httpx.Client, question: str, verdict: str, **fields: str) -> httpx.Response:
    """Press a button of a row, and the page that comes."""
    data = {**FIELDS, "q": question, "verdict": verdict, **fields}
    return client.post("/outcomes", data=data, follow_redirects=True)


@pytest.fixture
def as_(lake: Lake, console: Console) -> Iterator[As]:
    """Clients of a role and a filter on resumes ('' for all rows), each a profile of its own."""
    with ExitStack() as stack:

        def made(role: str, filter: str) -> httpx.Client:
            name = f"{role}_{'part' if filter else 'whole'}"
            run(lake, "select * from create_profile(?, role := ?)", name, role)
            run(lake, "select * from grant_access(?, 'resumes', filter := ?)", name, filter or None)
            token = run(lake, "select token from create_token(?)", name)[0]["token"]
            stack.callback(run, lake, "select * from drop_profile(?)", name)
            headers = {"authorization": f"Bearer {token}"}
            return stack.enter_context(httpx.Client(base_url=console.url, timeout=60, headers=headers))

        yield made


@pytest.fixture
def off(lake: Lake) -> Iterator[None]:
    """Memory of resumes is off."""
    run(lake, "select * from playbook_switch('resumes', false, note := 'wrong roster')")
    yield
    run(lake, "select * from playbook_switch('resumes', true)")


@pytest.mark.parametrize("filter", ["state = 'IL'", ""])
def test_who_records_is_told_what_he_did(as_: As, lake: Lake, filter: str) -> None:
    client, question = as_("contributor", filter), f"truck in {filter or 'any state'}"
    for verdict, score, said in (
        ("helpful", [1.0], "Recorded as helpful. Undo"),
        ("unhelpful", [0.0], "Recorded as not helpful. Undo"),
        ("retract", [], "Taken back. Helpful Not helpful"),
        ("retract", [], "It was taken back before. Helpful Not helpful"),
    ):
        page = act(client, question, verdict)
        assert page.status_code == 200
        assert [one["score"] for one in run(lake, "from lake.playbooks where query = ?", question)] == score
        assert row(page) == said
    assert page.url.params["q"] == question


def test_what_others_took_back_is_not_said_to_be_recorded(client: httpx.Client, as_: As) -> None:
    page = act(as_("contributor", ""), "who drives at night", "helpful")
    act(client, "who drives at night", "retract")
    assert row(client.get(page.url)) == "Recorded, and taken back since. Helpful Not helpful"


def test_a_profile_that_sees_a_part_can_undo_what_others_took_back(client: httpx.Client, as_: As) -> None:
    part = as_("contributor", "state = 'IL'")
    act(part, "cold storage", "helpful")
    act(client, "cold storage", "retract")
    assert row(act(part, "cold storage", "retract")) == "It was taken back before. Helpful Not helpful"


def test_an_address_can_say_only_what_there_is_to_say(client: httpx.Client) -> None:
    asked = {"q": "forklift", "corpus": "resumes", "noted_corpus": "resumes", "noted_id": "W-1"}
    assert row(client.get("/", params={**asked, "noted_as": "anything"})) == "Helpful Not helpful"
    assert "Noted for" not in text(client.get("/", params={**asked, "noted_id": "W-99", "noted_as": "anything"}))


def test_a_row_that_is_no_longer_shown_can_be_undone(client: httpx.Client, lake: Lake) -> None:
    page = act(client, "night shifts", "helpful", filter="state = 'WI'")
    assert "Noted for resumes · W-1, which is not among the rows below. Recorded as helpful. Undo" in text(page)
    assert f'id="{page.url.fragment}"' in page.text
    again = act(client, "night shifts", "retract", filter="state = 'WI'")
    assert "W-1, which is not among the rows below. Taken back." in text(again)
    assert run(lake, "from lake.playbooks where query = 'night shifts'") == []


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (0.5, "Recorded as neither helpful nor unhelpful. Undo"),
        (0.75, "Recorded as helpful (score 0.75). Undo"),
        (0.2, "Recorded as not helpful (score 0.2). Undo"),
        (1.0, "Recorded as helpful. Undo"),
    ],
)
def test_a_score_is_told_for_what_it_says(client: httpx.Client, lake: Lake, score: float, said: str) -> None:
    run(lake, "select * from playbook_record('triage', 'resumes', 'W-3', ?)", score)
    assert row(client.get("/", params={"q": "triage", "corpus": "resumes"}), "W-3") == said


def test_memory_that_is_off_is_said_where_outcomes_are(client: httpx.Client, off: None) -> None:
    note = "Memory is off for these corpora: outcomes are kept, but change no ranking."
    page = act(client, "reach trucks", "helpful")
    assert f"{note} See what is off resumes : wrong roster" in text(page)
    assert row(page) == "Recorded as helpful. It is not used: memory is off here. Undo"
    start = text(client.get("/"))
    assert note in start
    assert "it ranks better next time" in start  # the other corpus still does
    assert note not in text(client.get("/", params={"q": "ladder check", "corpus": "safety notes/<i>"}))


def test_nothing_is_promised_where_all_memory_is_off(as_: As, off: None) -> None:
    start = text(as_("contributor", "state = 'IL'").get("/"))
    assert "resumes : wrong roster" in start
    assert "ranks better next time" not in start


def test_memory_that_is_on_is_not_talked_about(client: httpx.Client) -> None:
    for page in (client.get("/"), client.get("/", params={"q": "forklift"})):
        assert "Memory is off" not in text(page)


@pytest.mark.parametrize("filter", ["state = 'IL'", ""])
def test_who_may_only_read_is_offered_nothing_to_record(client: httpx.Client, as_: As, filter: str) -> None:
    act(client, "osha", "helpful")
    reader = as_("reader", filter)
    page = reader.get("/", params={"q": "osha", "corpus": "resumes"})
    assert row(page) == ("" if filter else "Recorded as helpful.")
    assert 'action="/outcomes"' not in page.text
    assert "Your role, reader, may not say which rows helped; ask for the role contributor." in text(page)
    assert "needs the role contributor" in text(reader.get("/"))
    assert "ranks better next time" not in text(reader.get("/"))


def test_what_is_refused_keeps_the_question(client: httpx.Client, as_: As) -> None:
    refused = act(as_("reader", ""), "forklift", "helpful")
    assert refused.status_code == 403
    assert "FORBIDDEN" in text(refused)
    gone = act(client, "forklift", "helpful", row_id="W-99", filter="state = 'IL'")
    assert gone.status_code == 404
    assert "W-99" in text(gone)
    for page in (refused, gone):
        assert 'value="forklift"' in page.text
        assert re.search(r'value="resumes" checked', page.text)
    assert 'value="state = &#39;IL&#39;"' in gone.text


def test_an_empty_lake_says_what_was_refused(empty: Console) -> None:
    with httpx.Client(base_url=empty.url, timeout=60) as client:
        page = act(client, "forklift", "helpful")
    assert page.status_code == 404
    assert 'role="alert"' in page.text
