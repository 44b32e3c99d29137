"""Wire models of databases and schemas."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseRecord, DatabaseState, DatabaseStatus, SchemaType
from robosystems.graph_api.models.names import GRAPH_ID_PATTERN, documented

_DOCUMENT_EXAMPLE: Final[JsonDict] = {
    "tables": [
        {
            "name": "Customer",
            "kind": "node",
            "columns": [
                {"name": "identifier", "type": "STRING", "primary_key": True},
                {"name": "name", "type": "STRING"},
            ],
        },
        {"name": "KNOWS", "kind": "relationship", "endpoints": [{"from": "Customer", "to": "Customer"}]},
    ]
}


class RequestModel(BaseModel):
    """A body that clients send: unknown fields are errors, so that a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid")


class Limits(RequestModel):
    """Limits of one database; null returns a limit to the node's default."""

    query_timeout_s: Annotated[
        float | None, Field(ge=0.001, le=86_400, description="Default query time-out, seconds.")
    ] = None
    max_rows: Annotated[int | None, Field(ge=1, le=10_000_000, description="Default cap on rows of a JSON answer.")] = (
        None
    )
    max_disk_bytes: Annotated[int | None, Field(ge=1 << 20, le=1 << 50, description="Disk quota, bytes.")] = None
    max_pending_queries: Annotated[
        int | None, Field(ge=1, le=100_000, description="Queries that may run or wait at once.")
    ] = None

    def to_domain(self) -> DatabaseLimits:
        """Return the domain value."""
        return DatabaseLimits(
            query_timeout_s=self.query_timeout_s,
            max_rows=self.max_rows,
            max_disk_bytes=self.max_disk_bytes,
            max_pending_queries=self.max_pending_queries,
        )

    @classmethod
    def from_domain(cls, limits: DatabaseLimits) -> Self:
        """Return the wire form."""
        return cls(
            query_timeout_s=limits.query_timeout_s,
            max_rows=limits.max_rows,
            max_disk_bytes=limits.max_disk_bytes,
            max_pending_queries=limits.max_pending_queries,
        )


