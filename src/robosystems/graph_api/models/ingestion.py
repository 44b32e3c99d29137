"""Wire models of loading."""

from pydantic import BaseModel, Field


class LoadResponse(BaseModel):
    """Answer to a load: every row of the file is in the table."""

    status: str = "success"
    graph_id: str
    table_name: str
    rows_loaded: int
    columns: list[str] = Field(description="Columns of the table that were filled.")
    ignored_columns: list[str] = Field(description="Columns of the file that were left out on request.")
    execution_time_ms: float
