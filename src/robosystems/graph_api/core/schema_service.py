"""Schemas: what tables a database has, and adding to them."""

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.database_manager import admit_ddl
from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.schema import parse_schema_document, restore_schema_document


class SchemaService:
    """Reads and extends schemas."""

    def __init__(self, backend: GraphBackend) -> None:
        self._backend = backend

    async def describe(self, graph_id: GraphId, *, counts: bool) -> dict[str, object]:
        """Return the schema document, with `row_count` per table when `counts`."""
        return await self._backend.schema(graph_id, counts=counts)

    async def extend(self, graph_id: GraphId, *, ddl: str | None, document: object | None) -> dict[str, object]:
        """Add tables by DDL text or by a schema document, all or nothing, and return the new schema document.

        Raises:
            InvalidRequestError: Neither or both were given.
            InvalidSchemaError: A statement or the document is wrong; nothing was changed.
        """
        if (ddl is None) == (document is None):
            raise InvalidRequestError("Send either ddl or schema.")
        if ddl is not None:
            await self._backend.apply_ddl(graph_id, None, admit_ddl(ddl))
        else:
            existing = restore_schema_document(await self._backend.schema(graph_id))
            await self._backend.apply_ddl(graph_id, parse_schema_document(document, existing=existing), ())
        return await self._backend.schema(graph_id)
