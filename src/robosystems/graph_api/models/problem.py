"""The body of every error answer (RFC 9457)."""

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """An error: `application/problem+json`. Further members hold values of the particular error."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="URI of the kind of error; stable.", examples=["urn:graph-api:problem:database-not-found"]
    )
    title: str = Field(description="The kind of error in words; the same for every occurrence.")
    status: int = Field(ge=400, le=599, description="HTTP status, repeated from the status line.")
    detail: str = Field(description="What is wrong with this request: the field, the limit, what to do instead.")
    code: str = Field(description="Stable name of the kind of error, to decide by.", examples=["DATABASE_NOT_FOUND"])
    request_id: str = Field(description="Name of the request in the logs, also in the header X-Request-ID.")
    retryable: bool = Field(description="Whether the same request can succeed later without being changed.")
    retry_after: float | None = Field(
        default=None, ge=0, description="Seconds to wait before a repetition; also, rounded up, in Retry-After."
    )
