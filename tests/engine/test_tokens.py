import pytest

from engine import change, tokens


def words(sql: str) -> list[str]:
    return [token.text for token in tokens.read(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('SELECT a . "B""c" FROM t', ["select", "a", ".", 'b"c', "from", "t"]),
        ("select/* x /* y */ */1--z\n+ 2", ["select", "1", "+", "2"]),
        ("select $$a b$$, 'c''d'", ["select", "$$a b$$", ",", "'c''d'"]),
        ("f /* ( */ (x)", ["f", "(", "x", ")"]),
        ("é.ü", ["é", ".", "ü"]),
        ("control\u00a0.\u200bjournal", ["control", ".", "journal"]),
        ("x->'a'", ["x", "->", "'a'"]),
        ("a := 1, b => $x::int", ["a", ":=", "1", ",", "b", "=>", "$", "x", "::", "int"]),
        ("", []),
        ("-- only a comment", []),
    ],
)
def test_the_words_of_a_statement(sql: str, expected: list[str]) -> None:
    assert words(sql) == expected


def test_a_quoted_name_is_no_keyword() -> None:
    quoted, bare = tokens.read('"returning" returning')
    assert quoted.is_name
    assert not quoted.is_word("returning")
    assert bare.is_word("returning")


def test_names_before_brackets_and_dots() -> None:
    read = tokens.read('select f(1), "G" (2), a.b.h(3), x + (4) from c . d')
    assert list(tokens.calls(read)) == ["f", "g", "h"]
    assert list(tokens.qualifiers(read)) == ["a", "b", "c"]


def test_a_dotted_name_keeps_its_case() -> None:
    read = tokens.read('use "Big".Small rest')
    assert tokens.name_at(read, 1) == (("Big", "Small"), 4)
    assert tokens.name_at(read, 99) == ((), 99)
    assert tokens.name_at(tokens.read("a."), 0) == (("a",), 1)


@pytest.mark.parametrize(
    ("sql", "what", "names", "temporary"),
    [
        ("create table a.b.c (x integer)", "table", (("a", "b", "c"),), False),
        ("create or replace temp view v as select 1", "view", (("v",),), True),
        ("create table if not exists t (x integer)", "table", (("t",),), False),
        ("create table if (x integer)", "table", (("if",),), False),
        ("create macro m(a, b := 1) as a", "macro", (("m",),), False),
        ("drop macro table if exists M cascade", "macro", (("m",),), False),
        ("create unique index i on a.b (x)", "index", (("i",), ("a", "b")), False),
        ("comment on column a.b.c is 'x'", "column", (("a", "b", "c"),), False),
        ("comment on macro table f is 'x'", "macro", (("f",),), False),
        ("alter table if exists t rename to u", "table", (("t",),), False),
        ('create schema "A""b"', "schema", (('a"b',),), False),
        ("create type mood as enum ('a')", "type", (("mood",),), False),
    ],
)
def test_what_a_statement_changes(sql: str, what: str, names: tuple[tuple[str, ...], ...], temporary: bool) -> None:
    found = change.read(tokens.read(sql))
    assert found is not None
    assert (found.what, found.names, found.temporary) == (what, names, temporary)


@pytest.mark.parametrize(
    "sql", ["create secret s (type s3)", "drop persistent secret s", "select 1", "alter database d set x", ""]
)
def test_what_is_not_understood_is_no_change(sql: str) -> None:
    assert change.read(tokens.read(sql)) is None
