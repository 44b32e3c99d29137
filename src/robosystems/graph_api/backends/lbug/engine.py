"""LadybugDB in this process; the only module that imports it.

One `Engine` owns one database file. Each `EngineConnection` runs one statement at a time, on any thread; only
`interrupt` may be called beside a running statement. All errors are domain errors, except that an interrupted statement
raises `StatementInterrupted`: who interrupted it knows whether that was a deadline or a cancel.

Speed comes from the binding's private classes: a prepared statement of our own cache runs twice as fast as text through
the public connection. They are used with the versions in `PROVEN_VERSIONS` only, and only if they look as expected;
otherwise everything goes through the public API, slower but the same. See `native_binding`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, cast
from uuid import UUID

import ladybug

from robosystems.graph_api.backends.lbug.engine_batches import BATCHES
from robosystems.graph_api.backends.lbug.engine_errors import (
    is_degraded_commit,
    is_interrupted,
    is_log_failure,
    opening_error,
    to_domain_error,
)
from robosystems.graph_api.backends.lbug.engine_public import PublicConnection
from robosystems.graph_api.backends.lbug.engine_result import FAILURES, EngineResult
from robosystems.graph_api.backends.lbug.engine_values import EngineDecimal
from robosystems.graph_api.domain.errors import GraphApiError, InvalidParameterError, QueryMemoryExceededError

PROVEN_VERSIONS: Final = frozenset({"0.22.0"})
"""Versions of the engine whose private classes were tested."""

_KEPT_ROWS: Final = 2_000
"""A plan holds the rows of its last result, in the buffer pool, until it runs again or is dropped. After a larger
result it is dropped: a few of them would leave no memory for anything else, and a new plan costs little beside it.
"""

Parameters = Mapping[str, object]
"""Values by name: JSON values; dates, times, UUIDs, bytes and `engine_values`; `pyarrow.Table` for what is scanned."""


class StatementInterrupted(Exception):  # noqa: N818 (an event that the caller turns into the error that it means)
    """The statement was stopped by `interrupt()` and has changed nothing."""


class DegradedCommit(Exception):  # noqa: N818 (a success, told by the engine as an error)
    """The statement is committed and durable, but the checkpoint after it failed (disk full)."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How to open a database.

    Attributes:
        path: The database file; it is created if it is missing.
        buffer_pool_bytes: Size of the buffer pool, at least 64 MiB.
        max_db_bytes: Address space that is reserved for the file: a power of two.
        threads: Threads for one statement.
        statement_cache: Prepared statements kept per connection.
    """

    path: Path
    buffer_pool_bytes: int = 256 << 20
    max_db_bytes: int = 64 << 30
    threads: int = 2
    statement_cache: int = 256


def native_binding() -> Any | None:  # noqa: ANN401 (an untyped extension module)
    """Return the binding's private module, loaded and initialised, or None if it is not the one that was tested.

    Call it once before any thread or fork: several threads that initialise it at once fail.
    """
    version = str(ladybug.Database.get_version())
    try:
        from ladybug._backend import get_pybind_module  # noqa: PLC0415 (private: may be missing)
    except ImportError:
        return None
    module: Any = get_pybind_module()
    if module is None or version not in PROVEN_VERSIONS:
        return None
    expected = {"Connection": ("prepare", "execute", "query", "interrupt", "close"), "Database": ("close",)}
    complete = all(hasattr(getattr(module, name, None), part) for name, parts in expected.items() for part in parts)
    return module if complete else None


def signature(parameters: Parameters) -> tuple[object, ...] | None:
    """Return what decides the plan of a statement besides its text: the engine's type of each parameter.

    The engine narrows integers by value; a plan prepared for one width reads garbage from another. Parameters whose
    type takes a look at every element (nested or mixed lists, objects) give None: such a statement is prepared each
    time, which costs less than looking.
    """
    kinds: list[object] = []
    for name in sorted(parameters) if len(parameters) > 1 else parameters:
        kind = _kind(parameters[name])
        if kind is None:
            return None
        kinds += (name, kind)
    return tuple(kinds)


def _kind(value: object) -> str | None:
    if type(value) is int:
        return _int_kind(value)
    if type(value) is list:
        inner = set(map(type, cast("list[object]", value)))
        return _LIST_KINDS.get(inner.pop()) if len(inner) == 1 else None
    if type(value) is EngineDecimal:
        return f"{value.precision},{value.scale}"
    return _SCALAR_KINDS.get(type(value))


_TYPED_KINDS: Final[dict[type, str]] = {bytes: "x", date: "d", datetime: "t", timedelta: "v", UUID: "u"}
_SCALAR_KINDS: Final[dict[type, str]] = {str: "s", float: "f", bool: "b", type(None): "n"} | _TYPED_KINDS
_LIST_KINDS: Final[dict[type, str]] = {str: "[s", int: "[i", float: "[f", bool: "[b"}


def _int_kind(value: int) -> str:
    if -(2**7) <= value < 2**7:
        return "1"
    if 0 <= value < 2**8:
        return "u1"
    if -(2**15) <= value < 2**15:
        return "2"
    if 0 <= value < 2**16:
        return "u2"
    if -(2**31) <= value < 2**31:
        return "4"
    return "u4" if 0 <= value < 2**32 else "8"


class EngineConnection:
    """One connection. Close it before its engine.

    Attributes:
        failure: Set once a file of the database could not be written. Every statement is refused with it from then on,
            because the engine may wait for ever; the process has to end, and the next opening repairs the log.
    """

    def __init__(self, native: Any, *, prepares: bool, cache_size: int) -> None:  # noqa: ANN401 (the binding's object)
        self._native = native
        self._prepares = prepares
        self._cache_size = cache_size
        self._prepared: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self.failure: GraphApiError | None = None

    @property
    def cached_statements(self) -> int:
        """Prepared statements held."""
        return len(self._prepared)

    def run(self, text: str, parameters: Parameters | None = None, *, keep: bool = True) -> EngineResult:
        """Run exactly one statement and return its rows.

        Args:
            text: The statement.
            parameters: A value for each `$name` in it, and no others.
            keep: Keep its plan for the next time. Not for `CALL`, some of which look at the database when they are
                planned; and inside a transaction plans made before a change of the schema have to be forgotten.

        Raises:
            StatementInterrupted: `interrupt` was called meanwhile.
            DegradedCommit: The statement is committed; the checkpoint after it failed.
            GraphApiError: As `engine_errors` says; nothing was changed, and an open transaction is rolled back.
        """
        if self.failure is not None:
            raise self.failure
        try:
            return EngineResult(self._execute(text, parameters or {}, keep=keep))
        except FAILURES as error:
            raise self._translated(error) from error

    def run_plain(self, text: str) -> EngineResult:
        """Run trusted text without parameters and without keeping its plan: DDL, transaction control, maintenance."""
        if self.failure is not None:
            raise self.failure
        try:
            return EngineResult(self._native.query(text))
        except FAILURES as error:
            raise self._translated(error) from error

    def count_nodes(self, table: str) -> int:
        """Return the number of nodes of a table, uncommitted ones of this connection included."""
        try:
            return int(self._native.get_num_nodes(table))
        except FAILURES as error:
            raise self._translated(error) from error

    def count_relationships(self, table: str) -> int:
        """Return the number of relationships of a table; as `count_nodes`."""
        try:
            return int(self._native.get_num_rels(table))
        except FAILURES as error:
            raise self._translated(error) from error

    def prepare_batches(self) -> None:
        """Let results of this process be read batch by batch; see `engine_batches`. With one thread, before forking."""
        with self.run_plain("RETURN 1") as result:
            result.install(BATCHES)

    def set_threads(self, threads: int) -> None:
        """Set the threads for the statements that follow."""
        self._native.set_max_threads_for_exec(threads)

    def interrupt(self) -> None:
        """Stop the running statement; from any thread. Lost on one that is still being compiled: repeat it."""
        self._native.interrupt()

    def forget_statements(self) -> None:
        """Drop all prepared statements; after a change of the schema."""
        self._prepared.clear()

    def close(self) -> None:
        """Close the connection; its results are gone. Idempotent."""
        self._prepared.clear()
        self._native.close()

    def _execute(self, text: str, parameters: Parameters, *, keep: bool) -> Any:  # noqa: ANN401 (the binding's result)
        if not self._prepares:
            return self._native.execute(text, parameters)
        native: Any = self._native
        types = signature(parameters) if keep else None
        if types is None:
            return native.execute(native.prepare(text, parameters), parameters)
        key = (text, *types)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepare(key, text, parameters)
        else:
            self._prepared.move_to_end(key)
        result = native.execute(prepared, parameters)
        if result.getNumTuples() > _KEPT_ROWS:
            self._prepared.pop(key, None)
        return result

    def _prepare(self, key: tuple[object, ...], text: str, parameters: Parameters) -> Any:  # noqa: ANN401 (binding)
        prepared: Any = self._native.prepare(text, parameters)
        if not prepared.is_success():
            raise RuntimeError(prepared.get_error_message())
        self._prepared[key] = prepared
        if len(self._prepared) > self._cache_size:
            self._prepared.popitem(last=False)
        return prepared

    def _translated(self, error: Exception) -> Exception:
        if is_interrupted(error):
            return StatementInterrupted()
        if is_degraded_commit(error):
            return DegradedCommit(str(error))
        if is_log_failure(error):
            self.failure = to_domain_error(error)
            return self.failure
        if isinstance(error, (TypeError, ValueError, OverflowError)):
            return InvalidParameterError(f"A parameter is of a kind that the engine cannot take: {error}")
        domain_error = to_domain_error(error)
        if isinstance(domain_error, QueryMemoryExceededError):
            self.forget_statements()
        return domain_error


class Engine:
    """One open database file. Keep exactly one per file and machine: the engine's own lock is weak."""

    version: Final = str(ladybug.Database.get_version())
    storage_version: Final = int(ladybug.Database.get_storage_version())

    def __init__(self, database: Any, binding: Any | None, config: EngineConfig) -> None:  # noqa: ANN401 (binding)
        self._database = database
        self._binding = binding
        self._config = config

    @classmethod
    def open(cls, config: EngineConfig, *, recover: bool = False, public_only: bool = False) -> Self:
        """Open or create the database file. The engine's threads inherit the calling thread's nice value.

        Args:
            config: Where and how.
            recover: Replay a damaged write-ahead log up to the first bad record instead of refusing to open.
            public_only: Use the public API even if the private one is known.

        Raises:
            StorageVersionError: The file is of another storage version.
            DatabaseBrokenError: The file or its log is damaged.
            GraphApiError: Others as `engine_errors` says.
        """
        binding = None if public_only else native_binding()
        arguments: dict[str, Any] = {
            "buffer_pool_size": config.buffer_pool_bytes,
            "max_num_threads": config.threads,
            "max_db_size": config.max_db_bytes,
            "throw_on_wal_replay_failure": not recover,
        }
        maker: Any = ladybug.Database if binding is None else binding.Database
        try:
            return cls(maker(str(config.path), **arguments), binding, config)
        except FAILURES as error:
            raise opening_error(error) from error

    def connect(self, threads: int | None = None) -> EngineConnection:
        """Open a connection; `threads` for one statement, by default the engine's."""
        count = self._config.threads if threads is None else threads
        if self._binding is not None:
            native: Any = self._binding.Connection(self._database, count)
        else:
            native = PublicConnection(ladybug.Connection(self._database, count))
        return EngineConnection(native, prepares=self._binding is not None, cache_size=self._config.statement_cache)

    def close(self) -> None:
        """Checkpoint and close; all connections must be closed. Idempotent."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
