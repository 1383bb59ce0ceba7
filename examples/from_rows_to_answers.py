"""From rows to answers that learn, in one process and without a server.

python examples/from_rows_to_answers.py
"""

import tempfile

import pyarrow as pa

import lakehouse

NOTES = [
    ("n1", "training", "Every forklift operator is trained, evaluated and certified before driving alone."),
    ("n2", "training", "A forklift operator is evaluated again at least every three years."),
    ("n3", "machines", "Lock out and tag a machine before you clear a jam."),
    ("n4", "machines", "Only trained workers may take a lock or a tag off."),
]


def main() -> None:
    """Make a lake in a temporary folder and ask it."""
    with tempfile.TemporaryDirectory() as home, lakehouse.connect(home) as lake:
        lake.execute("create table notes (id varchar, topic varchar, body varchar)")
        for row in NOTES:
            lake.execute("insert into notes values (?, ?, ?)", row)
        lake.sql("select * from create_corpus('notes', source := 'notes', id := 'id', text := 'body')")

        question = "how often is a lift truck driver checked?"
        show(
            "found",
            lake.sql("select _rank, id, content from matrix_search(?, filter := $$topic = 'training'$$)", [question]),
        )
        show("answered", lake.sql("select answer, grounded from ask(?)", [question]))

        lake.sql("select * from playbook_record(?, 'notes', 'n2', 1.0)", [question])
        again = "how frequently are lift truck drivers checked?"
        show(
            "learned",
            lake.sql("select _rank, id, _explain ->> '$.playbook.factor' as factor from matrix_search(?)", [again]),
        )


def show(title: str, rows: pa.Table) -> None:
    """Print some rows."""
    print(f"{title}:")
    for row in rows.to_pylist():
        print("  ", row)


if __name__ == "__main__":
    main()
