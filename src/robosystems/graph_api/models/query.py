"""Wire models of queries. The hot path decodes bodies with msgspec; the pydantic models are their documentation."""

from typing import Annotated, Literal

import msgspec
from pydantic import BaseModel, Field

from robosystems.graph_api.models.database import RequestModel

Mode = Literal["auto", "read", "write"]


class QueryBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a query as decoded; the parameters stay as JSON text for the process that binds them."""

    cypher: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    timeout: float | None = None
    database: str | None = None
    mode: Mode = "auto"
    max_rows: int | None = None


class StatementBody(msgspec.Struct, forbid_unknown_fields=True):
    """One statement of a transaction as decoded."""

    cypher: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class TransactionBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a transaction as decoded."""

    statements: list[StatementBody]
    timeout: float | None = None
    database: str | None = None


class StatementModel(RequestModel):
    """One statement of a transaction."""

    cypher: Annotated[str, Field(description="One Cypher statement.")]
    parameters: Annotated[
        dict[str, object] | None, Field(description="Values of the statement's $parameters.", examples=[{"id": 7}])
    ] = None


class QueryRequestModel(StatementModel):
    """Body of `POST /databases/{graph_id}/query`."""

    timeout: Annotated[float | None, Field(gt=0, description="Seconds until an answer is due.", examples=[30])] = None
    database: Annotated[str | None, Field(description="Optional; must equal the id in the path.")] = None
    mode: Annotated[
        Mode,
        Field(description="read refuses writes; write queues behind other writes; auto decides by the text."),
    ] = "auto"
    max_rows: Annotated[int | None, Field(ge=1, description="Rows after which the answer is cut.")] = None


class TransactionRequestModel(RequestModel):
    """Body of `POST /databases/{graph_id}/transaction`."""

    statements: Annotated[list[StatementModel], Field(min_length=1, max_length=1_000)]
    timeout: Annotated[float | None, Field(gt=0, description="Seconds until an answer is due.")] = None
    database: Annotated[str | None, Field(description="Optional; must equal the id in the path.")] = None


class WriteCounters(BaseModel):
    """Net changes in the number of nodes and relationships."""

    nodes_created: int = 0
    nodes_deleted: int = 0
    relationships_created: int = 0
    relationships_deleted: int = 0


class QueryResponseModel(BaseModel):
    """Answer as `application/json`."""

    columns: Annotated[list[str], Field(description="Names; repeated ones become x, x_2.")]
    types: Annotated[list[str], Field(description="The engine's types, one per column.")]
    data: Annotated[
        list[dict[str, object]] | list[list[object]],
        Field(description="A row keyed by column each; arrays with ?format=arrays."),
    ]
    row_count: int
    truncated: Annotated[bool, Field(description="Whether more rows existed than are here.")]
    execution_time_ms: float
    counters: Annotated[WriteCounters | None, Field(description="For writes.")] = None


class TransactionResponseModel(BaseModel):
    """Answer to a transaction: everything is durable."""

    results: list[QueryResponseModel]
    execution_time_ms: float


class RunningQueryModel(BaseModel):
    """A query that runs or waits."""

    query_id: str
    cypher: Annotated[str, Field(description="The statement, shortened to 1,000 characters.")]
    mode: Mode
    elapsed_ms: float
    timeout_s: float


class RunningQueriesResponse(BaseModel):
    """Queries of one database, oldest first."""

    graph_id: str
    queries: list[RunningQueryModel]


class CancelResponse(BaseModel):
    """Answer to the cancellation of a query: the order was given."""

    status: str = "success"
    query_id: str
