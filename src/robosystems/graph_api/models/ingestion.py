"""Wire models of loading."""

from typing import Literal

from pydantic import BaseModel, Field


class LoadResponse(BaseModel):
    """Answer to a load: every row of the file is in the table."""

    status: Literal["success"] = "success"
    graph_id: str
    table_name: str
    rows_loaded: int = Field(ge=0, description="Rows of the file.")
    columns: list[str] = Field(description="Columns of the table that were filled.")
    ignored_columns: list[str] = Field(description="Columns of the file that were left out on request.")
    execution_time_ms: float = Field(ge=0, description="Milliseconds in the backend, the upload not counted.")
