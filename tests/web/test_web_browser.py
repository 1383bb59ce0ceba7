"""The console in a real browser: with a keyboard, with and without JavaScript, in light and dark."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.web.seed import ODD, SCRIPT
from tests.web.watched import Watched
from web.serve import Console

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
QUESTION = "forklift operator with OSHA-10"
ASKED = f"/?q={quote(QUESTION)}&corpus=resumes"


Visit = Callable[[Page, str], None]


def go(path: str) -> Visit:
    def visit(page: Page, base: str) -> None:
        page.goto(base + path)

    return visit


def run_statement(statement: str) -> Visit:
    def visit(page: Page, base: str) -> None:
        page.goto(f"{base}/sql")
        page.get_by_label("Statement").fill(statement)
        with page.expect_event("load"):
            page.get_by_role("button", name="Run").click()

    return visit


def open_everything(page: Page, base: str) -> None:
    page.goto(base + ASKED)
    for summary in page.locator("summary").all():
        summary.click()


STATES = {
    "ask": go("/"),
    "answer": go(ASKED),
    "answer, opened": open_everything,
    "noted": go(f"{ASKED}&noted_corpus=resumes&noted_id=W-1&noted_as=retracted"),
    "noted elsewhere": go(f"{ASKED}&noted_corpus=resumes&noted_id=W-99&noted_as=helpful"),
    "nothing": go("/?q=forklift&corpus=resumes&filter=state%20%3D%20%27ZZ%27"),
    "wrong filter": go("/?q=x&corpus=resumes&filter=nope"),
    "sql": go("/sql"),
    "result": run_statement("select range as n, repeat('word ', range::int) as t, null as z from range(300)"),
    "nothing answered": run_statement("select 1 where false"),
    "error": run_statement("select * from nowhere"),
    "explore": go("/explore"),
    "dataset": go("/explore/dataset/workers"),
    "odd dataset": go(f"/explore/dataset/{quote(ODD, safe='')}"),
    "corpus": go("/explore/corpus/resumes"),
    "journal": go("/journal"),
    "journal, one kind": go("/journal?kind=statement"),
    "not found": go("/nope"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barriers(browser: Browser, console: Console, empty: Console, scheme: str) -> None:
    found: dict[str, list[tuple[str, str]]] = {}
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for base, name, visit in [(console.url, *state) for state in STATES.items()] + [(empty.url, "empty", go("/"))]:
        visit(page, base)
        violations = Axe().run(page, options={"runOnly": RULES}).response["violations"]
        found[name] = [(one["id"], one["nodes"][0]["html"]) for one in violations]
    context.close()
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_dark_and_light_differ(browser: Browser, console: Console) -> None:
    def ground(scheme: str) -> str:
        context = browser.new_context(base_url=console.url, color_scheme="dark" if scheme == "dark" else "light")
        page = context.new_page()
        page.goto("/")
        colour = str(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
        return colour

    assert ground("light") != ground("dark")


def test_ask_record_and_undo(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Your question").fill("forklift with OSHA-10")
    page.get_by_text("Narrow it down").click()
    page.get_by_label("resumes").check()
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", name="Answer")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="resumes · W-1").first).to_contain_text("OSHA-10")
    expect(page).to_have_title("forklift with OSHA-10 · Lakehouse")

    page.get_by_role("button", name="Helpful: resumes W-1", exact=True).click()
    expect(page.get_by_text("Recorded as helpful.")).to_be_visible()
    expect(page.get_by_label("resumes", exact=False).first).to_be_checked()
    row = page.locator("li.hit:target")
    expect(row).to_contain_text("W-1")
    expect(row).to_be_in_viewport()

    page.reload()
    expect(page.get_by_text("Recorded as helpful.")).to_be_visible()
    page.get_by_role("button", name="Undo: resumes W-1").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    expect(page.get_by_role("button", name="Helpful: resumes W-1", exact=True)).to_be_visible()


def test_a_question_can_be_linked(page: Page) -> None:
    page.goto(ASKED)
    expect(page.get_by_label("Your question")).to_have_value(QUESTION)
    expect(page.get_by_role("heading", name="Rows behind it")).to_be_visible()


def test_run_a_statement(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="SQL", exact=True).click()
    page.get_by_label("Statement").fill("select worker_id, state\nfrom workers\norder by worker_id")
    page.get_by_role("button", name="Run").click()
    table = page.get_by_role("table", name="Rows of the result")
    expect(table.get_by_role("columnheader")).to_have_text([re.compile("worker_id"), re.compile("state")])
    expect(table.get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("status")).to_contain_text("3 rows")
    expect(page.get_by_label("Statement")).to_have_value("select worker_id, state\nfrom workers\norder by worker_id")


def test_a_failed_statement_says_what_to_do(watched: Watched) -> None:
    page = watched.page
    run_statement("select * from worker")(page, "")
    expect(page.get_by_role("alert")).to_contain_text("NOT_FOUND")
    expect(page.get_by_role("alert")).to_contain_text("workers")
    expect(page.get_by_label("Statement")).to_have_value("select * from worker")
    watched.errors = [error for error in watched.errors if "status of 404" not in error]  # the browser notes the status


def test_download(page: Page, tmp_path: Path) -> None:
    page.goto("/sql")
    page.get_by_label("Statement").fill("select * from range(1000)")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Parquet").click()
    waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    assert pyarrow.parquet.read_table(tmp_path / "result.parquet").num_rows == 1000


def test_explore_everything_by_its_links(page: Page) -> None:
    for area, name in (
        ("Datasets", "workers"),
        ("Datasets", ODD),
        ("Corpora", "resumes"),
        ("Corpora", "safety notes/<i>"),
    ):
        page.goto("/")
        page.get_by_role("link", name="Explore").click()
        page.get_by_role("table", name=area).get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert page.title() == f"{name} · {'Dataset' if area == 'Datasets' else 'Corpus'} · Lakehouse"
    expect(page.get_by_role("heading", name="Generations")).to_be_visible()


def test_an_example_opens_on_the_sql_page(page: Page) -> None:
    page.goto("/explore")
    page.get_by_role("link", name="Try matrix_search on the SQL page").click()
    expect(page.get_by_label("Statement")).to_have_value(re.compile("matrix_search"))
    expect(page.get_by_role("table")).to_have_count(0)


def test_markup_from_the_lake_is_text(page: Page) -> None:
    page.goto(f"/?q={quote('ladder check every Monday')}")
    expect(page.get_by_text(SCRIPT).first).to_be_visible()
    assert "broken into" not in page.title()
    page.goto(f"/explore/dataset/{quote(ODD, safe='')}")
    expect(page.get_by_role("cell", name=SCRIPT)).to_be_visible()
    expect(page.get_by_role("columnheader", name="a <i>b")).to_be_visible()
    assert "broken into" not in page.title()


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/journal")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))

    page.goto("/")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Rows behind it")).to_be_visible()


def test_pages_do_not_jump(browser: Browser, console: Console) -> None:
    context = browser.new_context(base_url=console.url)
    page = context.new_page()
    places = []
    for path in ("/", ASKED, "/sql", "/explore", "/journal", "/journal?kind=statement", "/nope"):
        page.goto(path)
        places.append(page.locator(".brand").bounding_box())
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    context.close()
    assert all(place == places[0] for place in places)


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, console: Console) -> None:
    context = browser.new_context(base_url=console.url, viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in ("/", ASKED, "/sql", "/explore", "/explore/dataset/workers", "/journal", "/journal?kind=statement"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    context.close()
