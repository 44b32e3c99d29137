"""Wire models of keys and tokens."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from robosystems.graph_api.domain.access import MAX_PATTERNS, KeyRecord, Scope
from robosystems.graph_api.models.database import RequestModel

_TEN_YEARS_S: Final = 10 * 366 * 86_400
_LONGEST_TOKEN_S: Final = 3_600
_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\*?$"

Pattern = Annotated[str, Field(pattern=_PATTERN)]
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=MAX_PATTERNS)]
Name = Annotated[str, Field(min_length=1, max_length=200, description="What people call it.")]
Lifetime = Annotated[int, Field(ge=1, le=_TEN_YEARS_S)]
_GRAPHS: Final = "Graphs it may see: names, or beginnings of names with `*` behind them. Left out: all."


class CreateKeyRequest(RequestModel):
    """Body of `POST /keys`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "nightly load", "scope": "write", "graphs": ["kg1a2b3c4d5"]},
                {
                    "name": "dashboards of team a",
                    "scope": "read",
                    "graphs": ["team-a-*"],
                    "expires_in_seconds": 7776000,
                },
            ]
        }
    )

    name: Name
    scope: Annotated[Scope, Field(description="`read`; `write`: also changes data; `admin`: also databases and keys.")]
    graphs: Annotated[Patterns | None, Field(description=_GRAPHS)] = None
    expires_in_seconds: Annotated[
        Lifetime | None, Field(description="Seconds until it opens nothing any more. Left out: never.")
    ] = None


class ChangeKeyRequest(RequestModel):
    """Body of `PATCH /keys/{key_id}`: fields that are not sent stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"disabled": True}, {"expires_in_seconds": 604800}]})

    name: Name | SkipJsonSchema[None] = None
    disabled: Annotated[
        bool | SkipJsonSchema[None], Field(description="Whether it opens nothing; takes effect at once.")
    ] = None
    expires_in_seconds: Annotated[
        Lifetime | None, Field(description="Seconds from now until it opens nothing any more; null: never.")
    ] = None


class KeyResponse(BaseModel):
    """One key, without its secret."""

    key_id: str = Field(description="Its public name: the first 12 characters behind `graph_api_`.")
    name: str
    scope: Scope
    graphs: list[str] | None = Field(description="Graphs it may see; null: all.")
    created_at: datetime
    created_by: str = Field(description="Id of the key that made it; `admin` for the keys of GRAPH_API_KEY.")
    expires_at: datetime | None
    disabled: bool
    last_used_at: datetime | None = Field(description="Survives a crash to within a minute.")

    @classmethod
    def from_domain(cls, record: KeyRecord) -> Self:
        """Return the wire form."""
        return cls(**_members(record))


class NewKeyResponse(KeyResponse):
    """A key that was just made."""

    key: str = Field(description="The key itself: shown now, and never again.")

    @classmethod
    def with_secret(cls, record: KeyRecord, key: str) -> Self:
        """Return the wire form."""
        return cls(**_members(record), key=key)


class KeyListResponse(BaseModel):
    """One page of keys, sorted by id."""

    keys: list[KeyResponse]
    total: int = Field(ge=0, description="How many there are in all.")
    next_after: str | None = Field(description="Send as `after` for the next page; null on the last one.")


class DeleteKeyResponse(BaseModel):
    """A key was deleted."""

    status: str = "success"
    key_id: str


class IssueTokenRequest(RequestModel):
    """Body of `POST /tokens`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"graphs": ["kg1a2b3c4d5"], "expires_in_seconds": 300}]})

    scope: Annotated[Scope, Field(description="No more than that of the key.")] = Scope.READ
    graphs: Annotated[Patterns | None, Field(description="No more than those of the key. Left out: those.")] = None
    expires_in_seconds: Annotated[int, Field(ge=1, le=_LONGEST_TOKEN_S, description="Seconds that it is good for.")] = (
        300
    )


class TokenResponse(BaseModel):
    """A token that was just issued."""

    access_token: str = Field(description="Send it as a key, or with GET as `?access_token=`.")
    scope: Scope
    graphs: list[str] | None = Field(description="Graphs it may see; null: those of its key.")
    expires_at: datetime


def _members(record: KeyRecord) -> dict[str, Any]:
    """Return what both forms of a key hold."""
    return {
        "key_id": record.key_id,
        "name": record.name,
        "scope": record.scope,
        "graphs": record.graphs.patterns if record.graphs is not None else None,
        "created_at": record.created_at,
        "created_by": record.created_by,
        "expires_at": record.expires_at,
        "disabled": record.disabled,
        "last_used_at": record.last_used_at,
    }
