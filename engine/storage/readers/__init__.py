"""Readers: DuckDB's and pyarrow's, one module a family of formats. Each answers with a `Reading`."""
