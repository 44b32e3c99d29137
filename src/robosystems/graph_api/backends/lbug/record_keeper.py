"""The record of one database in memory and on disk, changed in both or in neither."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from robosystems.graph_api.backends.lbug.manifest import Manifest, ManifestState, write_manifest
from robosystems.graph_api.backends.lbug.storage_layout import DatabaseDirectory, storage_error
from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.graph import DatabaseRecord, DatabaseStatus

if TYPE_CHECKING:
    from pathlib import Path

_LOG: Final = logging.getLogger(__name__)


class RecordKeeper:
    """Keeps the record of one database.

    Args:
        record: As it is on disk, or is to be.
        directory: Where the manifest lies.
        background: Runs the writing.

    Attributes:
        record: The present one. Assigning to it changes the memory only.
        state: How far creation has come.
        incoming: Files that clients are just sending, or that wait to be loaded.
    """

    def __init__(self, record: DatabaseRecord, directory: DatabaseDirectory, background: BackgroundTasks) -> None:
        self.record = record
        self.directory = directory
        self.state = ManifestState.READY
        self.incoming: set[Path] = set()
        self._background = background
        self._lock = asyncio.Lock()

    @property
    def manifest(self) -> Manifest:
        """The manifest as it is on disk, or is to be."""
        return Manifest.of(self.record, self.state)

    async def update(
        self, change: Callable[[DatabaseRecord], DatabaseRecord], state: ManifestState | None = None
    ) -> DatabaseRecord:
        """Change the record durably and return it. Changes come one after another; cancelling the caller stops none.

        Args:
            change: Makes the new record of the present one.
            state: How far creation has come with it; None for no change.

        Raises:
            GraphApiError: The disk refused; nothing was changed.
        """
        return await self._background.finish(self._update(change, state), f"keep the record of {self.record.graph_id}")

    async def quarantine(self, reason: str) -> None:
        """Note that the database is broken, on disk too if the disk allows and the database is complete."""
        self.record = replace(self.record, status=DatabaseStatus.BROKEN, status_reason=reason)
        if self.state is ManifestState.READY:
            try:
                await self.update(lambda record: record)
            except GraphApiError as error:  # It holds in memory all the same.
                _LOG.warning("the quarantine of %s cannot be written down: %s", self.record.graph_id, error)

    async def _update(
        self, change: Callable[[DatabaseRecord], DatabaseRecord], state: ManifestState | None
    ) -> DatabaseRecord:
        async with self._lock:
            record = change(self.record)
            state = state or self.state
            try:
                await asyncio.to_thread(write_manifest, self.directory, Manifest.of(record, state))
            except OSError as error:
                raise storage_error(error) from error
            self.record = record
            self.state = state
            return record
