"""The neutral schema of a graph: tables, columns, types, and the JSON document that declares them."""

from robosystems.graph_api.domain.schema.checks import RESERVED_COLUMNS, SchemaLimits, check_schema
from robosystems.graph_api.domain.schema.defaults import check_default
from robosystems.graph_api.domain.schema.document import parse_schema_document, restore_schema_document
from robosystems.graph_api.domain.schema.model import (
    Column,
    DefaultFunction,
    DefaultValue,
    Endpoint,
    GraphSchema,
    Multiplicity,
    NodeTable,
    OpaqueDefault,
    RelationshipTable,
    Table,
    TableKind,
)
from robosystems.graph_api.domain.schema.spelling import parse_catalog_type, parse_type
from robosystems.graph_api.domain.schema.types import (
    ArrayType,
    ColumnType,
    DecimalType,
    Field,
    ListType,
    MapType,
    OpaqueType,
    ScalarKind,
    ScalarType,
    StructType,
    UnionType,
    holds,
    parts_of,
)

__all__ = [
    "RESERVED_COLUMNS",
    "ArrayType",
    "Column",
    "ColumnType",
    "DecimalType",
    "DefaultFunction",
    "DefaultValue",
    "Endpoint",
    "Field",
    "GraphSchema",
    "ListType",
    "MapType",
    "Multiplicity",
    "NodeTable",
    "OpaqueDefault",
    "OpaqueType",
    "RelationshipTable",
    "ScalarKind",
    "ScalarType",
    "SchemaLimits",
    "StructType",
    "Table",
    "TableKind",
    "UnionType",
    "check_default",
    "check_schema",
    "holds",
    "parse_catalog_type",
    "parse_schema_document",
    "parse_type",
    "parts_of",
    "restore_schema_document",
]
