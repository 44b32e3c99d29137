"""Wire models of loading."""

from typing import Literal

from pydantic import BaseModel, Field


class RejectedRow(BaseModel):
    """A row that `on_error=skip` left out."""

    row: int = Field(ge=1, description="Number of the data row, from 1.")
    reason: str = Field(
        description="Stable name of what is wrong; the same as in errors of loads.", examples=["unfit_value"]
    )
    detail: str = Field(description="The same in words.")
    line: int | None = Field(default=None, description="Physical line of a text file, from 1, where known.")
    column: str | None = Field(default=None, description="Column of the file.")
    value: str | None = Field(default=None, description="Its value, shortened.")


class LoadResponse(BaseModel):
    """Answer to a load. Always `rows_in_file` = `rows_loaded` + `rows_updated` + `rows_skipped`."""

    status: Literal["success"] = "success"
    graph_id: str
    table_name: str
    mode: Literal["append", "upsert", "replace"] = "append"
    rows_in_file: int = Field(ge=0, description="Rows of the file.")
    rows_loaded: int = Field(ge=0, description="Rows of the file that are new in the table.")
    rows_updated: int = Field(default=0, ge=0, description="Rows of the file that changed one of the table.")
    rows_deleted: int = Field(default=0, ge=0, description="mode=replace: rows of the table that were removed.")
    rows_skipped: int = Field(default=0, ge=0, description="on_error=skip: rows of the file that were left out.")
    columns: list[str] = Field(description="Columns of the table that were filled.")
    ignored_columns: list[str] = Field(description="Columns of the file that were left out on request.")
    rejects: list[RejectedRow] = Field(
        default_factory=list[RejectedRow], description="The first rows that were left out."
    )
    rejects_url: str | None = Field(
        default=None, description="Where the rows that were left out can be read as NDJSON, for a while."
    )
    rejects_complete: bool = Field(default=True, description="Whether all of them are there: the file is bounded.")
    execution_time_ms: float = Field(ge=0, description="Milliseconds in the backend, the upload not counted.")
