"""Running writes: alone, several in one commit, as a transaction; and loads."""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineResult, Parameters
from robosystems.graph_api.backends.lbug.log_note import LogNote
from robosystems.graph_api.backends.lbug.wire import (
    Format,
    ImportOrder,
    Kind,
    LoadOrder,
    RunRequest,
    StatementPart,
    SummaryFlag,
    TransactionRequest,
)
from robosystems.graph_api.domain.errors import DiskFullError, GraphApiError
from robosystems.graph_api.domain.load import LoadProgress
from robosystems.graph_api.worker.answers import Replies
from robosystems.graph_api.worker.channel import PeerGoneError
from robosystems.graph_api.worker.counting import Counter
from robosystems.graph_api.worker.desk import Desk
from robosystems.graph_api.worker.encoding import answer_without_rows, pieces
from robosystems.graph_api.worker.executor import BEGIN, COMMIT, Executor
from robosystems.graph_api.worker.parameters import decode_parameters
from robosystems.graph_api.worker.reads import shape_of
from robosystems.graph_api.worker.requests import Request
from robosystems.graph_api.worker.results import Figures, Piece
from robosystems.graph_api.worker.schema_gate import SchemaGate
from robosystems.graph_api.worker.statements import NO_CHANGES, StatementBook, StatementFacts

_ENCODE_HERE_ROWS: Final = 1000
"""Longer results of writes are encoded by a thread of their own, so that a slow client doesn't hold the lane."""

_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Write:
    """One statement that is ready to run.

    Attributes:
        request: Whose it is.
        order: What was asked for.
        facts: What is known about the text.
        parameters: Values, decoded.
        result: Its rows, once it has run.
        figures: What its answer says, once it has run.
    """

    request: Request
    order: RunRequest
    facts: StatementFacts
    parameters: Parameters
    result: EngineResult | None = None
    figures: Figures | None = None

    @property
    def can_be_grouped(self) -> bool:
        """Whether nothing has to be counted around it, it changes no tables, and does not keep the others waiting."""
        facts = self.facts
        return facts.counters is not None and not facts.is_schema_change and not facts.is_long


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """What the writer lane works with.

    Attributes:
        book: Facts about texts.
        gate: Keeps reads away from changes of the schema.
        directory: The database's directory, for loads.
        engine_threads: Threads for loads, transactions and long statements.
    """

    book: StatementBook
    gate: SchemaGate
    directory: Path
    engine_threads: int


