"""Running statements: admission by the policy, limits, and the way to the backend."""

import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

import msgspec

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.database_manager import DatabaseManager
from robosystems.graph_api.core.result_cache import ResultCache
from robosystems.graph_api.domain.errors import (
    GraphApiError,
    InvalidParameterError,
    InvalidRequestError,
    QueryTooLongError,
    ScopeError,
    StatementForbiddenError,
)
from robosystems.graph_api.domain.graph import DatabaseLimits
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import (
    AccessMode,
    EncodedResult,
    Query,
    ResultFormat,
    RunningQuery,
    TransactionStatement,
)
from robosystems.graph_api.domain.statement import Statement, StatementKind, check, classify

MAX_TRANSACTION_STATEMENTS = 1_000
"""Statements of one transaction; more belong into an UNWIND or a load."""

MAX_ROWS_EVER = 2**53 - 1
"""The largest number of rows that can be asked for: every JSON parser reads it exactly, every wire carries it."""

_TAG_BYTES = 12
"""Of the digest in a tag: enough that nobody finds two reads with the same one."""

_CLASSIFIED_TEXTS = 4_096
"""Texts whose classification is remembered; with the default query length at most some 40 MB."""


@dataclass(frozen=True, slots=True)
class QueryConfig:
    """Limits of the node; a database's own limits go before the defaults.

    Attributes:
        default_timeout_s: Time-out of a query that names none.
        max_timeout_s: The most a query may ask for.
        max_rows: Cap on the rows of a JSON answer.
        max_query_length: Characters of one statement.
        max_parameters: Parameters of one statement.
    """

    default_timeout_s: float = 30.0
    max_timeout_s: float = 300.0
    max_rows: int = 100_000
    max_query_length: int = 10_000
    max_parameters: int = 1_000


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """One statement as a client sends it; None means that the field was not given.

    Attributes:
        cypher: The statement.
        parameters: JSON object as UTF-8 text.
        timeout_s: Seconds the client is ready to wait.
        mode: What the statement may do.
        may_write: Whether the caller may write at all.
        max_rows: Rows after which to cut.
        format: Encoding of the answer.
        explain: Return the plan instead (`plan`), or run it and return the measured plan (`profile`).
    """

    cypher: str
    parameters: bytes = b"{}"
    timeout_s: float | None = None
    mode: AccessMode = AccessMode.AUTO
    may_write: bool = True
    max_rows: int | None = None
    format: ResultFormat = ResultFormat.JSON
    explain: Literal["plan", "profile"] | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """In place of an answer: the caller knows it already.

    Attributes:
        tag: Of that answer.
    """

    tag: str


