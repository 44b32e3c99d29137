"""From what an exchange wants sent to the arguments of an HTTP request; the same for both clients."""

import json
from dataclasses import replace
from typing import Any

import httpx

from robosystems.graph_api.client.breaker import PROCESS_BREAKERS
from robosystems.graph_api.client.config import GraphClientConfig
from robosystems.graph_api.client.exchange import Link, Send
from robosystems.graph_api.client.operation import Pieces


def configured(
    config: GraphClientConfig | None, base_url: str | None, api_key: str | None, timeout_s: float | None
) -> GraphClientConfig:
    """Return a configuration, by default that of the environment, with what was given in its place."""
    given = {"base_url": base_url, "api_key": api_key, "timeout_s": timeout_s}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(config if config is not None else GraphClientConfig.from_environment(), **changes)


def http_options(config: GraphClientConfig) -> dict[str, Any]:
    """Return the arguments of `httpx.Client` and `httpx.AsyncClient` for a configuration."""
    headers = {"Accept-Encoding": "gzip, deflate" if config.compression else "identity"}
    if config.api_key is not None:
        headers["X-Graph-API-Key"] = config.api_key
    return {
        "base_url": config.base_url,
        "headers": headers,
        "timeout": config.timeout_s,
        # To read the certificates of all authorities takes longer than many a program: only where they are needed.
        "verify": config.verify_ssl and not config.base_url.startswith("http://"),
        "limits": httpx.Limits(
            max_connections=config.max_connections,
            max_keepalive_connections=config.max_connections,
            keepalive_expiry=config.keepalive_s,
        ),
    }


def link_of(config: GraphClientConfig) -> Link:
    """Return what the calls of a client share."""
    breaker = None
    if config.breakers_enabled:
        url = httpx.URL(config.base_url)
        name = f"{url.scheme}://{url.netloc.decode('ascii')}"
        breaker = PROCESS_BREAKERS.of(name, threshold=config.breaker_threshold, reset_s=config.breaker_reset_s)
    return Link(config, breaker)


def request_arguments(send: Send, config: GraphClientConfig) -> dict[str, Any]:
    """Return the keyword arguments of `build_request` for what shall be sent; content comes beside it."""
    request = send.request
    arguments: dict[str, Any] = {
        "method": request.method,
        "url": request.path,
        "headers": dict(request.headers),
        "timeout": httpx.Timeout(
            send.timeout_s, connect=min(config.connect_timeout_s, send.timeout_s), pool=send.timeout_s
        ),
    }
    if request.key is not None:
        arguments["headers"]["Idempotency-Key"] = request.key
    if request.query:
        arguments["params"] = dict(request.query)
    document = request.document
    if document is not None:
        if request.sends_timeout and request.timeout_s is not None:
            document = {**document, "timeout": request.timeout_s}
        arguments["content"] = json.dumps(document, allow_nan=False).encode()
        arguments["headers"]["Content-Type"] = "application/json"
    return arguments


def pieces_of(send: Send) -> Pieces | None:
    """Return the content of an upload, from its beginning."""
    return send.request.upload.pieces() if send.request.upload is not None else None
