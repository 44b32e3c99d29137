"""Wire models of imports."""

from typing import Literal

from pydantic import BaseModel, Field


class ImportedTableModel(BaseModel):
    """One table of an imported archive."""

    table_name: str
    kind: Literal["node", "relationship"]
    rows_imported: int = Field(ge=0, description="Rows of the archive, all of which are in the table.")
    outcome: Literal["created", "filled"] = Field(description="`filled`: the table was there, without rows.")


class ImportResponse(BaseModel):
    """Answer to an import: the whole archive is in the database."""

    status: Literal["success"] = "success"
    graph_id: str
    nodes_imported: int = Field(ge=0, description="Nodes of all tables.")
    relationships_imported: int = Field(ge=0, description="Relationships of all tables.")
    tables: list[ImportedTableModel] = Field(description="All tables of the archive, in its order.")
    source_graph_id: str = Field(description="The database that was exported.")
    source_engine: str = Field(description="The backend that made the archive.")
    exported_at: str = Field(description="The moment that the archive shows, ISO 8601.")
    execution_time_ms: float = Field(ge=0, description="Milliseconds in the backend, the upload not counted.")
