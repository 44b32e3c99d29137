"""Wire models of queries. The hot path decodes bodies with msgspec; the pydantic models are their documentation."""

from typing import Annotated, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from robosystems.graph_api.models.database import RequestModel

Mode = Literal["auto", "read", "write"]

NDJSON_EXAMPLE: Final = (
    '{"name":"Ada","age":36}\n'
    '{"name":"Grace","age":45}\n'
    '{"summary":{"columns":["name","age"],"types":["STRING","INT64"],"row_count":2,"truncated":false,'
    '"execution_time_ms":0.562}}\n'
)
"""A complete stream."""

_RESULT_EXAMPLE: Final[JsonDict] = {
    "columns": ["name"],
    "types": ["STRING"],
    "data": [{"name": "Grace"}],
    "row_count": 1,
    "truncated": False,
    "execution_time_ms": 0.6,
}


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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"cypher": "MATCH (p:Person) WHERE p.age > $age RETURN p.name AS name", "parameters": {"age": 40}},
                {"cypher": "MATCH (p:Person) RETURN count(*) AS people", "mode": "read", "timeout": 5, "max_rows": 1},
            ]
        }
    )

    timeout: Annotated[float | None, Field(gt=0, description="Seconds until an answer is due.", examples=[30])] = None
    database: Annotated[str | None, Field(description="Optional; must equal the id in the path.")] = None
    mode: Annotated[
        Mode,
        Field(description="read refuses writes; write queues behind other writes; auto decides by the text."),
    ] = "auto"
    max_rows: Annotated[
        int | None,
        Field(ge=1, le=2**53 - 1, description="Rows after which the answer is cut; for JSON at most LBUG_MAX_ROWS."),
    ] = None


class TransactionRequestModel(RequestModel):
    """Body of `POST /databases/{graph_id}/transaction`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "statements": [
                        {"cypher": "CREATE (:Person {name: $name, age: 72})", "parameters": {"name": "Edsger"}},
                        {"cypher": "MATCH (p:Person) RETURN count(*) AS people"},
                    ]
                }
            ]
        }
    )

    statements: Annotated[
        list[StatementModel], Field(min_length=1, max_length=1_000, description="Statements, run in this order.")
    ]
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

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULT_EXAMPLE]})

    columns: Annotated[list[str], Field(description="Names; repeated ones become x, x_2.")]
    types: Annotated[list[str], Field(description="The engine's types, one per column.")]
    data: Annotated[
        list[dict[str, object]] | list[list[object]],
        Field(description="A row keyed by column each; arrays with ?format=arrays."),
    ]
    row_count: Annotated[int, Field(ge=0, description="Rows in this answer.")]
    truncated: Annotated[bool, Field(description="Whether more rows existed than are here.")]
    execution_time_ms: Annotated[float, Field(ge=0, description="Milliseconds in the engine.")]
    counters: Annotated[
        WriteCounters | None, Field(description="For what ran as a write, and in transactions; else left out.")
    ] = None


class TransactionResponseModel(BaseModel):
    """Answer to a transaction: everything is durable."""

    results: Annotated[list[QueryResponseModel], Field(description="One per statement, in order.")]
    execution_time_ms: Annotated[float, Field(ge=0, description="Milliseconds in the engine, the commit included.")]


class RunningQueryModel(BaseModel):
    """A query that runs or waits."""

    query_id: Annotated[str, Field(description="Name to cancel it by; its answer carries it as X-Query-Id.")]
    cypher: Annotated[str, Field(description="The statement, shortened to 1,000 characters.")]
    mode: Mode
    elapsed_ms: Annotated[float, Field(ge=0, description="Milliseconds since it was admitted.")]
    timeout_s: Annotated[float, Field(gt=0, description="Its allowance in seconds.")]


class RunningQueriesResponse(BaseModel):
    """Queries of one database, oldest first."""

    graph_id: str
    queries: list[RunningQueryModel]


class CancelResponse(BaseModel):
    """Answer to the cancellation of a query: the order was given."""

    status: Literal["success"] = "success"
    query_id: str
