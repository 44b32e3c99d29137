"""Keys and tokens."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, status
from pydantic.json_schema import SkipJsonSchema

from robosystems.graph_api.core.keys import NewKey
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.models.keys import (
    ChangeKeyRequest,
    CreateKeyRequest,
    DeleteKeyResponse,
    IssueTokenRequest,
    KeyListResponse,
    KeyResponse,
    NewKeyResponse,
    TokenResponse,
)
from robosystems.graph_api.routers.deps import PrincipalDep, ServicesDep, describe_request
from robosystems.graph_api.routers.errors import problem_responses

router = APIRouter(tags=["keys"])

KeyIdPath = Annotated[
    str, Path(description="Id of the key: a part of it that is no secret.", examples=["4xGk1Zq8T0bE"])
]

_ONE_KEY = problem_responses(errors.KeyNotFoundError)


@router.post(
    "/keys",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(errors.DiskFullError, errors.InsufficientStorageError),
)
async def create_key(
    body: CreateKeyRequest, request: Request, principal: PrincipalDep, services: ServicesDep
) -> NewKeyResponse:
    """Make a key. The answer holds it; nobody can show it again."""
    new = NewKey(body.name, body.scope, body.graphs, body.expires_in_seconds)
    record, key = await services.keys.create(new, principal)
    describe_request(request.scope, audit_target=record.key_id)
    return NewKeyResponse.with_secret(record, key)


@router.get("/keys")
async def list_keys(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Keys per page.")] = 100,
    after: Annotated[
        str | SkipJsonSchema[None],
        Query(max_length=63, description="Id after which the page begins; need not exist (any more)."),
    ] = None,
) -> KeyListResponse:
    """List keys by id, a page at a time; never their secrets. The keys of GRAPH_API_KEY are not among them."""
    page = services.keys.page(limit=limit, after=after)
    return KeyListResponse(
        keys=[KeyResponse.from_domain(record) for record in page.records],
        total=page.total,
        next_after=page.next_after,
    )


@router.get("/keys/{key_id}", responses=_ONE_KEY)
async def get_key(key_id: KeyIdPath, services: ServicesDep) -> KeyResponse:
    """Describe a key."""
    return KeyResponse.from_domain(services.keys.get(key_id))


@router.patch("/keys/{key_id}", responses=problem_responses(errors.KeyNotFoundError, errors.DiskFullError))
async def change_key(key_id: KeyIdPath, body: ChangeKeyRequest, request: Request, services: ServicesDep) -> KeyResponse:
    """Rename, disable, enable a key, or let it expire; in force with the answer. Scope and graphs never change."""
    describe_request(request.scope, audit_target=key_id[:80])
    changes: dict[str, object] = {}
    for field in ("name", "disabled"):
        if field in body.model_fields_set:
            changes[field] = getattr(body, field)
            if changes[field] is None:
                raise InvalidRequestError(f"body.{field}: null is no value for it; leave it out to keep it as it is.")
    if "expires_in_seconds" in body.model_fields_set:
        changes["expires_in_s"] = body.expires_in_seconds
    return KeyResponse.from_domain(await services.keys.change(key_id, changes))


@router.delete("/keys/{key_id}", responses=_ONE_KEY)
async def delete_key(key_id: KeyIdPath, request: Request, services: ServicesDep) -> DeleteKeyResponse:
    """Delete a key; it and the tokens that it issued open nothing from now on."""
    describe_request(request.scope, audit_target=key_id[:80])
    await services.keys.delete(key_id)
    return DeleteKeyResponse(key_id=key_id)


@router.post("/tokens", status_code=status.HTTP_201_CREATED)
async def issue_token(body: IssueTokenRequest, principal: PrincipalDep, services: ServicesDep) -> TokenResponse:
    """Issue a token that opens no more than the key that asks for it, and only for a while.

    It is meant for browsers, which cannot keep a key and whose event streams cannot send a header: GET takes it in the
    URL as `access_token`. It ends with its key.
    """
    issued = services.keys.issue_token(principal, body.scope, body.graphs, body.expires_in_seconds)
    return TokenResponse(
        access_token=issued.token,
        scope=issued.claims.scope,
        graphs=list(issued.claims.graphs) if issued.claims.graphs is not None else None,
        expires_at=issued.expires_at,
    )
