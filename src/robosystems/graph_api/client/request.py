"""From an operation to the arguments of an HTTP request; the same for both clients."""

import json
from typing import Any, Final

from robosystems.graph_api.client.operations import Operation

DEFAULT_TIMEOUT_S: Final = 60.0
"""Seconds that a client waits for operations without a time-out of their own."""

_GRACE_S: Final = 5.0
"""Seconds that a client waits longer than the server was given, so that the server's own answer arrives."""


def request_arguments(operation: Operation[Any]) -> dict[str, Any]:
    """Return the keyword arguments of `httpx.Client.request` and `stream` for an operation."""
    arguments: dict[str, Any] = {
        "method": operation.method,
        "url": operation.path,
        "params": dict(operation.query),
        "headers": dict(operation.headers),
    }
    if operation.content is not None:
        arguments["content"] = operation.content
    elif operation.document is not None:
        arguments["content"] = json.dumps(operation.document, allow_nan=False).encode()
        arguments["headers"]["Content-Type"] = "application/json"
    if operation.timeout_s is not None:
        arguments["timeout"] = operation.timeout_s + _GRACE_S
    return arguments