class CreateDatabaseRequest(RequestModel):
    """Body of `POST /databases`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"graph_id": "kg1a2b3c4d5", "schema_type": "entity"},
                {"graph_id": "sec", "schema_type": "shared", "repository_name": "sec"},
                {
                    "graph_id": "people",
                    "schema_type": "custom",
                    "custom_schema_ddl": "CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name)); "
                    "CREATE REL TABLE Knows(FROM Person TO Person, since DATE)",
                    "limits": {"query_timeout_s": 10},
                },
                {"graph_id": "customers", "schema_type": "custom", "custom_schema": _DOCUMENT_EXAMPLE},
            ]
        }
    )

    graph_id: Annotated[
        str,
        Field(
            description="1 to 63 letters, digits, '_' or '-', beginning with a letter or digit.",
            examples=["kg1a2b3c4d5"],
            json_schema_extra=documented(GRAPH_ID_PATTERN),
        ),
    ]
    schema_type: Annotated[SchemaType, Field(description="Built-in schema to start with.")] = SchemaType.ENTITY
    repository_name: Annotated[
        str | None,
        Field(
            max_length=63,
            pattern=r"^[A-Za-z0-9_-]+$",
            description="With schema_type shared: the repository; 'sec' adds the reporting tables.",
        ),
    ] = None
    custom_schema_ddl: Annotated[
        str | None,
        Field(max_length=1_000_000, description="With schema_type custom: DDL statements separated by ';'."),
    ] = None
    custom_schema: Annotated[
        dict[str, object] | None,
        Field(
            description="With schema_type custom: a schema document instead of DDL, as `GET .../schema` answers with.",
            examples=[_DOCUMENT_EXAMPLE],
        ),
    ] = None
    limits: Annotated[Limits | None, Field(description="Limits to begin with.")] = None


class DatabaseResponse(BaseModel):
    """One database."""

    graph_id: str
    schema_type: SchemaType
    repository_name: str | None
    status: DatabaseStatus
    status_reason: str | None = Field(description="For a broken database: why, and what to do.")
    created_at: datetime
    engine_version: str | None
    storage_version: int | None = Field(description="Version of the engine's file format.")
    limits: Limits
    possible_loss: list[str] = Field(description="Recoveries in which rows may have been lost; empty as a rule.")

    @classmethod
    def from_domain(cls, record: DatabaseRecord) -> Self:
        """Return the wire form of a record."""
        return cls(**_record_fields(record))


class DatabaseDetailResponse(DatabaseResponse):
    """One database with its figures of this moment."""

    open: bool = Field(description="Whether a process holds it open now; a closed one opens with its next query.")
    size_bytes: int = Field(ge=0, description="Bytes on disk.")
    memory_bytes: int = Field(ge=0, description="Private memory of its process; 0 when closed.")
    pending_queries: int = Field(ge=0, description="Queries that run or wait.")
    restarts: int = Field(ge=0, description="Restarts of its process since the node started.")

    @classmethod
    def from_parts(cls, record: DatabaseRecord, state: DatabaseState) -> Self:
        """Return the wire form of a record and its figures."""
        return cls(
            **_record_fields(record),
            open=state.open,
            size_bytes=state.size_bytes,
            memory_bytes=state.memory_bytes,
            pending_queries=state.pending_queries,
            restarts=state.restarts,
        )


def _record_fields(record: DatabaseRecord) -> dict[str, Any]:
    """Return the fields that both answers share."""
    return {
        "graph_id": record.graph_id.value,
        "schema_type": record.schema_type,
        "repository_name": record.repository_name,
        "status": record.status,
        "status_reason": record.status_reason,
        "created_at": record.created_at,
        "engine_version": record.engine_version,
        "storage_version": record.storage_version,
        "limits": Limits.from_domain(record.limits),
        "possible_loss": list(record.possible_loss),
    }


class DatabaseListResponse(BaseModel):
    """One page of databases."""

    databases: list[DatabaseResponse]
    total: int = Field(ge=0, description="Databases of the node in all.")
    next_after: str | None = Field(description="Pass as `after` for the next page; null on the last.")


class DeleteDatabaseResponse(BaseModel):
    """Answer to the deletion of a database."""

    status: Literal["success"] = "success"
    graph_id: str


class ColumnResponse(BaseModel):
    """One column of a table."""

    name: str
    type: str = Field(description="The engine's spelling, for example INT64, STRING[], DECIMAL(18, 2).")
    primary_key: bool = Field(description="Whether it identifies the nodes of the table.")
    description: str
    default: Any = Field(
        None,
        description='Value of rows that give none: JSON, `{"function": ...}`, or `{"expression": ...}` for one that '
        "only DDL can declare. Left out if there is none.",
    )


class EndpointResponse(BaseModel):
    """A pair of node tables that a relationship table connects."""

    from_: str = Field(alias="from")
    to: str


class TableResponse(BaseModel):
    """A node or relationship table."""

    name: str
    kind: Literal["node", "relationship"]
    description: str
    columns: list[ColumnResponse]
    endpoints: list[EndpointResponse] | None = Field(None, description="For relationships.")
    multiplicity: Literal["many_to_many", "many_to_one", "one_to_many", "one_to_one"] | None = Field(
        None, description="For relationships whose document declared it."
    )
    row_count: int | None = Field(None, ge=0, description="On request, with ?counts=true.")


class SchemaResponse(BaseModel):
    """The tables of a database; accepted as a schema document for another one."""

    tables: list[TableResponse]


class ExtendSchemaRequest(RequestModel):
    """Body of `POST /databases/{graph_id}/schema`: DDL text or a schema document with the tables to add."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ddl": "CREATE NODE TABLE City(name STRING PRIMARY KEY)"}, {"schema": _DOCUMENT_EXAMPLE}]
        }
    )

    ddl: Annotated[str | None, Field(max_length=1_000_000, description="DDL statements separated by ';'.")] = None
    schema_document: Annotated[
        dict[str, object] | None,
        Field(
            alias="schema",
            description="A schema document with the tables to add, as `GET .../schema` answers with.",
            examples=[_DOCUMENT_EXAMPLE],
        ),
    ] = None


class DatabaseMetricsResponse(BaseModel):
    """Figures of one database."""

    graph_id: str
    open: bool = Field(description="Whether a process holds it open now.")
    size_bytes: int = Field(ge=0, description="Bytes on disk.")
    memory_bytes: int = Field(ge=0, description="Private memory of its process; 0 when closed.")
    pending_queries: int = Field(ge=0, description="Queries that run or wait.")
    restarts: int = Field(ge=0, description="Restarts of its process since the node started.")
    limits: Limits