class Writes:
    """Runs writes on one connection; used by one thread.

    Attributes:
        spoiled: Whether a load failed in a way after which this process must not write any more (see `EngineSpoiled`).
    """

    def __init__(self, executor: Executor, desk: Desk, replies: Replies, settings: WriteSettings) -> None:
        self.executor = executor
        self.desk = desk
        self.replies = replies
        self.note = LogNote(settings.directory)
        self._settings = settings
        self._counter = Counter(executor)
        self.spoiled = False

    def prepare(self, request: Request, order: RunRequest) -> Write:
        """Look at a statement without running it.

        Raises:
            GraphApiError: It cannot be run.
        """
        facts = self._settings.book.facts(order.text)
        return Write(request, order, facts, decode_parameters(order.parameters, facts.parameters))

    # -- single statements --------------------------------------------------------------------------------------------

    def run_alone(self, request: Request, write: Write) -> None:
        """Run a statement, which commits by itself, and answer it; raises what is answered instead."""
        facts = write.facts
        self.executor.use_threads(self._settings.engine_threads if facts.is_long else 1)
        tables = write.order.counted_tables
        counting = facts.counters is None and tables != ()
        exact = facts.statement.deletes
        before = self._counter.count(tables, exact=exact) if counting else None
        if facts.is_schema_change:
            with self._changing_schema(request):
                self._execute(write)
        else:
            self._execute(write)
        self.desk.commits += facts.statement.writes
        if before is not None:
            counters = before.until(self._counter.count(tables, exact=exact))
            facts.learn(counters)
        else:
            counters = facts.counters or NO_CHANGES
        self._answer(request, write, counters)

    def _execute(self, write: Write) -> None:
        started = perf_counter()
        degraded = False
        try:
            write.result = self.executor.run(
                write.request, write.order.text, write.parameters, keep=write.facts.keeps_plan
            )
        except DegradedCommit:
            degraded = True
        elapsed = (perf_counter() - started) * 1000.0
        write.facts.execution_ms = elapsed
        write.figures = Figures(elapsed, degraded=degraded)

    def _answer(self, request: Request, write: Write, counters: Mapping[str, int]) -> None:
        """Answer a statement that is committed."""
        request.committed = True
        figures, result, order = write.figures, write.result, write.order
        assert figures is not None  # noqa: S101 (set by whoever ran it)
        figures.counters = counters
        if result is None:  # Committed, but the engine gave an error instead of the rows.
            self.replies.plain(
                write.request.request_id,
                answer_without_rows(figures, order.format),
                figures.execution_ms,
                figures.flags,
            )
            return
        write.facts.rows = result.row_count
        encoded = pieces(result, shape_of(write.facts, result), order.format, order.max_rows, figures)
        if result.row_count <= _ENCODE_HERE_ROWS:
            with closing(result):
                self.replies.rows(request, encoded, figures)
            return

        request.handed_over = True
        threading.Thread(
            target=self._encode, args=(request, result, encoded, figures), name="encode", daemon=True
        ).start()

    def _encode(self, request: Request, result: EngineResult, encoded: Iterator[Piece], figures: Figures) -> None:
        """Body of a thread that answers one write."""
        replies = self.desk.replies()
        with closing(result), suppress(PeerGoneError):
            self.desk.answer(request, replies, replies.rows, encoded, figures)
            replies.flush()
        self.desk.pending.pop(request.request_id, None)

    # -- several in one commit ----------------------------------------------------------------------------------------

    def run_group(self, group: Sequence[Write]) -> None:
        """Run statements that can be grouped and answer all of them; one commit if none fails, else one by one."""
        if not self._commit_together(group):
            for write in group:
                self.desk.answer(write.request, self.replies, self.run_alone, write)
            return
        self.desk.commits += 1
        for write in group:
            self.desk.answer(write.request, self.replies, self._answer_one_of_group, write)

    def _answer_one_of_group(self, request: Request, write: Write) -> None:
        """Answer a statement of a group that is committed; one that was left out has to stop."""
        if write.figures is None:
            raise request.error()
        self._answer(request, write, write.facts.counters or NO_CHANGES)

    def _commit_together(self, group: Sequence[Write]) -> bool:
        self.executor.use_threads(1)
        try:
            self.executor.control(BEGIN)
            for write in group:
                # What was stopped before its turn is left out: to fail would send all the others round again.
                if not write.request.has_to_stop():
                    self._execute(write)
            self.executor.control(COMMIT)
        except DegradedCommit:
            for write in group:
                if write.figures is not None:
                    write.figures.degraded = True
        except GraphApiError:
            self.executor.roll_back()
            for write in group:
                if write.result is not None:
                    write.result.close()
                write.result = write.figures = None
            return False
        return True

    # -- transactions -------------------------------------------------------------------------------------------------

    def run_transaction(self, request: Request, order: TransactionRequest) -> None:
        """Run all statements in one transaction and answer with one document."""
        started = perf_counter()
        self.executor.use_threads(self._settings.engine_threads)
        if self._changes_schema(order):
            with self._changing_schema(request):
                documents, rows, flags = self._run_parts(request, order)
        else:
            documents, rows, flags = self._run_parts(request, order)
        self.desk.commits += 1
        elapsed = (perf_counter() - started) * 1000.0
        body = b'{"results":[%b],"execution_time_ms":%.3f}' % (b",".join(documents), elapsed)
        self.replies.plain(request.request_id, body, elapsed, flags, rows=rows)

    def _changes_schema(self, order: TransactionRequest) -> bool:
        """Whether a statement may change tables; one that is no statement fails in its turn."""
        with suppress(GraphApiError):
            return any(self._settings.book.facts(part.text).is_schema_change for part in order.statements)
        return True

    def _run_parts(self, request: Request, order: TransactionRequest) -> tuple[list[bytes], int, SummaryFlag]:
        """Run all statements and commit; return their documents, how many rows these have, and flags."""
        documents: list[bytes] = []
        rows = 0
        self.executor.control(BEGIN)
        try:
            for number, part in enumerate(order.statements, 1):
                figures, document = self._run_part(request, part, order.max_rows, number)
                documents.append(document)
                rows += figures.rows
            request.check()
            self.executor.control(COMMIT)
        except DegradedCommit:
            return documents, rows, SummaryFlag.DEGRADED
        except BaseException:
            self.executor.roll_back()
            raise
        return documents, rows, SummaryFlag.NONE

    def _run_part(
        self, request: Request, part: StatementPart, max_rows: int | None, number: int
    ) -> tuple[Figures, bytes]:
        try:
            facts = self._settings.book.facts(part.text)
            parameters = decode_parameters(part.parameters, facts.parameters)
            counting = facts.counters is None and part.counted_tables != ()
            before = self._counter.count(part.counted_tables, exact=True) if counting else None
            started = perf_counter()
            with closing(self.executor.run(request, part.text, parameters, keep=facts.keeps_plan)) as result:
                figures = Figures((perf_counter() - started) * 1000.0)
                if facts.is_schema_change:
                    self._forget_schema()
                after = None if before is None else self._counter.count(part.counted_tables, exact=True)
                figures.counters = facts.counters or NO_CHANGES
                if before is not None and after is not None:
                    figures.counters = before.until(after)
                    facts.learn(figures.counters)
                encoded = pieces(result, shape_of(facts, result), Format.JSON, max_rows, figures)
                return figures, b"".join(encoded)
        except GraphApiError as error:
            error.context.update(statement_number=number, statement=part.text[:1000])
            raise

    # -- loads --------------------------------------------------------------------------------------------------------

    def load(self, request: Request, order: LoadOrder) -> None:
        """Load a file and answer with the report."""
        # Heavy, and often not needed.
        from robosystems.graph_api.worker.loading import DegradedLoad, EngineSpoiled, Watch, load_file  # noqa: PLC0415

        def tell(progress: LoadProgress) -> None:
            self.replies.frame(Kind.PROGRESS, _encode(progress), request.request_id)
            self.replies.flush()

        started = perf_counter()
        flags = SummaryFlag.NONE
        self.executor.use_threads(self._settings.engine_threads)
        watch = Watch(request.check, tell if order.progress else None)
        try:
            with self.executor.interruptible(request):
                try:
                    report = load_file(self.executor.connection, order, self._settings.directory, watch)
                except EngineSpoiled as event:
                    self.spoiled = True
                    raise event.cause from event
        except DegradedLoad as event:
            if event.logged:
                flags = SummaryFlag.DEGRADED
            else:
                self._checkpoint_load()
            report = event.report
        self.desk.commits += 1
        self.replies.plain(request.request_id, _encode(report), (perf_counter() - started) * 1000.0, flags)

    def _checkpoint_load(self) -> None:
        """Make a load durable whose checkpoint failed. Unlike those of other writes, its rows are in no log.

        Raises:
            DiskFullError: That failed again. The rows go with this process, which ends without another checkpoint.
        """
        connection = self.executor.connection
        try:
            connection.run_plain("CHECKPOINT").close()
        except (GraphApiError, DegradedCommit) as error:
            connection.failure = DiskFullError(
                "The disk of this node is full or refuses writes: nothing was loaded. Free space, then send it again."
            )
            raise connection.failure from error

    def import_archive(self, request: Request, order: ImportOrder) -> None:
        """Build the database from an archive and answer with the report."""
        from robosystems.graph_api.worker.archive.building import import_archive  # noqa: PLC0415 (as for loads)

        started = perf_counter()
        self.executor.use_threads(self._settings.engine_threads)
        with self._changing_schema(request), self.executor.interruptible(request):
            report = import_archive(self.executor.connection, order, self._settings.directory, request.check)
        self.replies.plain(request.request_id, _encode(report), (perf_counter() - started) * 1000.0)

    @contextmanager
    def _changing_schema(self, request: Request) -> Generator[None]:
        """Change the schema in the block, with no read beside it and everything forgotten afterwards."""
        with self._settings.gate.closed(request):
            try:
                yield
            finally:
                self._settings.book.forget()
                self._forget_schema()

    def _forget_schema(self) -> None:
        """Forget what rests on the schema that this connection sees, uncommitted changes included."""
        self._counter.forget_tables()
        self.executor.connection.forget_statements()
