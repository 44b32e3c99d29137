"""Wire models of what the node says about itself."""

from typing import Literal

from pydantic import BaseModel, Field

StateWord = Literal["healthy", "degraded", "draining"]


class HealthResponse(BaseModel):
    """The state of the node in one word."""

    status: StateWord = Field(description="`degraded`: a database is in quarantine. `draining`: the node shuts down.")


class ReadyResponse(BaseModel):
    """The node takes new work."""

    status: Literal["ready"] = "ready"


class PressureResponse(BaseModel):
    """How close the node is to its limits."""

    memory_available_mb: int = Field(
        ge=0, description="What can still be used: the tighter of machine and control group."
    )
    memory_total_mb: int = Field(ge=0, description="What there is in all, likewise.")
    memory_low: bool = Field(description="Whether less than a twentieth is available.")
    pending_queries: int = Field(ge=0, description="Queries that run or wait.")
    waiting_loads: int = Field(ge=0, description="Loads that wait for their turn.")


class MechanismResponse(BaseModel):
    """One mechanism of the kernel that confines processes."""

    state: str = Field(description="Whether it is in force, is not available, or is switched off.")
    detail: str = Field(description="Why.")


class SandboxResponse(BaseModel):
    """How the processes of databases are confined, found out when the node started."""

    mode: str = Field(description="LBUG_SANDBOX.")
    confined: bool = Field(description="Whether everything essential is in force.")
    mechanisms: dict[str, MechanismResponse] = Field(description="Mechanisms by name.")


class NodeStatusResponse(BaseModel):
    """The state of the node."""

    status: StateWord = Field(description="`degraded`: a database is in quarantine. `draining`: the node shuts down.")
    node_type: str = Field(description="LBUG_NODE_TYPE.")
    tier: str = Field(description="WRITER_TIER.")
    databases: int = Field(ge=0, description="Databases on the node.")
    max_databases: int = Field(ge=1, description="LBUG_MAX_DATABASES_PER_NODE.")
    open_databases: int = Field(ge=0, description="Databases that a process holds open.")
    broken_databases: int = Field(ge=0, description="Databases in quarantine; `/status/databases` says why.")
    memory_usage_mb: int = Field(ge=0, description="Memory of the server and of all database processes, MiB.")
    max_memory_mb: int = Field(ge=1, description="LBUG_MAX_MEMORY_MB.")
    uptime_seconds: int = Field(ge=0, description="Seconds since the node started.")
    version: str = Field(description="Version of the service.")
    backend: str = Field(description="Kind of graph backend.")
    auth: Literal["on", "off"] = Field(description="Whether requests need a key.")
    sandbox: SandboxResponse
    pressure: PressureResponse


class DatabaseStateResponse(BaseModel):
    """The state of one database."""

    graph_id: str
    status: str = Field(description="`active`, or `broken`: in quarantine.")
    status_reason: str | None = Field(description="For `broken`: why, and what to do.")
    open: bool = Field(description="Whether a process holds it open.")
    size_bytes: int = Field(ge=0, description="Bytes on disk.")
    memory_mb: int = Field(ge=0, description="Private memory of its process, MiB; 0 when closed.")
    pending_queries: int = Field(ge=0, description="Queries that run or wait.")
    restarts: int = Field(ge=0, description="How often its process was restarted since the node started.")
    possible_loss: list[str] = Field(description="Recoveries in which rows may have been lost.")


class DatabaseStatesResponse(BaseModel):
    """The states of all databases, sorted by name."""

    databases: list[DatabaseStateResponse]


class NodeInfoResponse(BaseModel):
    """What the node is and what it can still take."""

    instance_id: str = Field(description="INSTANCE_ID.")
    cluster_tier: str = Field(description="WRITER_TIER.")
    node_type: str = Field(description="LBUG_NODE_TYPE.")
    available_capacity: int = Field(ge=0, description="Databases that can still be created.")
    active_connections: int = Field(ge=0, description="Requests that are being served, this one included.")
    queue_depth: int = Field(ge=0, description="Queries and loads that run or wait.")
    version: str = Field(description="Version of the service.")
    backend: str = Field(description="Kind of graph backend.")
    engine_version: str = Field(description="Version of the graph engine.")
    storage_version: int | None = Field(description="Version of the format of its files.")
    capabilities: dict[str, bool] = Field(description="What the backend can do.")
    idempotency_keys: bool = Field(description="Whether writes, loads and creations take the header Idempotency-Key.")
