"""The pages as HTML, over a real lake."""

import html
import re
from urllib.parse import quote

import httpx
import pytest

from engine.lake import Lake
from tests.web.seed import ODD, SCRIPT, run
from web.serve import Console

QUESTION = "forklift operator with OSHA-10"
PAGES = [
    "/",
    f"/?q={quote(QUESTION)}",
    "/sql",
    "/explore",
    "/journal",
    "/journal?kind=outcome",
    "/explore/corpus/resumes",
    "/explore/dataset/workers",
]


def text(response: httpx.Response) -> str:
    """What a page shows: without tags, with entities read and white space folded."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_its_frame(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200, text(response)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in response.text
    assert re.search(r"<title>[^<]+ · Lakehouse</title>", response.text)
    assert response.text.count("<h1") == 1
    assert '<a class="skip" href="#main">' in response.text
    assert "<script" not in response.text
    assert "style=" not in response.text


def test_an_answer_is_quoted_with_its_row(client: httpx.Client) -> None:
    shown = text(client.get("/", params={"q": QUESTION}))
    assert "resumes · W-1 Forklift operator with OSHA-10, six years in cold storage." in shown
    assert "state IL" in shown
    assert "reliability 0.9" in shown
    assert re.search(r"score 0\.[1-9]\d{3} · distance 0\.\d{3}", shown)


def test_a_quotation_is_marked_in_its_row(client: httpx.Client) -> None:
    page = client.get("/", params={"q": QUESTION}).text
    assert "<mark>Forklift operator with OSHA-10, six years in cold storage.</mark>" in page


def test_corpora_and_filter_narrow_the_rows(client: httpx.Client) -> None:
    rows = re.compile(r'id="row-')
    everything = client.get("/", params={"q": "forklift", "corpus": "resumes"})
    filtered = client.get("/", params={"q": "forklift", "corpus": "resumes", "filter": "state = 'WI'"})
    assert len(rows.findall(everything.text)) > len(rows.findall(filtered.text)) == 1
    assert "W-2" in text(filtered)
    assert 'value="state = &#39;WI&#39;"' in filtered.text
    assert re.search(r'value="resumes" checked', filtered.text)


def test_a_wrong_filter_is_said_and_kept(client: httpx.Client) -> None:
    response = client.get("/", params={"q": "forklift", "corpus": "resumes", "filter": "county = 'x'"})
    assert response.status_code == 400
    assert 'role="alert"' in response.text
    assert "INVALID" in text(response)
    assert "county" in text(response)
    assert 'value="county = &#39;x&#39;"' in response.text


def test_nothing_found_is_said(client: httpx.Client) -> None:
    response = client.get("/", params={"q": "forklift", "corpus": "resumes", "filter": "state = 'ZZ'"})
    assert response.status_code == 200
    assert "No answer" in text(response)
    assert "Try other words, fewer conditions or more corpora." in text(response)


def test_an_unknown_corpus_is_named(client: httpx.Client) -> None:
    response = client.get("/", params={"q": "forklift", "corpus": "resume"})
    assert response.status_code == 404
    assert "resumes" in text(response)


def test_a_blank_question_asks_nothing(client: httpx.Client) -> None:
    assert "Rows behind it" not in text(client.get("/", params={"q": "  "}))


def test_outcomes_are_recorded_and_taken_back(client: httpx.Client, lake: Lake) -> None:
    fields = {"q": "reach truck", "corpus": "resumes", "filter": "", "row_corpus": "resumes", "row_id": "W-1"}
    recorded = "select score from lake.playbooks where query = 'reach truck' and corpus = 'resumes' and id = 'W-1'"
    for verdict, score, said in (
        ("helpful", [{"score": 1.0}], "Recorded as helpful."),
        ("unhelpful", [{"score": 0.0}], "Recorded as not helpful."),
        ("retract", [], "Taken back."),
    ):
        response = client.post("/outcomes", data={**fields, "verdict": verdict})
        assert response.status_code == 303
        assert run(lake, recorded) == score
        location = response.headers["location"]
        assert re.search(r"#row-[0-9a-f]{12}$", location)
        page = client.get(location)
        assert said in text(page)
        assert f'id="{location.rpartition("#")[2]}"' in page.text


def test_an_outcome_of_a_row_that_is_gone_is_still_said(client: httpx.Client) -> None:
    fields = {
        "q": "forklift",
        "filter": "state = 'WI'",
        "row_corpus": "resumes",
        "row_id": "W-3",
        "verdict": "unhelpful",
    }
    response = client.post("/outcomes", data={**fields, "corpus": "resumes"}, follow_redirects=True)
    assert "Noted for resumes · W-3" in text(response)


def test_wrong_outcomes_are_refused(client: httpx.Client) -> None:
    fields = {"q": "forklift", "row_corpus": "resumes", "row_id": "W-1"}
    assert client.post("/outcomes", data={**fields, "verdict": "great"}).status_code == 400
    assert client.post("/outcomes", data={**fields, "row_corpus": "nope", "verdict": "helpful"}).status_code == 404
    assert client.get("/outcomes").status_code == 405


def test_an_empty_lake_says_how_to_begin(empty: Console) -> None:
    shown = text(httpx.get(empty.url))
    for step in ("The lake is empty", "ingest(", "create_corpus(", "lakehouse demo"):
        assert step in shown
    assert httpx.get(f"{empty.url}/explore").status_code == 200
    assert httpx.get(f"{empty.url}/journal").status_code == 200


def test_getting_the_sql_page_runs_nothing(client: httpx.Client, lake: Lake) -> None:
    response = client.get("/sql", params={"statement": "create table never as select 1 as a"})
    assert response.status_code == 200
    assert "create table never" in text(response)
    assert run(lake, "select * from duckdb_tables() where table_name = 'never'") == []


def statement(client: httpx.Client, sql: str) -> httpx.Response:
    return client.post("/sql", data={"statement": sql})


def test_a_result_is_shown_with_types(client: httpx.Client) -> None:
    shown = text(statement(client, "select 1 as n, 'two' as t, null as z"))
    assert "1 row" in shown
    assert "n INTEGER t VARCHAR z INTEGER 1 two NULL" in shown


def test_moments_are_exact_and_readable(client: httpx.Client) -> None:
    shown = text(statement(client, "select timestamptz '2026-01-02 03:04:05.678Z' as a, [timestamp '2026-01-02'] as b"))
    assert "2026-01-02 03:04:05.678Z" in shown
    assert '["2026-01-02T00:00:00"]' in shown


def test_the_statement_stays_as_it_was_typed(client: httpx.Client) -> None:
    typed = "\n\nselect '</textarea><b>' as a,\n  'x\ny' as b"
    response = client.post("/sql", data={"statement": typed.replace("\n", "\r\n")})
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", response.text, re.DOTALL)
    assert area
    assert html.unescape(area.group(1)) == typed
    assert "<td>x\ny</td>" in response.text


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * from range(200)", "200 rows"),
        ("select * from range(5000)", "The first 200 rows , 4,800 rows more"),
        ("select * from range(100000000000)", "The first 200 rows , more than 1,0"),
        ("select 1 where false", "The statement ran and answered no rows."),
        ("select repeat('x', 100000) from range(100)", "The first 19 rows , 81 rows more"),
    ],
)
def test_long_results_say_how_much_is_missing(client: httpx.Client, sql: str, said: str) -> None:
    response = statement(client, sql)
    assert said in text(response)
    assert len(response.content) < 3_000_000


def test_affected_rows_are_said(client: httpx.Client) -> None:
    statement(client, "create table tally (n integer)")
    assert "Done. 3 rows affected" in text(statement(client, "insert into tally values (1), (2), (3)"))
    assert "Done. 0 rows affected" in text(statement(client, "drop table tally"))


def test_an_error_is_an_alert_with_code_and_hint(client: httpx.Client) -> None:
    response = statement(client, "select * from matrix_search('x', corpora := ['resume'])")
    assert response.status_code == 404
    assert 'role="alert"' in response.text
    assert "NOT_FOUND" in text(response)
    assert "resumes" in text(response)
    assert "aria-invalid" in response.text


def test_nothing_is_markup_that_comes_from_the_lake(client: httpx.Client) -> None:
    pages = [
        client.get(
            "/", params={"q": SCRIPT, "filter": "", "noted_corpus": SCRIPT, "noted_id": SCRIPT, "noted_as": "helpful"}
        ),
        client.get("/", params={"q": "ladder inspection every Monday"}),
        client.get("/", params={"q": "x", "corpus": SCRIPT, "filter": SCRIPT}),
        client.get("/explore"),
        client.get(f"/explore/dataset/{quote(ODD, safe='')}"),
        client.get(f"/explore/corpus/{quote('safety notes/<i>', safe='')}"),
        client.get(f"/explore/dataset/{quote(SCRIPT, safe='')}"),
        client.get(f"/{quote(SCRIPT)}"),
        client.get("/sql", params={"statement": SCRIPT}),
        statement(client, f'select $${SCRIPT}$$ as "{SCRIPT}", [$${SCRIPT}$$], error($${SCRIPT}$$) where false'),
        statement(client, f'select $${SCRIPT}$$ as "{SCRIPT}", [$${SCRIPT}$$]'),
        statement(client, f"select error($${SCRIPT}$$)"),
        client.get("/journal"),
    ]
    for page in pages:
        assert "<script" not in page.text, page.url
        assert "<i>" not in page.text, page.url
    assert html.escape(SCRIPT, quote=False) in pages[-1].text.replace("&#39;", "'")


def test_a_long_cell_opens_on_demand_and_ends(client: httpx.Client) -> None:
    page = statement(client, "select repeat('word ', 100000) as a").text
    assert "<details" in page
    assert "(500,000 characters in all)" in page
    assert len(page) < 40_000


def test_explore_lists_and_links(client: httpx.Client) -> None:
    page = client.get("/explore")
    for name in ("workers", "resumes", ODD, "safety notes/<i>", "matrix_search("):
        assert name in text(page)
    links = [html.unescape(link) for link in re.findall(r'href="(/explore/[^"]+)"', page.text)]
    assert len(links) >= 5
    for link in links:
        assert client.get(link).status_code == 200, link


def test_a_dataset_shows_columns_rows_and_versions(client: httpx.Client) -> None:
    shown = text(client.get("/explore/dataset/workers"))
    for word in ("worker_id", "W-1", "Columns", "Versions", "primary"):
        assert word in shown


def test_a_name_that_is_there_twice_is_told_apart(client: httpx.Client) -> None:
    assert "W-1" in text(client.get("/explore/dataset/workers", params={"schema": "main"}))
    archived = text(client.get("/explore/dataset/workers", params={"bucket": "primary", "schema": "archive"}))
    assert "W-9" in archived
    assert "W-1" not in archived
    assert client.get("/explore/dataset/workers", params={"schema": "nope"}).status_code == 404


def test_a_corpus_shows_its_facts_and_generations(client: httpx.Client) -> None:
    shown = text(client.get("/explore/corpus/resumes"))
    for word in ("hash:64", "Generations", "live"):
        assert word in shown


@pytest.mark.parametrize("path", ["/explore/dataset/worker", "/explore/corpus/resume"])
def test_unknown_names_name_the_nearest(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "did you mean" in text(response)


def test_unknown_paths_and_methods_are_pages(client: httpx.Client) -> None:
    missing, method = client.get("/nope"), client.post("/explore")
    assert (missing.status_code, method.status_code) == (404, 405)
    assert "NOT_FOUND there is no page /nope" in text(missing)
    assert "POST is not possible here" in text(method)


def test_the_journal_shows_errors_and_statements(client: httpx.Client) -> None:
    statement(client, "select * from journal_marker_table")
    shown = text(client.get("/journal"))
    assert "NOT_FOUND" in shown
    assert shown.count("select * from journal_marker_table") >= 2
