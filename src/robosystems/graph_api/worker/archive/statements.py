"""The statements of exports and imports."""

from collections.abc import Sequence
from typing import Final

from robosystems.graph_api.domain.cypher import CypherText, Identifier, IntegerLiteral, StringLiteral, compose
from robosystems.graph_api.domain.schema import Endpoint, Table, TableKind

CHECKPOINT: Final = compose("CHECKPOINT")
SHOW_SEQUENCES: Final = compose("CALL show_sequences() RETURN *")

NODE: Final = "n"
SOURCE: Final = "a"
RELATIONSHIP: Final = "r"
TARGET: Final = "b"

Range = tuple[int, int]
"""Internal offsets from the first one up to, but without, the second one."""


def node_pattern(table: str) -> CypherText:
    """Match the nodes of a table."""
    return compose("({node}:{table})", node=Identifier(NODE), table=Identifier(table))


def relationship_pattern(table: str, pair: Endpoint) -> CypherText:
    """Match the relationships of one pair of a table."""
    return compose(
        "({source}:{from_table})-[{row}:{table}]->({target}:{to_table})",
        source=Identifier(SOURCE),
        from_table=Identifier(pair.source),
        row=Identifier(RELATIONSHIP),
        table=Identifier(table),
        target=Identifier(TARGET),
        to_table=Identifier(pair.target),
    )


def offsets(pattern: CypherText, variable: str, within: CypherText) -> CypherText:
    """Ask for the least and the greatest offset."""
    return compose(
        "MATCH {pattern}{within} RETURN min(offset(id({row}))), max(offset(id({row})))",
        pattern=pattern,
        within=within,
        row=Identifier(variable),
    )


def in_range(variable: str, window: Range) -> CypherText:
    """Restrict a match to a range of offsets."""
    return compose(
        "offset(id({row})) >= {low} AND offset(id({row})) < {high}",
        row=Identifier(variable),
        low=IntegerLiteral(window[0]),
        high=IntegerLiteral(window[1]),
    )


def where(*conditions: CypherText) -> CypherText:
    """Restrict a match to what fulfils all conditions."""
    if not conditions:
        return compose("")
    text = compose(" WHERE {first}", first=conditions[0])
    for condition in conditions[1:]:
        text = compose("{text} AND {condition}", text=text, condition=condition)
    return text


def count(pattern: CypherText, within: CypherText) -> CypherText:
    """Count matches."""
    return compose("MATCH {pattern}{within} RETURN count(*)", pattern=pattern, within=within)


def read(pattern: CypherText, within: CypherText, values: Sequence[CypherText]) -> CypherText:
    """Read values of matches."""
    return compose("MATCH {pattern}{within} RETURN {values}", pattern=pattern, within=within, values=list(values))


def largest(table: Table, column: str) -> CypherText:
    """Ask for the largest value of a column."""
    if table.kind is TableKind.NODE:
        return compose(
            "MATCH (n:{table}) RETURN max(n.{column})", table=Identifier(table.name), column=Identifier(column)
        )
    return compose(
        "MATCH ()-[r:{table}]->() RETURN max(r.{column})", table=Identifier(table.name), column=Identifier(column)
    )


def count_rows(table: Table) -> CypherText:
    """Count the rows of a table."""
    if table.kind is TableKind.NODE:
        return compose("MATCH (n:{table}) RETURN count(*)", table=Identifier(table.name))
    return compose("MATCH ()-[r:{table}]->() RETURN count(*)", table=Identifier(table.name))


def sequence_of(table: str, column: str) -> str:
    """Return the name that the engine gives to the sequence of a SERIAL column."""
    return f"{table}_{column}_serial"


def current_value(sequence: str) -> CypherText:
    """Ask for the value that a sequence gave last; fails if it never gave one."""
    return compose("RETURN currval({name})", name=StringLiteral(sequence))


def drop_sequence(sequence: str) -> CypherText:
    """Remove the sequence of a SERIAL column, to put another one in its place."""
    return compose("DROP SEQUENCE {name}", name=Identifier(sequence))


def create_sequence(sequence: str, start: int) -> CypherText:
    """Make a sequence whose first value is `start`."""
    return compose("CREATE SEQUENCE {name} START {start}", name=Identifier(sequence), start=IntegerLiteral(start))
