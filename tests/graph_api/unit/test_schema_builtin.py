"""The built-in schemas against the numbers and rules that are promised."""

import pytest

from robosystems.graph_api.domain.graph import SchemaType
from robosystems.graph_api.domain.schema import (
    DecimalType,
    GraphSchema,
    ScalarKind,
    ScalarType,
    check_schema,
    parse_schema_document,
)
from robosystems.graph_api.schemas import ACCOUNTING, BASE, REPORTING, builtin_schema

ENTITY = builtin_schema(SchemaType.ENTITY)
SEC = builtin_schema(SchemaType.SHARED, "sec")

COLUMNS = {
    "Entity": 25,
    "Period": 13,
    "Unit": 6,
    "Element": 19,
    "Label": 4,
    "Reference": 3,
    "Taxonomy": 6,
    "Report": 14,
    "Fact": 8,
    "Structure": 7,
    "FactDimension": 6,
    "Association": 7,
    "FactSet": 1,
    "Transaction": 17,
    "LineItem": 6,
    "Process": 6,
    "ENTITY_EVOLVED_FROM": 4,
    "ENTITY_OWNS_ENTITY": 4,
}
BARE = {
    "FACT_HAS_ELEMENT",
    "FACT_HAS_DIMENSION",
    "FACT_DIMENSION_AXIS_ELEMENT",
    "FACT_DIMENSION_MEMBER_ELEMENT",
    "FACT_SET_CONTAINS_FACT",
    "ASSOCIATION_HAS_FROM_ELEMENT",
    "ASSOCIATION_HAS_TO_ELEMENT",
}


@pytest.mark.parametrize(
    ("schema", "nodes", "relationships"),
    [
        (BASE, 7, 7),
        (REPORTING, 6, 16),
        (ACCOUNTING, 3, 3),
        (ENTITY, 16, 26),
        (SEC, 13, 23),
        (builtin_schema(SchemaType.SHARED, "SEC"), 13, 23),
        (builtin_schema(SchemaType.SHARED, "industry"), 7, 7),
        (builtin_schema(SchemaType.SHARED), 7, 7),
        (builtin_schema(SchemaType.CUSTOM), 0, 0),
    ],
)
def test_each_type_has_its_number_of_tables(schema: GraphSchema, nodes: int, relationships: int) -> None:
    """The counts of the data model."""
    assert (len(schema.nodes), len(schema.relationships)) == (nodes, relationships)


@pytest.mark.parametrize("table", ENTITY.tables, ids=lambda table: table.name)
def test_each_table_has_its_number_of_columns(table: object) -> None:
    """The counts of the data model; most relationships have one property, some none."""
    known = ENTITY.table(getattr(table, "name", ""))
    assert known is not None
    expected = COLUMNS.get(known.name, 0 if known.name in BARE else 1)
    assert len(known.columns) == expected


@pytest.mark.parametrize("schema", [ENTITY, SEC], ids=["entity", "sec"])
def test_a_builtin_schema_is_legal_and_survives_its_document(schema: GraphSchema) -> None:
    """What the service returns for it can be sent back."""
    check_schema(schema)
    assert parse_schema_document(schema.to_document()) == schema


def test_every_node_table_has_the_key_identifier() -> None:
    """One key name and type everywhere."""
    for table in ENTITY.nodes:
        assert table.primary_key == "identifier"
        assert table.columns[0].type == ScalarType(ScalarKind.STRING)


def test_everything_is_described_in_one_sentence() -> None:
    """Tables and columns all have a description, and no two columns of a table share one."""
    for table in ENTITY.tables:
        descriptions = [column.description for column in table.columns]
        assert table.description.endswith(".")
        assert all(description.endswith(".") for description in descriptions)
        assert len(set(descriptions)) == len(descriptions)


def test_dates_are_dates_and_money_is_exact() -> None:
    """Columns that hold a day, a moment or an amount have a type that says so."""
    moments = {"created_at", "updated_at", "acceptance_date"}
    for table in ENTITY.tables:
        for column in table.columns:
            is_day = column.name == "date" or column.name.endswith("_date")
            if column.name in moments:
                assert column.type == ScalarType(ScalarKind.TIMESTAMP), (table.name, column.name)
            elif is_day and column.name != "forever_date":
                assert column.type == ScalarType(ScalarKind.DATE), (table.name, column.name)
            elif column.name == "amount" or column.name.endswith("_amount"):
                assert isinstance(column.type, DecimalType), (table.name, column.name)
