"""How the fuzzer sends what it has no serializer for: text as it is, any other value as a line of JSON."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/jsonl", "text/csv")
def lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """Return a body."""
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode("utf-8", errors="surrogatepass")
