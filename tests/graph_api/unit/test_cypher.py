"""Composed Cypher says exactly what its parts say, to the real engine."""

from collections.abc import Callable, Iterator
from typing import Any

import ladybug
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.domain.cypher import CypherText, Identifier, IntegerLiteral, StringLiteral, compose
from robosystems.graph_api.domain.errors import InvalidRequestError

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_TRICKY = [
    "it's",
    '"quoted"',
    "`ticked`",
    "back\\slash",
    "\\'",
    "\\n",
    "two\nlines\r\n\tand a tab",
    "'; DROP TABLE T; --",
    "` RETURN 1 //",
    "/* a */",
    "株式会社 😀",
    "$p",
    "{x}",
    "\u2028\u00a0\ufeff",
    "\x01\x7f",
]

Ask = Callable[[CypherText], tuple[list[str], list[Any]]]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Open an empty database and return a function that runs composed Cypher and returns columns and the first row."""
    with (
        ladybug.Database(":memory:", buffer_pool_size=128 << 20, max_db_size=1 << 30) as database,
        ladybug.Connection(database) as connection,
    ):

        def run(text: CypherText) -> tuple[list[str], list[Any]]:
            result = connection.execute(text)
            assert isinstance(result, ladybug.QueryResult)
            row = result.get_next() if result.has_next() else []
            assert isinstance(row, list)
            return result.get_column_names(), row

        yield run


@pytest.mark.parametrize("value", ["", *_TRICKY])
def test_strings_arrive_unchanged(ask: Ask, value: str) -> None:
    """Whatever a string holds, the engine reads that string."""
    assert ask(compose("RETURN {value} AS x", value=StringLiteral(value))) == (["x"], [value])


@pytest.mark.parametrize("name", _TRICKY)
def test_names_arrive_unchanged(ask: Ask, name: str) -> None:
    """Whatever a name holds, the engine reads that name."""
    assert ask(compose("RETURN 1 AS {name}", name=Identifier(name))) == ([name], [1])


@given(value=_TEXTS, name=_TEXTS.filter(bool))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_arrives_unchanged(ask: Ask, value: str, name: str) -> None:
    """No text breaks out of its quotes."""
    composed = compose("RETURN {value} AS {name}", value=StringLiteral(value), name=Identifier(name))
    assert ask(composed) == ([name], [value])


def test_tables_with_odd_names_can_be_used(ask: Ask) -> None:
    """Names of tables and columns need no rules of their own."""
    table, column = Identifier("a`b c; d"), Identifier("'x\\")
    ask(compose("CREATE NODE TABLE {table}({column} INT64 PRIMARY KEY)", table=table, column=column))
    ask(compose("CREATE (:{table} {{{column}: {key}}})", table=table, column=column, key=IntegerLiteral(-(2**63))))
    _, row = ask(compose("MATCH (n:{table}) RETURN n.{column}", table=table, column=column))
    assert row == [-(2**63)]


def test_sequences_are_separated_by_commas() -> None:
    """Columns and values come as lists; an empty list writes nothing."""
    names = [Identifier("a"), Identifier("b")]
    assert compose("({names}) [{none}]", names=names, none=[]) == "(`a`, `b`) []"


def test_composed_text_can_be_a_part() -> None:
    """Larger statements are made of smaller ones."""
    where = compose("WHERE n.{column} = $value", column=Identifier("a"))
    composed = compose("MATCH (n) {where} RETURN n", where=where)
    assert composed == "MATCH (n) WHERE n.`a` = $value RETURN n"
    assert isinstance(composed, CypherText)
    assert type(composed.text) is str


def test_braces_of_cypher_are_doubled() -> None:
    """Maps and subqueries keep their braces."""
    assert compose("RETURN {{a: {n}}} AS s", n=IntegerLiteral(1)) == "RETURN {a: 1} AS s"


def test_nothing_else_makes_composed_text() -> None:
    """A plain string cannot be passed off as composed."""
    with pytest.raises(TypeError, match="made by compose"):
        CypherText("MATCH (n) DETACH DELETE n")


@pytest.mark.parametrize("part", ["text", 1, None, ["text"], [Identifier("a"), 1]])
def test_plain_values_are_no_parts(part: Any) -> None:
    """A value without a kind is refused, so that it cannot enter unquoted."""
    with pytest.raises(TypeError):
        compose("RETURN {part}", part=part)


@pytest.mark.parametrize(
    "template", ["RETURN 1", "RETURN {part} {other}", "RETURN {part!r}", "RETURN {part:>9}", "RETURN {}"]
)
def test_parts_and_places_must_fit(template: Any) -> None:
    """Each part has a place, each place a part, and a place is a name only."""
    with pytest.raises(ValueError, match=r"part|place"):
        compose(template, part=IntegerLiteral(1))


@pytest.mark.parametrize("make", [Identifier, StringLiteral])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=ascii)
def test_unwritable_characters_are_refused(make: Callable[[str], object], text: str) -> None:
    """What the engine cannot be told is an error of the request."""
    with pytest.raises(InvalidRequestError):
        make(text)


def test_names_are_not_empty() -> None:
    """The engine knows no empty name."""
    with pytest.raises(InvalidRequestError):
        Identifier("")
