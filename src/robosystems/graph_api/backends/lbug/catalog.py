"""All databases of a node: which there are, how they come to be, and how they go."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

from robosystems.graph_api.backends.lbug import refusals
from robosystems.graph_api.backends.lbug.database import Database, DatabaseServices
from robosystems.graph_api.backends.lbug.manifest import (
    Manifest,
    ManifestError,
    ManifestState,
    read_manifest,
    unreadable_record,
    write_manifest,
)
from robosystems.graph_api.backends.lbug.record_keeper import RecordKeeper
from robosystems.graph_api.backends.lbug.storage_layout import DatabaseDirectory, DataRoot, storage_error
from robosystems.graph_api.domain.errors import (
    DatabaseBusyError,
    DatabaseExistsError,
    InvalidGraphIdError,
    NodeFullError,
)
from robosystems.graph_api.domain.graph import DatabaseRecord
from robosystems.graph_api.domain.ids import GraphId

_LOG: Final = logging.getLogger(__name__)


class Catalog:
    """Finds, adds and removes databases. Belongs to the event loop; work on files runs in threads.

    Args:
        root: Where they lie.
        max_databases: How many there may be.
        services: What they share.
    """

    def __init__(self, root: DataRoot, max_databases: int, services: DatabaseServices) -> None:
        self._root = root
        self._max_databases = max_databases
        self._services = services
        self._databases: dict[str, Database] = {}
        self._incomplete: set[Database] = set()
        self._in_progress: dict[str, str] = {}  # Folded names that are being created or deleted -> which of the two.

    def __iter__(self) -> Iterator[Database]:
        """Iterate over the complete databases, sorted by name."""
        return iter([self._databases[name] for name in sorted(self._databases)])

    def active(self) -> list[Database]:
        """Return all databases that may have a worker, those that are being created included, in any order."""
        return [*self._databases.values(), *self._incomplete]

    def get(self, graph_id: GraphId) -> Database:
        """Return one database.

        Raises:
            DatabaseNotFoundError: There is none of this name, or it is not complete.
        """
        database = self._databases.get(graph_id.value)
        if database is None:
            raise refusals.not_found(graph_id)
        return database

    async def load(self) -> None:
        """Read what is on disk, and remove what interrupted creations and deletions left there.

        Raises:
            OSError: The base directory cannot be read.
        """
        for record, directory in await asyncio.to_thread(_scan, self._root):
            keeper = RecordKeeper(record, directory, self._services.background)
            self._databases[record.graph_id.value] = Database(keeper, self._services)

    async def create(self, record: DatabaseRecord, build: Callable[[Database], Awaitable[DatabaseRecord]]) -> Database:
        """Add a database: make its directory, let `build` fill it, and list it. If anything fails, nothing is left.

        Args:
            record: What to keep of it.
            build: Fills it and returns the completed record.

        Raises:
            DatabaseExistsError: The name, or one that differs only in case, is taken.
            NodeFullError: There are as many databases as there may be.
            GraphApiError: What `build` raises, or the file system refused.
        """
        graph_id = record.graph_id
        folded = graph_id.value.casefold()
        self._check_free(graph_id)
        self._in_progress[folded] = "created"
        try:
            database = await self._make(record)
            self._incomplete.add(database)
            try:
                completed = await build(database)
                await database.keeper.update(lambda _: completed, ManifestState.READY)
            except BaseException:
                await self._discard_incomplete(database)
                raise
            finally:
                self._incomplete.discard(database)
            self._databases[graph_id.value] = database
            return database
        finally:
            del self._in_progress[folded]

    async def drop(self, graph_id: GraphId) -> None:
        """Remove a database with its files.

        Raises:
            DatabaseNotFoundError: There is none.
            DatabaseBusyError: It is being created or deleted.
            UnavailableError: The file system refused; the database is still there.
        """
        folded = graph_id.value.casefold()
        if folded in self._in_progress:
            raise DatabaseBusyError(f"Database {graph_id} is being {self._in_progress[folded]}.", retry_after=1.0)
        database = self.get(graph_id)
        self._in_progress[folded] = "deleted"
        try:
            del self._databases[graph_id.value]
            await database.remove()
            try:
                await asyncio.to_thread(self._root.discard, database.keeper.directory)
            except OSError as error:
                self._databases[graph_id.value] = Database(database.keeper, self._services)
                raise storage_error(error) from error
        finally:
            del self._in_progress[folded]

    @asynccontextmanager
    async def staged(self, database: Database) -> AsyncGenerator[Database]:
        """Give a new, empty database without a name, in which the future content of `database` can be built.

        It has a worker of its own; on leaving, what is left of it is removed.

        Raises:
            GraphApiError: The file system refused.
        """
        try:
            directory = await asyncio.to_thread(self._root.new_directory)
        except OSError as error:
            raise storage_error(error) from error
        keeper = RecordKeeper(database.keeper.record, directory, self._services.background)
        keeper.state = ManifestState.CREATING
        staged = Database(keeper, self._services)
        self._incomplete.add(staged)
        try:
            yield staged
        finally:
            await self._services.background.finish(self._discard_staged(staged), f"discard {directory.path.name}")

    async def _discard_staged(self, staged: Database) -> None:
        self._incomplete.discard(staged)
        await self._discard_incomplete(staged)

    async def exchange(
        self,
        database: Database,
        check: Callable[[Database], Awaitable[None]],
        replace_file: Callable[[DatabaseDirectory], None],
    ) -> None:
        """Close a database, replace its file, and let it be opened again; calls that come meanwhile are refused.

        Args:
            database: The database.
            check: Given the database once more, when nobody else can use it; raises if it is not to be changed.
            replace_file: Replaces the file in the directory, in one step; blocks.

        Raises:
            DatabaseNotFoundError: It was deleted meanwhile.
            DatabaseBusyError: It is being deleted.
            GraphApiError: What `check` raises, or the file system refused. Nothing was changed.
        """
        name, folded = database.graph_id.value, database.graph_id.value.casefold()
        if self._databases.get(name) is not database:
            raise refusals.not_found(database.graph_id)
        self._in_progress[folded] = "filled by an import"
        try:
            await database.stop()
            alone = Database(database.keeper, self._services)
            self._incomplete.add(alone)
            try:
                await check(alone)
            finally:
                await alone.stop()
                self._incomplete.discard(alone)
            await asyncio.to_thread(replace_file, database.keeper.directory)
        except OSError as error:
            raise storage_error(error) from error
        finally:
            self._databases[name] = Database(database.keeper, self._services)
            del self._in_progress[folded]

    async def _discard_incomplete(self, database: Database) -> None:
        await database.remove()
        try:
            await asyncio.to_thread(self._root.discard, database.keeper.directory)
        except OSError as error:  # Its manifest says that it is incomplete: the next start tries again.
            _LOG.error("database %s was not created, but its files are left: %s", database.graph_id, error)

    def _check_free(self, graph_id: GraphId) -> None:
        folded = graph_id.value.casefold()
        taken = next((name for name in self._databases if name.casefold() == folded), None)
        if taken is not None or self._in_progress.get(folded) == "created":
            other = "" if taken in (None, graph_id.value) else f" (as {taken}: names may not differ in case only)"
            raise DatabaseExistsError(f"Database {graph_id} exists already{other}.", graph_id=graph_id.value)
        if folded in self._in_progress:
            raise DatabaseBusyError(f"Database {graph_id} is being deleted.", retry_after=1.0)
        count = len(self._databases) + sum(what == "created" for what in self._in_progress.values())
        if count >= self._max_databases:
            raise NodeFullError(
                f"This node holds {count} databases, which is its maximum. Use another node or delete one.",
                max_databases=self._max_databases,
            )

    async def _make(self, record: DatabaseRecord) -> Database:
        def make() -> DatabaseDirectory:
            directory = self._root.new_directory()
            try:
                write_manifest(directory, Manifest.of(record, ManifestState.CREATING))
                return self._root.give_name(directory, record.graph_id)
            except BaseException:
                self._root.discard(directory)
                raise

        try:
            directory = await asyncio.to_thread(make)
        except OSError as error:
            raise storage_error(error) from error
        keeper = RecordKeeper(record, directory, self._services.background)
        keeper.state = ManifestState.CREATING
        return Database(keeper, self._services)


def _scan(root: DataRoot) -> list[tuple[DatabaseRecord, DatabaseDirectory]]:
    removed = root.remove_leftovers()
    found: list[tuple[DatabaseRecord, DatabaseDirectory]] = []
    for path in root.database_directories():
        try:
            directory = root.directory(GraphId.parse(path.name))
        except InvalidGraphIdError:
            _LOG.warning("%s does not belong to a database and is left alone", path)
            continue
        try:
            manifest = read_manifest(directory)
        except ManifestError as error:
            _LOG.error("database %s: %s", path.name, error)
            found.append((unreadable_record(path, str(error)), directory))
            continue
        if manifest.state is ManifestState.CREATING:
            root.discard(directory)
            removed += 1
        else:
            found.append((manifest.to_record(), directory))
    if removed:
        _LOG.warning("removed %d directories of interrupted creations and deletions", removed)
    return found
