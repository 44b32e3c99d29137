"""Built-in schemas as data: what a database of each schema type starts with."""

from typing import Final

from robosystems.graph_api.domain.graph import SchemaType
from robosystems.graph_api.domain.schema import GraphSchema
from robosystems.graph_api.schemas.accounting import ACCOUNTING
from robosystems.graph_api.schemas.base import BASE
from robosystems.graph_api.schemas.reporting import REPORTING

__all__ = ["ACCOUNTING", "BASE", "REPORTING", "REPOSITORY_EXTENSIONS", "builtin_schema"]

REPOSITORY_EXTENSIONS: Final = {"sec": REPORTING}
"""What shared repositories have beyond the base, by name; those that are not here have the base alone."""


def builtin_schema(schema_type: SchemaType, repository_name: str | None = None) -> GraphSchema:
    """Return the tables that a new database of this type starts with; none for `custom`.

    Args:
        schema_type: Type of the database.
        repository_name: For `shared`, which repository; case does not distinguish. Other types don't look at it.
    """
    match schema_type:
        case SchemaType.ENTITY:
            return BASE.extended_by(REPORTING).extended_by(ACCOUNTING)
        case SchemaType.SHARED:
            return BASE.extended_by(REPOSITORY_EXTENSIONS.get((repository_name or "").lower(), GraphSchema()))
        case SchemaType.CUSTOM:
            return GraphSchema()
