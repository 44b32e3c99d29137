"""Schema documents: JSON objects that declare tables.

::

    {"tables": [
        {"name": "Person", "kind": "node", "description": "...",
         "columns": [{"name": "id", "type": "STRING", "primary_key": true}, {"name": "age", "type": "INT32"}]},
        {"name": "KNOWS", "kind": "relationship", "endpoints": [{"from": "Person", "to": "Person"}],
         "columns": [{"name": "since", "type": "DATE"}]}
    ]}
"""

import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, TypeVar, cast

from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema.checks import SchemaLimits, check_tables, problem
from robosystems.graph_api.domain.schema.defaults import check_default
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
from robosystems.graph_api.domain.schema.types import ColumnType

_DOCUMENT_FIELDS: Final = ("tables", "graph_id", "schema_type", "repository_name")
_TABLE_FIELDS: Final = ("name", "kind", "description", "columns", "row_count")
_RELATIONSHIP_FIELDS: Final = (*_TABLE_FIELDS, "endpoints", "multiplicity")
_COLUMN_FIELDS: Final = ("name", "type", "primary_key", "description", "default")

_UNBOUNDED: Final = SchemaLimits(*[sys.maxsize] * 5)

_E = TypeVar("_E", bound=Enum)


def parse_schema_document(
    document: object, *, existing: GraphSchema | None = None, limits: SchemaLimits | None = None
) -> GraphSchema:
    """Read a schema document, as decoded from JSON, and check it.

    What `GraphSchema.to_document` gives is accepted; its `row_count` is ignored, and so are `graph_id`, `schema_type`
    and `repository_name` beside `tables`. Any other field that is not known is an error.

    Args:
        document: The JSON value.
        existing: Tables that the graph has already: their names are taken, their node tables can be endpoints.
        limits: Upper bounds; the usual ones if None.

    Raises:
        InvalidSchemaError: Something is wrong; detail and context `path` say where, for example
            `tables[2].columns[0].type`.
    """
    bounds = limits or SchemaLimits()
    tables = _tables(document, declared=True, limits=bounds)
    check_tables(tables, existing=existing or GraphSchema(), limits=bounds)
    return _schema(tables)


def restore_schema_document(document: object) -> GraphSchema:
    """Read a document that `GraphSchema.to_document` made of an existing graph, whatever its tables are called.

    Unlike `parse_schema_document` it takes names, types and defaults that only foreign DDL can declare, and checks the
    shape alone: the result describes tables and must not be used to create some.

    Raises:
        InvalidSchemaError: The value has not the shape of a schema document.
    """
    return _schema(_tables(document, declared=False, limits=_UNBOUNDED))


def _tables(document: object, *, declared: bool, limits: SchemaLimits) -> list[tuple[str, Table]]:
    fields = _object("schema", document, _DOCUMENT_FIELDS)
    entries = _array("tables", fields.get("tables"), limits.node_tables + limits.relationship_tables)
    paths = [f"tables[{index}]" for index in range(len(entries))]
    return [
        (path, _table(path, entry, declared=declared, limits=limits))
        for path, entry in zip(paths, entries, strict=True)
    ]


def _schema(tables: Sequence[tuple[str, Table]]) -> GraphSchema:
    return GraphSchema(
        tuple(table for _, table in tables if isinstance(table, NodeTable)),
        tuple(table for _, table in tables if isinstance(table, RelationshipTable)),
    )


def _table(path: str, entry: object, *, declared: bool, limits: SchemaLimits) -> Table:
    kind = _choice(f"{path}.kind", _object(path, entry, None).get("kind"), TableKind)
    fields = _object(path, entry, _TABLE_FIELDS if kind is TableKind.NODE else _RELATIONSHIP_FIELDS)
    name = _text(f"{path}.name", fields.get("name"))
    description = _text(f"{path}.description", fields.get("description", ""))
    given = _array(f"{path}.columns", fields.get("columns", []), limits.columns)
    columns = [_column(f"{path}.columns[{index}]", column, declared=declared) for index, column in enumerate(given)]
    keys = [index for index, (_, is_key) in enumerate(columns) if is_key]
    if kind is TableKind.RELATIONSHIP:
        if keys:
            raise problem(f"{path}.columns[{keys[0]}].primary_key", "relationships have no primary key.")
        return RelationshipTable(
            name,
            _endpoints(f"{path}.endpoints", fields.get("endpoints"), limits),
            tuple(column for column, _ in columns),
            _multiplicity(f"{path}.multiplicity", fields.get("multiplicity")),
            description,
        )
    if len(keys) > 1:
        raise problem(f"{path}.columns[{keys[1]}].primary_key", "only one column can be the primary key.")
    key = columns[keys[0]][0].name if keys else ""
    return NodeTable(name, tuple(column for column, _ in columns), key, description)


