"""The page Journal: what happened, of all kinds or of one, as far as the caller sees it."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from engine.lake import Lake
from tests.asking import session_of
from tests.web.seed import SCRIPT, run
from web.pages import LATEST, OF_KIND, told
from web.serve import Console


def sections(response: httpx.Response) -> dict[str, str]:
    """The parts of the page by their headings, as they read."""
    found = re.findall(r"<h2[^>]*>(.*?)</h2>(.*?)</section>", response.text, re.DOTALL)
    return {name: " ".join(html.unescape(re.sub(r"<[^>]*>", " ", rest)).split()) for name, rest in found}


def rows(response: httpx.Response) -> int:
    """How many rows the tables of the page have."""
    return len(re.findall(r"<tr>\s*<td", response.text))


@pytest.fixture
def happened(lake: Lake) -> Iterator[None]:
    """An outcome, a switch, and a fault."""
    run(lake, "select * from playbook_record('journal marker', 'resumes', 'W-1', 1.0)")
    run(lake, "select * from playbook_switch('resumes', false, note := 'journal test')")
    run(lake, "select * from playbook_switch('resumes', true)")
    lake.journal.record("fault", "_kernel", {"trace": "Traceback"}, durable=True)
    yield
    run(lake, "select * from playbook_retract('journal marker', 'resumes', 'W-1')")


def test_what_happened_is_shown_beside_errors_and_statements(client: httpx.Client, happened: None) -> None:
    found = sections(client.get("/journal"))
    assert list(found) == ["Errors", "Events", "Statements"]
    events = found["Events"]
    assert "action: recorded · query: journal marker · corpus: resumes · id: W-1 · score: 1.0" in events
    assert "playbook_check admin resumes action: switched_off · why: journal test" in events
    assert "fault NULL _kernel trace: Traceback" in events
    for everyday in (" statement ", " error ", " answer "):
        assert everyday not in events


def test_one_kind_alone(client: httpx.Client, happened: None) -> None:
    page = client.get("/journal", params={"kind": "outcome"})
    assert list(sections(page)) == ["Kind: outcome"]
    assert "query: journal marker" in page.text
    assert "switched_off" not in page.text
    assert '<a href="/journal?kind=outcome" aria-current="page">outcome <span class="quiet">' in page.text
    for kind in ("error", "statement", "swap", "playbook_check", "answer"):
        assert client.get("/journal", params={"kind": kind}).status_code == 200


def test_every_kind_is_linked_with_its_number(client: httpx.Client, lake: Lake, happened: None) -> None:
    page = client.get("/journal").text
    links = re.findall(r'href="(/journal\?kind=[^"]+)"', page)
    kinds = [str(one["kind"]) for one in run(lake, "select distinct kind from lake.journal order by kind")]
    assert links == [f"/journal?kind={kind}" for kind in kinds]
    assert {"outcome", "playbook_check", "swap", "fault", "statement"} <= set(kinds)


def test_a_kind_that_is_not_there_is_empty(client: httpx.Client) -> None:
    page = client.get("/journal", params={"kind": SCRIPT})
    assert page.status_code == 200
    assert "Nothing here yet." in page.text
    assert "<script" not in page.text


def test_the_page_is_bounded(client: httpx.Client, lake: Lake) -> None:
    for _ in range(OF_KIND + 5):
        lake.journal.record("build", "many", {"text": "x" * 20_000})
    page = client.get("/journal", params={"kind": "build"})
    assert rows(page) == OF_KIND
    assert len(page.text) < 2_000_000
    assert rows(client.get("/journal")) <= 3 * LATEST


def test_a_profile_sees_its_own_entries(lake: Lake, console: Console, happened: None) -> None:
    session = session_of(lake, "jill", "contributor", ("resumes",))
    session.run("select * from playbook_record('what jill asked', 'resumes', 'W-2', 1.0)").rows()
    session.close()
    token = run(lake, "select token from create_token('jill')")[0]["token"]
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=console.url, timeout=60, headers=headers) as client:
        pages = [client.get("/journal"), client.get("/journal", params={"kind": "outcome"})]
        assert "Nothing here yet." in client.get("/journal", params={"kind": "fault"}).text
    for page in pages:
        assert "query: what jill asked" in page.text
        assert "journal marker" not in page.text
        assert "kind=fault" not in page.text


def test_the_body_of_an_entry_reads_as_a_line() -> None:
    assert told('{"action": "x", "why": "", "note": null, "n": 0, "on": false, "of": ["ä"]}') == (
        'action: x · n: 0 · on: false · of: ["ä"]'
    )
    assert told('{"cut": "in the mid') == '{"cut": "in the mid …'
    assert told("{}") == ""
