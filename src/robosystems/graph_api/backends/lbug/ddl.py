"""From a schema to the statements that create its tables."""

from typing import Final

from robosystems.graph_api.domain.cypher import CypherText, Identifier, IntegerLiteral, StringLiteral, compose
from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    ArrayType,
    Column,
    ColumnType,
    DecimalType,
    DefaultFunction,
    DefaultValue,
    Field,
    GraphSchema,
    ListType,
    MapType,
    Multiplicity,
    NodeTable,
    OpaqueDefault,
    OpaqueType,
    RelationshipTable,
    ScalarKind,
    ScalarType,
    StructType,
    Table,
    UnionType,
)

_SCALARS: Final = {
    ScalarKind.BOOL: compose("BOOL"),
    ScalarKind.INT8: compose("INT8"),
    ScalarKind.INT16: compose("INT16"),
    ScalarKind.INT32: compose("INT32"),
    ScalarKind.INT64: compose("INT64"),
    ScalarKind.INT128: compose("INT128"),
    ScalarKind.UINT8: compose("UINT8"),
    ScalarKind.UINT16: compose("UINT16"),
    ScalarKind.UINT32: compose("UINT32"),
    ScalarKind.UINT64: compose("UINT64"),
    ScalarKind.FLOAT: compose("FLOAT"),
    ScalarKind.DOUBLE: compose("DOUBLE"),
    ScalarKind.STRING: compose("STRING"),
    ScalarKind.JSON: compose("JSON"),
    ScalarKind.BLOB: compose("BLOB"),
    ScalarKind.UUID: compose("UUID"),
    ScalarKind.DATE: compose("DATE"),
    ScalarKind.TIMESTAMP: compose("TIMESTAMP"),
    ScalarKind.TIMESTAMP_SEC: compose("TIMESTAMP_SEC"),
    ScalarKind.TIMESTAMP_MS: compose("TIMESTAMP_MS"),
    ScalarKind.TIMESTAMP_NS: compose("TIMESTAMP_NS"),
    ScalarKind.TIMESTAMP_TZ: compose("TIMESTAMP_TZ"),
    ScalarKind.INTERVAL: compose("INTERVAL"),
    ScalarKind.SERIAL: compose("SERIAL"),
}

_MULTIPLICITIES: Final = {
    Multiplicity.MANY_TO_MANY: compose("MANY_MANY"),
    Multiplicity.MANY_TO_ONE: compose("MANY_ONE"),
    Multiplicity.ONE_TO_MANY: compose("ONE_MANY"),
    Multiplicity.ONE_TO_ONE: compose("ONE_ONE"),
}

_FUNCTIONS: Final = {
    DefaultFunction.CURRENT_DATE: compose("current_date()"),
    DefaultFunction.CURRENT_TIMESTAMP: compose("current_timestamp()"),
    DefaultFunction.RANDOM_UUID: compose("gen_random_uuid()"),
}

_TEXT_TYPES: Final = frozenset({ScalarKind.STRING, ScalarKind.JSON, ScalarKind.UUID})
"""Types that the engine makes of a string literal by itself."""


def compile_ddl(schema: GraphSchema) -> tuple[CypherText, ...]:
    """Return the statements that create the tables of a schema, in an order in which they can run.

    First one `CREATE` for each node table, then for each relationship table, then one `COMMENT` for each table that has
    a description. Descriptions of columns have no place in the engine: keep the schema document.

    Args:
        schema: Tables to create, which have passed `check_schema`. Names are quoted whatever they are; that endpoints
            exist is left to the engine, since they may be tables of the graph.

    Raises:
        InvalidSchemaError: A type or default is opaque.
    """
    return (
        *(_create_node_table(table) for table in schema.nodes),
        *(_create_relationship_table(table) for table in schema.relationships),
        *(_comment(table) for table in schema.tables if table.description),
    )


def compile_type(column_type: ColumnType) -> CypherText:  # noqa: PLR0911 - one return per kind of type
    """Return a type as it is written in a statement, field names between backticks.

    Raises:
        InvalidSchemaError: The type is opaque.
    """
    match column_type:
        case ScalarType(kind):
            return _SCALARS[kind]
        case DecimalType(precision, scale):
            return compose(
                "DECIMAL({precision}, {scale})", precision=IntegerLiteral(precision), scale=IntegerLiteral(scale)
            )
        case ListType(element):
            return compose("{element}[]", element=compile_type(element))
        case ArrayType(element, length):
            return compose("{element}[{length}]", element=compile_type(element), length=IntegerLiteral(length))
        case MapType(key, value):
            return compose("MAP({key}, {value})", key=compile_type(key), value=compile_type(value))
        case StructType(fields):
            return compose("STRUCT({fields})", fields=[_field(field) for field in fields])
        case UnionType(members):
            return compose("UNION({members})", members=[_field(member) for member in members])
        case OpaqueType(spelling):
            raise InvalidSchemaError(f"a column of type {spelling[:80]!r} cannot be declared.")


def _create_node_table(table: NodeTable) -> CypherText:
    return compose(
        "CREATE NODE TABLE {table} ({columns}, PRIMARY KEY ({key}))",
        table=Identifier(table.name),
        columns=[_column(column) for column in table.columns],
        key=Identifier(table.primary_key),
    )


def _create_relationship_table(table: RelationshipTable) -> CypherText:
    parts = [
        compose("FROM {source} TO {target}", source=Identifier(pair.source), target=Identifier(pair.target))
        for pair in table.endpoints
    ]
    parts.extend(_column(column) for column in table.columns)
    if table.multiplicity is not None:
        parts.append(_MULTIPLICITIES[table.multiplicity])
    return compose("CREATE REL TABLE {table} ({parts})", table=Identifier(table.name), parts=parts)


def _comment(table: Table) -> CypherText:
    return compose(
        "COMMENT ON TABLE {table} IS {text}", table=Identifier(table.name), text=StringLiteral(table.description)
    )


def _column(column: Column) -> CypherText:
    name, written = Identifier(column.name), compile_type(column.type)
    if column.default is None:
        return compose("{name} {type}", name=name, type=written)
    default = _default(column.type, column.default)
    return compose("{name} {type} DEFAULT {default}", name=name, type=written, default=default)


def _field(field: Field) -> CypherText:
    return compose("{name} {type}", name=Identifier(field.name), type=compile_type(field.type))


def _default(column_type: ColumnType, value: DefaultValue) -> CypherText:
    match value:
        case OpaqueDefault():
            raise InvalidSchemaError("a default that is an expression cannot be declared.")
        case DefaultFunction():
            return _FUNCTIONS[value]
        case bool():
            return compose("true") if value else compose("false")
        case int():
            return compose("{number}", number=IntegerLiteral(value))
        case float() | str():
            text = StringLiteral(str(value))
    if isinstance(column_type, ScalarType) and column_type.kind in _TEXT_TYPES:
        return compose("{text}", text=text)
    # A cast keeps every digit of decimals and doubles; the engine reads bare decimals as doubles.
    return compose("CAST({text} AS {type})", text=text, type=compile_type(column_type))
