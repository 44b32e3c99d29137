"""Legal names as the OpenAPI document shows them; `domain/ids.py` is what checks them, with errors of their own."""

from typing import Any, Final

GRAPH_ID_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
TABLE_NAME_PATTERN: Final = "^[A-Za-z_][A-Za-z0-9_]{0,127}$"


def documented(pattern: str) -> dict[str, Any]:
    """Return a pattern as documentation: the framework does not check it."""
    return {"pattern": pattern}
