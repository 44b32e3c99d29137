"""Statements are told by what they do and use."""

import pytest

from robosystems.graph_api.domain.errors import InvalidRequestError, StatementError
from robosystems.graph_api.domain.statement import Clause, Statement, StatementKind, classify
from tests.graph_api.corpora import hostile_statements as hostile
from tests.graph_api.corpora.innocent_statements import INNOCENT, SCHEMA, Innocent


def test_a_read_is_described_completely() -> None:
    """Every attribute of a statement follows from its text."""
    text = "MATCH (c:Company {id: $id})-[:`OWNS of`]->(d) WHERE random() < 1 RETURN d.name AS name"
    assert classify(text) == Statement(
        text=text,
        kind=StatementKind.READ,
        explain=None,
        clauses=frozenset({Clause.QUERY}),
        functions=frozenset({"random"}),
        procedures=frozenset(),
        parameters=frozenset({"id"}),
        identifiers=frozenset(
            {"match", "c", "company", "id", "owns of", "d", "where", "random", "return", "name", "as"},
        ),
        deletes=False,
        volatile=True,
    )


@pytest.mark.parametrize("innocent", INNOCENT, ids=lambda innocent: innocent.text)
def test_innocent_statements_are_what_they_say(innocent: Innocent) -> None:
    """Words in strings, comments, backticks and names decide nothing."""
    assert classify(innocent.text).kind == innocent.kind


@pytest.mark.parametrize("text", SCHEMA)
def test_schema_statements_are_ddl(text: str) -> None:
    """Creating tables and sequences changes the schema."""
    assert classify(text).kind is StatementKind.DDL


@pytest.mark.parametrize("text", hostile.DISGUISED_WRITES)
def test_a_write_is_never_taken_for_a_read(text: str) -> None:
    """However it is spelled, an updating clause makes a write."""
    assert classify(text).kind is StatementKind.WRITE


def test_comments_are_not_cut_out_before_strings_are_read() -> None:
    """A URL in a string hides nothing: the text after it deletes."""
    statement = classify("MATCH (n) WHERE n.u='http://a' DELETE n")
    assert (statement.kind, statement.deletes) == (StatementKind.WRITE, True)


@pytest.mark.parametrize("text", hostile.SEVERAL)
def test_one_statement_per_request(text: str) -> None:
    """Several statements are refused, and the place for them is named."""
    with pytest.raises(InvalidRequestError, match=r"one statement per request.*POST /databases/\{id\}/transaction"):
        classify(text)


@pytest.mark.parametrize("text", [*hostile.UNREADABLE, *hostile.POISONOUS, *hostile.MARKED])
def test_what_the_engine_cannot_read_is_refused(text: str) -> None:
    """No statement is guessed out of a text that the engine reads differently or not at all."""
    with pytest.raises(StatementError):
        classify(text)


@pytest.mark.parametrize("text", hostile.UNSENDABLE, ids=ascii)
def test_texts_without_a_statement_are_refused(text: str) -> None:
    """Empty texts, and characters that cannot be sent, are errors of the request."""
    with pytest.raises(InvalidRequestError):
        classify(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RETURN 'open", "string at character 8 "),
        ("RETURN '\\d'", r"write a backslash as \\\\"),
        ("RETURN `open", "backticks at character 8 "),
        ("RETURN 1 /* open", "comment at character 10 does not end"),
        ("RETURN 1 // a\rb", "comment at character 10 holds a carriage return"),
        ("RETURN ?", r"'\?' at character 8 "),
        ("RETURN 'a''b'", "One string follows another"),
        ("SELECT 1", "begins with 'SELECT 1'"),
        ("EXPLAIN", "No statement follows EXPLAIN"),
    ],
)
def test_errors_say_where_and_what(text: str, message: str) -> None:
    """The caller learns which character is wrong and what to write instead."""
    with pytest.raises(StatementError, match=message):
        classify(text)


