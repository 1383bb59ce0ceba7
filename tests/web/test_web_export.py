"""Downloads, read back by the readers of their formats."""

import io
import json

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

ROWS = "select range as n, if(range % 2 = 0, '', null) as t, [range] as l from range(20000)"


def export(client: httpx.Client, statement: str, name: str) -> httpx.Response:
    return client.post("/sql/export", data={"statement": statement, "format": name})


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "arrow"])
def test_all_rows_arrive(client: httpx.Client, name: str) -> None:
    response = export(client, ROWS, name)
    assert response.status_code == 200
    assert response.headers["content-disposition"] == f'attachment; filename="result.{name}"'
    content = io.BytesIO(response.content)
    if name == "csv":
        options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
        rows = pyarrow.csv.read_csv(content, convert_options=options).to_pylist()
        rows = [{**row, "l": json.loads(row["l"])} for row in rows]
    elif name == "json":
        rows = json.loads(response.text)
    elif name == "parquet":
        rows = pyarrow.parquet.read_table(content).to_pylist()
    else:
        rows = pa.ipc.open_stream(content).read_all().to_pylist()
    assert rows == [{"n": n, "t": "" if n % 2 == 0 else None, "l": [n]} for n in range(20_000)]


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "arrow"])
def test_no_rows_are_a_file_too(client: httpx.Client, name: str) -> None:
    response = export(client, "select 1 as a where false", name)
    assert response.status_code == 200
    assert response.content
    if name == "json":
        assert response.json() == []


def test_csv_keeps_decimals_and_moments(client: httpx.Client) -> None:
    response = export(client, "select 1.50::decimal(9, 2) as d, timestamp '2026-01-02 03:04:05' as t, true as b", "csv")
    assert response.text == '"d","t","b"\n"1.50","2026-01-02T03:04:05",true\n'


def test_only_reading_statements(client: httpx.Client) -> None:
    for statement in ("create table made (n integer)", "select * from playbook_record('q', 'resumes', 'W-1', 1.0)"):
        response = export(client, statement, "csv")
        assert response.status_code == 403
        assert "only a statement that reads" in response.text
    assert export(client, "select * from made", "csv").status_code == 404


@pytest.mark.parametrize(
    ("statement", "name", "status", "said"),
    [
        ("select * from nowhere", "csv", 404, "NOT_FOUND"),
        ("select 1", "xls", 400, "known: arrow, csv, json, parquet"),
        ("select interval 1 day as i", "parquet", 400, "cast the column"),
        ("select 1 as a, 2 as a", "json", 400, "same name"),
        ("select 'x'::int as a", "csv", 400, "INVALID"),
    ],
)
def test_errors_come_before_the_file(client: httpx.Client, statement: str, name: str, status: int, said: str) -> None:
    response = export(client, statement, name)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert said in response.text


def test_an_error_in_the_middle_breaks_the_download(client: httpx.Client) -> None:
    late = "select if(range = 300000, error('late'), range) as n from range(400000)"
    with pytest.raises(httpx.RemoteProtocolError):
        export(client, late, "csv")
