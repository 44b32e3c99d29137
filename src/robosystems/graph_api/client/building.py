"""Requests from their parts, for the operations."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Literal, TypedDict
from urllib.parse import quote

from robosystems.graph_api.client.operation import Request, Safety
from robosystems.graph_api.client.parameters import encode_parameters
from robosystems.graph_api.domain.errors import GraphApiError

Mode = Literal["auto", "read", "write"]
"""`read` refuses writes, `write` waits behind the writes before it, `auto` decides by the statement."""

_REMEMBERED: Final = 256


class StreamOptions(TypedDict, total=False):
    """Options of a streamed query; None is the same as leaving one out.

    Attributes:
        timeout: Seconds until the answer must be complete.
        mode: See `Mode`.
        max_rows: Rows after which the answer is cut and says `truncated`.
    """

    timeout: float | None
    mode: Mode | None
    max_rows: int | None


class QueryOptions(StreamOptions, total=False):
    """Options of a query, besides those of a streamed one.

    Attributes:
        idempotency_key: Your name for this call, so that a server that knows it does not do it twice. Writes that name
            none get a fresh one.
    """

    idempotency_key: str | None


def database_path(graph_id: str, *parts: str) -> str:
    """Return a path below a database with every part quoted."""
    return "/".join(["/databases", *(quote(part, safe="") for part in (graph_id, *parts))])


@lru_cache(maxsize=_REMEMBERED)
def _may_write(cypher: str) -> bool:
    """Return whether a statement may change something; what cannot be read here may."""
    from robosystems.graph_api.domain.statement import classify  # noqa: PLC0415 - tokenizers cost import time

    try:
        return classify(cypher).writes
    except GraphApiError:
        return True


def query_request(
    graph_id: str,
    cypher: str,
    parameters: Mapping[str, object] | None,
    options: StreamOptions | QueryOptions,
    key: str | None,
) -> Request:
    """Return the request of a query."""
    body: dict[str, object] = {"cypher": cypher, "parameters": encode_parameters(parameters) if parameters else {}}
    mode, max_rows = options.get("mode"), options.get("max_rows")
    if mode is not None:
        body["mode"] = mode
    if max_rows is not None:
        body["max_rows"] = max_rows
    writes = mode == "write" or (mode != "read" and _may_write(cypher))
    return Request(
        "POST",
        database_path(graph_id, "query"),
        document=body,
        timeout_s=options.get("timeout"),
        sends_timeout=True,
        safety=Safety.WRITE if writes else Safety.READ,
        takes_key=writes,
        key=key,
    )


def write_request(method: str, path: str, body: Mapping[str, object] | None, key: str | None = None) -> Request:
    """Return a request that changes something."""
    return Request(method, path, document=body, sends_timeout=True, safety=Safety.WRITE, takes_key=True, key=key)


def changed(request: Request, **changes: Any) -> Request:  # noqa: ANN401 - as dataclasses.replace
    """Return a request with some fields changed; headers are added."""
    if "headers" in changes:
        changes["headers"] = {**request.headers, **changes["headers"]}
    return replace(request, **changes)