@pytest.mark.parametrize(
    ("text", "explain", "kind", "writes"),
    [
        ("EXPLAIN MATCH (n) RETURN n", "explain", StatementKind.READ, False),
        ("explain/**/logical match (n) return n", "explain", StatementKind.READ, False),
        ("EXPLAIN MATCH (n) DELETE n", "explain", StatementKind.WRITE, False),
        ("EXPLAIN DROP TABLE T", "explain", StatementKind.DDL, False),
        ("PROFILE MATCH (n) RETURN n", "profile", StatementKind.READ, False),
        ("profile MATCH (n) DELETE n", "profile", StatementKind.WRITE, True),
        ("MATCH (n) DELETE n", None, StatementKind.WRITE, True),
        ("MATCH (explain)-[profile]->() RETURN explain", None, StatementKind.READ, False),
    ],
)
def test_explain_and_profile_count_as_what_they_carry(
    text: str, explain: str | None, kind: StatementKind, *, writes: bool
) -> None:
    """The carried statement gives the kind; only EXPLAIN takes away its effect."""
    statement = classify(text)
    assert (statement.explain, statement.kind, statement.writes) == (explain, kind, writes)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("RETURN 1", set[str]()),
        ("RETURN $a, $B, $a", {"a", "B"}),
        ("RETURN $1 + $`x y`", {"1", "`x y`"}),
        ("RETURN '$a', `$b`, 1 // $c", set[str]()),
        ("RETURN $a$b", {"a$b"}),
        ("RETURN $p LIMIT$q", {"p"}),
    ],
)
def test_parameters_are_named_as_the_engine_names_them(text: str, parameters: set[str]) -> None:
    """Strings, comments and backticks name no parameter; case and backticks belong to the name."""
    assert classify(text).parameters == parameters


@pytest.mark.parametrize(
    ("text", "volatile"),
    [
        ("MATCH (n) RETURN n", False),
        ("RETURN date('2024-01-01'), uuid('x')", False),
        ("RETURN current_date()", True),
        ("RETURN CURRENT_TIMESTAMP()", True),
        ("RETURN gen_random_uuid()", True),
        ("RETURN random()", True),
        ("RETURN nextval('s')", True),
        ("RETURN whatever()", True),
        ("RETURN random", False),
        ("RETURN 'random()'", False),
        ("CALL show_tables() RETURN *", False),
        ("CALL disk_info() RETURN *", True),
        ("CALL whatever() RETURN *", True),
    ],
)
def test_volatile_answers_are_known(text: str, *, volatile: bool) -> None:
    """What asks for time, chance or anything unknown may answer differently each time."""
    assert classify(text).volatile is volatile


@pytest.mark.parametrize(
    ("text", "deletes"),
    [
        ("MATCH (n) DETACH DELETE n", True),
        ("MATCH (n) DELETE n", True),
        ("DROP TABLE T", True),
        ("MATCH (n) SET n.x = 1", False),
        ("MATCH (n) RETURN n.delete", False),
        ("CREATE (:T)", False),
    ],
)
def test_deletions_are_known(text: str, *, deletes: bool) -> None:
    """Rows or tables may go only where a clause says so."""
    assert classify(text).deletes is deletes


@pytest.mark.parametrize(
    ("text", "procedures", "functions"),
    [
        ("CALL show_tables() RETURN *", {"show_tables"}, set[str]()),
        ("call/**/Show_Tables/**/() return upper(name)", {"show_tables"}, {"upper"}),
        ("MATCH (n) CALL table_info(upper('x')) RETURN *", {"table_info"}, {"upper"}),
        ("MATCH (n) RETURN n.call, size(n.x)", set[str](), {"size"}),
        ("MATCH (a)-[r]->(b) WHERE (a.x = 1) AND (b.y IN (1)) RETURN (a)", set[str](), set[str]()),
        ("CREATE NODE TABLE f(id INT64 DEFAULT nextval('s'), PRIMARY KEY (id))", set[str](), {"nextval"}),
        ("CREATE NODE TABLE f(d DECIMAL(5, 2), s STRUCT(a INT64), u UNION(a INT64))", set[str](), set[str]()),
        ("RETURN `my f`(1)", set[str](), {"my f"}),
    ],
)
def test_calls_are_found(text: str, procedures: set[str], functions: set[str]) -> None:
    """What is called, in expressions and by CALL, is told apart from what only stands before a parenthesis."""
    statement = classify(text)
    assert (statement.procedures, statement.functions) == (procedures, functions)


@pytest.mark.parametrize("text", ["RETURN " + "(" * 100_000, "RETURN " + "f(" * 100_000, "RETURN " + "a->" * 100_000])
def test_deep_and_long_texts_are_classified(text: str) -> None:
    """Nesting costs no stack and no more than linear time."""
    assert classify(text).kind is StatementKind.READ
