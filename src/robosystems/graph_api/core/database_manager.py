"""Life cycle of databases: create, describe, limit, delete."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.idempotency import IdempotencyService
from robosystems.graph_api.core.result_cache import ResultCache
from robosystems.graph_api.domain.errors import InvalidRequestError, InvalidSchemaError, StatementForbiddenError
from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseRecord, DatabaseState, SchemaType
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.schema import GraphSchema, parse_schema_document
from robosystems.graph_api.domain.statement import StatementKind, check, classify, split_statements
from robosystems.graph_api.schemas import builtin_schema

MAX_DDL_STATEMENTS = 1_000
"""Statements in one DDL text; far above any schema seen, far below what would hold the node up."""


@dataclass(frozen=True, slots=True)
class NewDatabase:
    """What a client asks for when it creates a database.

    Attributes:
        graph_id: Its name.
        schema_type: Built-in schema to start with.
        repository_name: For `shared`: which repository; `sec` adds the reporting tables.
        ddl: For `custom`: DDL text, statements separated by `;`.
        document: For `custom`: a schema document instead of DDL.
        limits: Limits to begin with.
    """

    graph_id: GraphId
    schema_type: SchemaType
    repository_name: str | None = None
    ddl: str | None = None
    document: object | None = None
    limits: DatabaseLimits = field(default_factory=DatabaseLimits)


@dataclass(frozen=True, slots=True)
class DatabasePage:
    """One page of databases, sorted by name.

    Attributes:
        records: The databases of the page.
        total: How many there are in all.
        next_after: Pass as `after` for the next page; None on the last one.
    """

    records: Sequence[DatabaseRecord]
    total: int
    next_after: str | None


class DatabaseManager:
    """Creates, lists, limits and deletes databases. Safe for concurrent use."""

    def __init__(self, backend: GraphBackend, cache: ResultCache, idempotency: IdempotencyService) -> None:
        self._backend = backend
        self._cache = cache
        self._idempotency = idempotency
        self._changing = asyncio.Lock()

    async def create(self, new: NewDatabase) -> DatabaseRecord:
        """Create a database, all or nothing.

        Raises:
            InvalidRequestError: Fields contradict each other.
            InvalidSchemaError: The document or a DDL statement is wrong; the context names the statement.
            Others as `GraphBackend.create`.
        """
        schema, ddl = _resolve_schema(new)
        record = DatabaseRecord(
            graph_id=new.graph_id,
            schema_type=new.schema_type,
            repository_name=new.repository_name,
            created_at=datetime.now(UTC),
            limits=new.limits,
            schema_document=schema.to_document() if schema is not None else None,
        )
        return await self._backend.create(record, schema, ddl)

    async def page(self, *, limit: int, after: str | None, sees: Callable[[str], bool]) -> DatabasePage:
        """Return up to `limit` databases whose names come after `after`, of those that `sees` says the caller sees."""
        records = [record for record in await self._backend.list() if sees(record.graph_id.value)]
        rest = [record for record in records if after is None or record.graph_id.value > after]
        shown = rest[:limit]
        more = len(rest) > len(shown)
        return DatabasePage(shown, len(records), shown[-1].graph_id.value if more and shown else None)

    async def describe(self, graph_id: GraphId) -> tuple[DatabaseRecord, DatabaseState]:
        """Return what is known of one database and its figures of this moment. Does not open it."""
        return await self._backend.record(graph_id), await self._backend.state(graph_id)

    async def set_limits(self, graph_id: GraphId, changes: DatabaseLimits, *, fields: frozenset[str]) -> DatabaseRecord:
        """Change the named fields of the limits; None returns a field to the node's default."""
        async with self._changing:  # Two changes of different fields at once must both last.
            current = await self.limits(graph_id)
            wanted = replace(current, **{name: getattr(changes, name) for name in fields})
            return await self._backend.set_limits(graph_id, wanted)

    async def retry(self, graph_id: GraphId) -> DatabaseRecord:
        """Open a quarantined database again, after its files were put right.

        Raises:
            DatabaseBrokenError: It still cannot be opened.
        """
        return await self._backend.retry_open(graph_id)

    async def delete(self, graph_id: GraphId) -> None:
        """Delete a database with all its files."""
        await self._backend.drop(graph_id)
        self._cache.forget(graph_id)
        await self._idempotency.forget(graph_id)

    async def limits(self, graph_id: GraphId) -> DatabaseLimits:
        """Return the limits of a database. The backend has them in memory: a copy here could only be out of date.

        Raises:
            DatabaseNotFoundError: No such database.
        """
        return (await self._backend.record(graph_id)).limits


def admit_ddl(text: str) -> tuple[str, ...]:
    """Split DDL text and check that each statement only defines tables.

    Raises:
        InvalidSchemaError: A statement is not DDL, or there are too many; the context names `statement_number`.
    """
    statements = split_statements(text)
    if not statements:
        raise InvalidSchemaError("The DDL holds no statement: send CREATE NODE TABLE ... statements separated by ';'.")
    if len(statements) > MAX_DDL_STATEMENTS:
        raise InvalidSchemaError(f"The DDL holds {len(statements)} statements; at most {MAX_DDL_STATEMENTS} are taken.")
    for number, statement in enumerate(statements, start=1):
        where: dict[str, Any] = {"statement_number": number, "statement": statement[:500]}
        try:
            classified = classify(statement)
            check(classified)
        except (StatementForbiddenError, InvalidRequestError) as error:
            raise InvalidSchemaError(f"Statement {number} is refused: {error.detail}", **where) from error
        if classified.kind is not StatementKind.DDL or classified.explain is not None:
            raise InvalidSchemaError(
                f"Statement {number} is not DDL: only CREATE, ALTER, DROP and COMMENT statements belong here.", **where
            )
    return tuple(statements)


def _resolve_schema(new: NewDatabase) -> tuple[GraphSchema | None, tuple[str, ...]]:
    """Return the tables to create and the DDL to run after them."""
    if new.schema_type is not SchemaType.CUSTOM:
        given = "custom_schema_ddl" if new.ddl is not None else "custom_schema" if new.document is not None else None
        if given is not None:
            raise InvalidRequestError(f"{given} goes with schema_type 'custom', not with {new.schema_type.value!r}.")
        if new.repository_name is not None and new.schema_type is not SchemaType.SHARED:
            raise InvalidRequestError("repository_name goes with schema_type 'shared'.")
        return builtin_schema(new.schema_type, new.repository_name), ()
    if new.repository_name is not None:
        raise InvalidRequestError("repository_name goes with schema_type 'shared'.")
    if new.ddl is not None and new.document is not None:
        raise InvalidRequestError("Send custom_schema_ddl or custom_schema, not both.")
    if new.document is not None:
        return parse_schema_document(new.document), ()
    return None, admit_ddl(new.ddl) if new.ddl is not None else ()