class QueryService:
    """Admits statements and runs them on the backend.

    An answer to a read has a tag, made of the version of the database's content and of all that decides the bytes of
    the answer. Two answers with the same tag say the same, except for the time that they took. Answers of statements
    that may answer differently each time have none.
    """

    def __init__(
        self, backend: GraphBackend, databases: DatabaseManager, cache: ResultCache, config: QueryConfig
    ) -> None:
        self._backend = backend
        self._databases = databases
        self._cache = cache
        self._config = config
        self._admitted = lru_cache(maxsize=_CLASSIFIED_TEXTS)(_admit)
        self._numbers = itertools.count(1)
        self._prefix = f"q-{secrets.token_hex(4)}-"

    def next_query_id(self) -> str:
        """Return a name that no other query of this node has had."""
        return f"{self._prefix}{next(self._numbers)}"

    async def run(self, graph_id: GraphId, request: QueryRequest, *, query_id: str) -> EncodedResult:
        """Run one statement.

        Raises:
            InvalidRequestError: Length, time-out, rows or parameters are out of bounds.
            StatementForbiddenError: The policy refuses the statement, or it writes in read mode.
            ScopeError: It writes, or asks for the place of a write, and the caller may only read.
            Others as `GraphBackend.run`.
        """
        query, version = await self._prepared(graph_id, request, query_id)
        if version is None:
            return await self._backend.run(graph_id, query)
        return await self._read(graph_id, query, version, _tag(version, query))

    async def read(
        self, graph_id: GraphId, request: QueryRequest, is_known: Callable[[str], bool], *, query_id: str
    ) -> EncodedResult | Unchanged:
        """Run one statement that only reads, unless the caller knows what it would answer.

        Args:
            graph_id: The database. It is not opened for an answer that is known or remembered.
            request: The statement; its mode has to be READ.
            is_known: Says of a tag whether the caller has the answer that it stands for.
            query_id: Name of the query.

        Raises:
            As `run`.
        """
        query, version = await self._prepared(graph_id, request, query_id)
        if version is None:
            return await self._backend.run(graph_id, query)
        tag = _tag(version, query)
        return Unchanged(tag) if is_known(tag) else await self._read(graph_id, query, version, tag)

    async def _prepared(self, graph_id: GraphId, request: QueryRequest, query_id: str) -> tuple[Query, str | None]:
        """Return what to send to the backend, and the version of what it will see as `_version`; raises as `run`."""
        statement = self._admit_text(_with_explain(request))
        self._check_parameters(request.parameters)
        query = self._query(statement, request, await self._databases.limits(graph_id), query_id)
        return query, self._version(graph_id, statement, query)

    def _query(self, statement: Statement, request: QueryRequest, limits: DatabaseLimits, query_id: str) -> Query:
        """Return what to send to the backend; raises as `run`."""
        _check_scope(statement, request)
        mode = _resolve_mode(statement, request.mode)
        return Query(
            text=statement.text,
            parameters=request.parameters,
            mode=mode,
            timeout_s=self.timeout(request.timeout_s, limits),
            format=request.format,
            max_rows=self._row_cap(request, limits),
            query_id=query_id,
            counted_tables=_counted_tables(statement, mode),
            may_grow=_may_grow(statement),
        )

    def _version(self, graph_id: GraphId, statement: Statement, query: Query) -> str | None:
        """Return the version of what a read will see; None if its answer does not follow from that, or is no read's."""
        if query.mode is not AccessMode.READ or statement.volatile or statement.explain == "profile":
            return None
        return self._backend.version(graph_id)

    async def _read(self, graph_id: GraphId, query: Query, version: str, tag: str) -> EncodedResult:
        """Answer a read, from memory if that is possible."""
        cache = self._cache
        if not cache.is_on:
            result = await self._backend.run(graph_id, query)
            result.tag = tag
            return result
        remembered = cache.find(graph_id, version, tag)
        if remembered is not None:
            return remembered
        result = await self._backend.run(graph_id, query)
        result.tag, result.remembered = tag, False
        if result.body is not None and self._is_still(graph_id, version):
            cache.keep(graph_id, version, tag, result)
        return result

    def _is_still(self, graph_id: GraphId, version: str) -> bool:
        """Whether nothing has changed a database since it had this version, or is changing it now."""
        try:
            return self._backend.version(graph_id) == version
        except GraphApiError:  # Deleted, or broken, since it answered.
            return False

    async def run_transaction(
        self,
        graph_id: GraphId,
        statements: Sequence[tuple[str, bytes]],
        *,
        timeout_s: float | None,
        query_id: str,
    ) -> EncodedResult:
        """Run statements (text, parameters as JSON object) in one transaction, all or nothing.

        Raises:
            InvalidRequestError: None or too many statements, or one is out of bounds; the context names it.
            StatementForbiddenError: The policy refuses one.
            Others as `GraphBackend.run_transaction`.
        """
        if not 1 <= len(statements) <= MAX_TRANSACTION_STATEMENTS:
            raise InvalidRequestError(
                f"statements: send 1 to {MAX_TRANSACTION_STATEMENTS} statements, not {len(statements)}."
            )
        limits = await self._databases.limits(graph_id)
        admitted: list[TransactionStatement] = []
        for number, (text, parameters) in enumerate(statements, start=1):
            try:
                statement = self._admit_text(text)
                self._check_parameters(parameters)
            except (InvalidRequestError, StatementForbiddenError) as error:
                raise type(error)(f"statements[{number - 1}]: {error.detail}", statement_number=number) from error
            counted = _counted_tables(statement, AccessMode.WRITE)
            admitted.append(TransactionStatement(text, parameters, counted, _may_grow(statement)))
        timeout = self.timeout(timeout_s, limits)
        return await self._backend.run_transaction(graph_id, admitted, timeout_s=timeout, query_id=query_id)

    async def running(self, graph_id: GraphId) -> Sequence[RunningQuery]:
        """Return the queries that run or wait on a database."""
        return await self._backend.running(graph_id)

    async def cancel(self, graph_id: GraphId, query_id: str) -> None:
        """Stop a query. Raises `QueryNotFoundError` if it is not pending."""
        await self._backend.cancel(graph_id, query_id)

    def timeout(self, wanted_s: float | None, limits: DatabaseLimits) -> float:
        """Return the seconds that a request gets.

        Raises:
            InvalidRequestError: More than the maximum, or not positive.
        """
        if wanted_s is None:
            default = limits.query_timeout_s if limits.query_timeout_s is not None else self._config.default_timeout_s
            return min(default, self._config.max_timeout_s)
        if not 0 < wanted_s <= self._config.max_timeout_s:
            raise InvalidRequestError(
                f"timeout: {wanted_s:g} is not between 0 and {self._config.max_timeout_s:g} seconds "
                "(LBUG_MAX_QUERY_TIMEOUT)."
            )
        return wanted_s

    def _admit_text(self, text: str) -> Statement:
        """Return the classification of an allowed statement; remembered by text."""
        if len(text) > self._config.max_query_length:
            raise QueryTooLongError(
                f"cypher: {len(text)} characters are more than {self._config.max_query_length} "
                "(LBUG_MAX_QUERY_LENGTH); pass values as parameters."
            )
        return self._admitted(text)

    def _check_parameters(self, parameters: bytes) -> None:
        """Refuse what is not a JSON object of a bounded number of parameters."""
        if parameters == b"{}":
            return
        try:
            names = msgspec.json.decode(parameters, type=dict[str, msgspec.Raw])
        except msgspec.MsgspecError as error:
            raise InvalidParameterError(
                f"parameters: must be a JSON object with a value per name ({error})."
            ) from error
        if len(names) > self._config.max_parameters:
            raise InvalidParameterError(
                f"parameters: {len(names)} are more than {self._config.max_parameters} (LBUG_MAX_PARAMETERS)."
            )

    def _row_cap(self, request: QueryRequest, limits: DatabaseLimits) -> int | None:
        """Return the number of rows after which the answer is cut."""
        wanted = request.max_rows
        if wanted is not None and not 1 <= wanted <= MAX_ROWS_EVER:
            raise InvalidRequestError(f"max_rows: must be between 1 and {MAX_ROWS_EVER}.")
        if not request.format.is_document:
            return wanted
        cap = min(limits.max_rows or self._config.max_rows, self._config.max_rows)
        if wanted is not None and wanted > cap:
            raise InvalidRequestError(
                f"max_rows: {wanted} is more than {cap} (LBUG_MAX_ROWS) for one JSON document; "
                "ask for another format, for example application/x-ndjson: only JSON documents have a cap."
            )
        return cap if wanted is None else wanted