def _column(path: str, entry: object, *, declared: bool) -> tuple[Column, bool]:
    fields = _object(path, entry, _COLUMN_FIELDS)
    spelling = _text(f"{path}.type", fields.get("type"))
    is_key = fields.get("primary_key", False)
    if not isinstance(is_key, bool):
        raise problem(f"{path}.primary_key", "must be true or false.")
    column_type = _type(f"{path}.type", spelling) if declared else parse_catalog_type(spelling)
    given = fields.get("default")
    column = Column(
        _text(f"{path}.name", fields.get("name")),
        column_type,
        _text(f"{path}.description", fields.get("description", "")),
        None if given is None else _default(f"{path}.default", given, column_type, declared=declared),
    )
    return column, is_key


def _type(path: str, spelling: str) -> ColumnType:
    try:
        return parse_type(spelling)
    except InvalidSchemaError as error:
        raise problem(path, error.detail) from None


def _default(path: str, value: object, column_type: ColumnType, *, declared: bool) -> DefaultValue:
    wanted = value
    if isinstance(value, dict):
        fields = _object(path, cast("object", value), ("function", "expression"))
        if "expression" in fields and declared:
            raise problem(path, "an expression can only be declared in a DDL statement; give a value or a function.")
        if "expression" in fields:
            return OpaqueDefault(_text(f"{path}.expression", fields["expression"]))
        wanted = _choice(f"{path}.function", fields.get("function"), DefaultFunction)
    try:
        return check_default(column_type, wanted)
    except InvalidSchemaError as error:
        raise problem(path, error.detail) from None


def _endpoints(path: str, value: object, limits: SchemaLimits) -> tuple[Endpoint, ...]:
    pairs: list[Endpoint] = []
    for index, entry in enumerate(_array(path, value, limits.endpoints)):
        here = f"{path}[{index}]"
        fields = _object(here, entry, ("from", "to"))
        pairs.append(Endpoint(_text(f"{here}.from", fields.get("from")), _text(f"{here}.to", fields.get("to"))))
    return tuple(pairs)


def _multiplicity(path: str, value: object) -> Multiplicity | None:
    return None if value is None else _choice(path, value, Multiplicity)


def _object(path: str, value: object, known: tuple[str, ...] | None) -> Mapping[str, object]:
    """Return a JSON object; unless `known` is None, refuse fields that are not in it."""
    if not isinstance(value, dict):
        raise problem(path, f"must be an object, not {_kind_of(value)}.")
    fields = cast("dict[str, object]", value)
    if known is not None:
        for name in fields:
            if name not in known:
                raise problem(f"{path}.{name[:80]}", f"is not a known field; known are {', '.join(known)}.")
    return fields


def _array(path: str, value: object, most: int) -> list[object]:
    if not isinstance(value, list):
        raise problem(path, f"must be an array, not {_kind_of(value)}.")
    entries = cast("list[object]", value)
    if len(entries) > most:
        raise problem(path, f"has {len(entries)} entries; at most {most} are allowed.")
    return entries


def _text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise problem(path, f"must be a text, not {_kind_of(value)}.")
    return value


def _choice(path: str, value: object, choices: type[_E]) -> _E:
    names = [str(choice.value) for choice in choices]
    if not isinstance(value, str) or value not in names:
        shown = repr(value)[:80] if isinstance(value, str) else _kind_of(value)
        raise problem(path, f"must be one of {', '.join(names)}, not {shown}.")
    return choices(value)


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "missing or null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case _:
            return "an object"
