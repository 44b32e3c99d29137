"""How the fuzzer sends what it has no serializer for: lines of text as they are, values as their JSON."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/jsonl", "text/csv")
class LinesSerializer:
    """Bytes and text as they are; any other value as one line of JSON."""

    def as_requests(self, context: schemathesis.SerializationContext, value: Any) -> dict[str, Any]:
        """Return the arguments of `requests` for a body."""
        return {"data": as_bytes(value)}

    def as_werkzeug(self, context: schemathesis.SerializationContext, value: Any) -> dict[str, Any]:
        """Return the arguments of a WSGI client for a body."""
        return {"data": as_bytes(value)}


def as_bytes(value: Any) -> bytes:
    """Return a body."""
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode("utf-8", errors="surrogatepass")