def _admit(text: str) -> Statement:
    """Classify a statement and check it against the policy."""
    statement = classify(text)
    check(statement)
    return statement


def _with_explain(request: QueryRequest) -> str:
    """Return the statement with the prefix that `explain` asks for."""
    if request.explain is None:
        return request.cypher
    return ("EXPLAIN " if request.explain == "plan" else "PROFILE ") + request.cypher


def _check_scope(statement: Statement, request: QueryRequest) -> None:
    """Refuse to write for a caller that may only read."""
    if not request.may_write and (statement.kind is not StatementKind.READ or request.mode is AccessMode.WRITE):
        raise ScopeError(
            "This statement writes, which needs a key with the scope 'write'; this one has 'read'.", scope="write"
        )


def _resolve_mode(statement: Statement, mode: AccessMode) -> AccessMode:
    """Return READ or WRITE for a statement and what its caller allows."""
    if statement.kind is StatementKind.READ:
        return AccessMode.WRITE if mode is AccessMode.WRITE else AccessMode.READ
    if mode is AccessMode.READ:
        raise StatementForbiddenError(
            "mode: the statement writes, but mode 'read' was asked for; send it by POST with mode 'write' or 'auto'."
        )
    return AccessMode.WRITE


def _may_grow(statement: Statement) -> bool:
    """Return whether a statement may add data: it writes, and does not say that it removes something."""
    return statement.writes and not statement.deletes


def _counted_tables(statement: Statement, mode: AccessMode) -> tuple[str, ...] | None:
    """Return the tables whose sizes a write may change: those it names, or all (None) if it deletes."""
    if mode is AccessMode.READ or statement.kind is not StatementKind.WRITE:
        return ()
    return None if statement.deletes else tuple(sorted(statement.identifiers))


def _tag(version: str, query: Query) -> str:
    """Return the tag of an answer to a read of a version; the length keeps the statement apart from what follows."""
    seed = f"{len(query.text)} {query.format.value} {query.max_rows} {query.text}"
    return f"{version}-{blake2b(seed.encode() + query.parameters, digest_size=_TAG_BYTES).hexdigest()}"
