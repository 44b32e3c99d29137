"""Reads of the service's own: introspection and counts."""

import time
from typing import Final

from robosystems.graph_api.backends.lbug.answers import collect_rows
from robosystems.graph_api.backends.lbug.calls import RunCall
from robosystems.graph_api.backends.lbug.database import Database
from robosystems.graph_api.backends.lbug.introspection import Rows
from robosystems.graph_api.domain.query import AccessMode, Query, ResultFormat

OWN_TIMEOUT_S: Final = 60.0
"""For statements of the service's own: definitions, introspection, counts."""

OWN_BYTES: Final = 16_000_000
"""Bytes that the answer to such a statement may have."""


class OwnQueries:
    """Runs statements of the service's own on one database; all of them together have a minute."""

    def __init__(self, database: Database, credit: int) -> None:
        self._database = database
        self._credit = credit
        self._deadline = time.monotonic() + OWN_TIMEOUT_S

    async def __call__(self, text: str) -> Rows:
        """Run one read."""
        left = max(0.0, self._deadline - time.monotonic())
        query = Query(text, AccessMode.READ, left, "", format=ResultFormat.JSON_ARRAYS)
        return await collect_rows(await self._database.request(RunCall(query, self._credit)), OWN_BYTES)
