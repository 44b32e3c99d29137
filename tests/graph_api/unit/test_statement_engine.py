"""The engine and this project read the same texts the same way."""

import re
from collections.abc import Iterator

import ladybug
import pytest

from robosystems.graph_api.domain.statement import classify, usage, vocabulary
from robosystems.graph_api.domain.statement.classification import _FIRST_WORDS, _QUERY_STARTS
from tests.graph_api.corpora import hostile_statements as hostile
from tests.graph_api.corpora.innocent_statements import INNOCENT, SCHEMA, Innocent

_WRITE_REFUSED = "Can not execute a write query inside a read-only transaction"
_WITH_STARTS_ELSEWHERE = {"ALTER", "COPY", "CREATE", "DETACH", "DROP", "EXPLAIN", "LOAD", "PROFILE"}


def _connect() -> Iterator[ladybug.Connection]:
    with (
        ladybug.Database(":memory:", buffer_pool_size=128 << 20, max_db_size=1 << 30) as database,
        ladybug.Connection(database) as connection,
    ):
        for text in SCHEMA:
            connection.execute(text)
        yield connection


@pytest.fixture
def fresh() -> Iterator[ladybug.Connection]:
    """Open a database that holds the tables of the innocent statements, for one test."""
    yield from _connect()


@pytest.fixture(scope="module")
def connection() -> Iterator[ladybug.Connection]:
    """Open a database that holds the tables of the innocent statements, for all tests of the module."""
    yield from _connect()


def _refusal(connection: ladybug.Connection, text: str) -> str:
    """Run a text and return why the engine refused it; empty if it did not."""
    try:
        connection.execute(text)
    except RuntimeError as error:
        return str(error)
    return ""


def _refusal_read_only(connection: ladybug.Connection, text: str) -> str:
    """Run a text inside a read-only transaction and return why the engine refused it."""
    connection.execute("BEGIN TRANSACTION READ ONLY")
    refusal = _refusal(connection, text)
    if not refusal or refusal.startswith(_WRITE_REFUSED):
        connection.execute("ROLLBACK")
    return refusal


@pytest.mark.parametrize("innocent", INNOCENT, ids=lambda innocent: innocent.text)
def test_innocent_statements_work(connection: ladybug.Connection, innocent: Innocent) -> None:
    """What the policy lets through is not only harmless but useful."""
    result = connection.execute(innocent.text, dict(innocent.parameters))
    assert isinstance(result, ladybug.QueryResult)
    result.get_all()


@pytest.mark.parametrize(
    "text", [innocent.text for innocent in INNOCENT if innocent.kind == "read" and not innocent.parameters]
)
def test_reads_are_reads_to_the_engine(fresh: ladybug.Connection, text: str) -> None:
    """A read-only transaction runs whatever is classified as a read."""
    assert not _refusal_read_only(fresh, text)


@pytest.mark.parametrize("text", hostile.DISGUISED_WRITES)
def test_disguised_writes_are_writes_to_the_engine(connection: ladybug.Connection, text: str) -> None:
    """The engine, too, sees the write."""
    assert _refusal_read_only(connection, text).startswith(_WRITE_REFUSED)


@pytest.mark.parametrize("text", hostile.SEVERAL)
def test_several_statements_are_several_to_the_engine(fresh: ladybug.Connection, text: str) -> None:
    """What is refused as several statements would not have been one."""
    try:
        result = fresh.execute(text)
    except RuntimeError:
        return
    assert isinstance(result, list)


@pytest.mark.parametrize("text", hostile.UNREADABLE)
def test_what_is_unreadable_is_so_to_the_engine(fresh: ladybug.Connection, text: str) -> None:
    """The engine refuses what the tokenizer and the classification refuse."""
    assert re.match("Parser exception|Connection exception|Assertion failed", _refusal(fresh, text))


def test_the_decisions_cover_every_function_of_the_engine(connection: ladybug.Connection) -> None:
    """A function that comes with a new version of the engine needs somebody to look at it first."""
    result = connection.execute("CALL show_functions() RETURN DISTINCT lower(name), type")
    assert isinstance(result, ladybug.QueryResult)
    rows = [(str(name), str(kind)) for name, kind in result.get_all()]
    operators = {name for name, _ in rows if not re.fullmatch(r"\w+", name)} | {"copy_csv", "copy_parquet", "negate"}
    tables = {name for name, kind in rows if "TABLE FUNCTION" in kind}
    scalars = {name for name, _ in rows} - tables - operators
    decided = vocabulary.FUNCTIONS | vocabulary.QUANTIFIERS | set(vocabulary.REFUSED_FUNCTIONS)
    assert decided - {"negate"} == scalars | {"cast"}
    assert (
        vocabulary.PROCEDURES | set(vocabulary.ADMINISTRATOR_PROCEDURES) | set(vocabulary.REFUSED_PROCEDURES) == tables
    )
    assert len(decided) == len(vocabulary.FUNCTIONS) + len(vocabulary.QUANTIFIERS) + len(vocabulary.REFUSED_FUNCTIONS)


def test_the_first_words_are_the_engines(connection: ladybug.Connection) -> None:
    """No statement of the engine begins with a word that the classification does not know."""
    expected = re.search(r"expecting \{(.*?)\}", _refusal(connection, "nothing"))
    assert expected is not None
    known = _QUERY_STARTS | set(_FIRST_WORDS) | _WITH_STARTS_ELSEWHERE
    assert set(expected[1].split(", ")) - {"SP"} == known


@pytest.mark.parametrize(
    "word",
    sorted(word for word in usage._BEFORE_NAME | usage._AFTER_NAME | usage._NEVER_CALLED if word.isalpha()),
)
def test_words_that_settle_what_stands_beside_them_are_reserved(connection: ladybug.Connection, word: str) -> None:
    """The classification trusts these words; so none of them may be a name."""
    assert _refusal(connection, f"WITH 1 AS {word} RETURN 2").startswith("Parser exception")


@pytest.mark.parametrize("word", sorted(vocabulary.KEYWORDS))
def test_keywords_are_told_from_names(connection: ladybug.Connection, word: str) -> None:
    """In backticks, each keyword is a name; the classification agrees."""
    text = f"WITH 1 AS `{word}` RETURN `{word}` AS x"
    assert not _refusal_read_only(connection, text)
    assert classify(text).kind == "read"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("RETURN 1 AS a /* b **/ , 2 AS c */ , 3 AS d", ["a", "d"]),
        ("RETURN 1 AS a /****/, 2 AS b", ["a", "b"]),
        ("RETURN 1 AS a // , 2 AS b\u2028, 3 AS c\n, 4 AS d", ["a", "d"]),
        ("RETURN 1 AS a$b", ["a$b"]),
        ("RETURN 1 AS `a``b`", ["a`b"]),
        ("RETURN 1 AS \u212a", ["\u212a"]),
        ("RETURN '\\'' AS `'`, 2 AS b", ["'", "b"]),
    ],
)
def test_odd_texts_are_read_alike(connection: ladybug.Connection, text: str, columns: list[str]) -> None:
    """The names that the engine finds are those that the classification finds."""
    result = connection.execute(text)
    assert isinstance(result, ladybug.QueryResult)
    assert result.get_column_names() == columns
    assert {name.lower() for name in columns} <= classify(text).identifiers


def test_a_star_before_the_end_keeps_a_comment_open(connection: ladybug.Connection) -> None:
    """What stands behind such a comment is no clause, to neither of the two."""
    text = "MATCH (n:Company) RETURN n.id /***/ DELETE n /* */"
    assert not _refusal_read_only(connection, text)
    assert classify(text).kind == "read"
