"""Running a read: proven by the engine to be one, then bare."""

from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from robosystems.graph_api.backends.lbug.engine import EngineResult, Parameters
from robosystems.graph_api.backends.lbug.wire import RunRequest
from robosystems.graph_api.concurrency.linux import malloc_trim
from robosystems.graph_api.worker.answers import DOCUMENT_BYTES, Replies
from robosystems.graph_api.worker.encoding import pieces, small_answer
from robosystems.graph_api.worker.executor import BEGIN_READ_ONLY, COMMIT, Executor
from robosystems.graph_api.worker.parameters import decode_parameters
from robosystems.graph_api.worker.requests import Request
from robosystems.graph_api.worker.results import Figures, Shape
from robosystems.graph_api.worker.schema_gate import SchemaGate
from robosystems.graph_api.worker.statements import StatementBook, StatementFacts

_TRIM_ROWS: Final = 50_000
"""After a result of so many rows, sent or not, memory is given back to the system: the engine has held them all."""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """What all reads of a worker share.

    Attributes:
        book: Facts about texts.
        gate: Keeps changes of the schema away.
        engine_threads: Threads for a statement that is known to be long; others run in the calling thread alone, which
            is faster for short ones.
    """

    book: StatementBook
    gate: SchemaGate
    engine_threads: int


def run_read(request: Request, order: RunRequest, executor: Executor, replies: Replies, settings: ReadSettings) -> None:
    """Run a read and answer it.

    Raises:
        GraphApiError: What the caller answers instead.
    """
    facts = settings.book.facts(order.text)
    parameters = decode_parameters(order.parameters, facts.parameters)
    executor.use_threads(settings.engine_threads if facts.is_long else 1)
    started = perf_counter()
    settings.gate.enter(executor, request)
    try:
        result = _run(executor, request, facts, parameters)
    finally:
        executor.inside = False
    elapsed = (perf_counter() - started) * 1000.0
    with closing(result):
        facts.execution_ms, facts.rows = elapsed, result.row_count
        figures = Figures(elapsed)
        shape = shape_of(facts, result)
        body = small_answer(result, shape, order.format, order.max_rows, figures)
        if body is not None and len(body) <= DOCUMENT_BYTES:
            replies.document(request.request_id, body, figures)
        elif body is not None:
            replies.rows(request, iter((body,)), figures)
        else:
            replies.rows(request, pieces(result, shape, order.format, order.max_rows, figures), figures)
    if facts.rows >= _TRIM_ROWS:
        malloc_trim()


def shape_of(facts: StatementFacts, result: EngineResult) -> Shape:
    """Return the shape of a result, made anew only if its columns differ from the last time."""
    shape = facts.shape
    if shape is None or not shape.fits(result):
        shape = facts.shape = Shape(result.columns, result.types)
    return shape


def _run(executor: Executor, request: Request, facts: StatementFacts, parameters: Parameters) -> EngineResult:
    text = facts.statement.text
    keep = facts.keeps_plan
    if facts.proven_read:
        return executor.run(request, text, parameters, keep=keep)
    request.check()
    executor.control(BEGIN_READ_ONLY)
    try:
        result = executor.run(request, text, parameters, keep=keep)
    except BaseException:
        executor.roll_back()
        raise
    executor.control(COMMIT)
    facts.proven_read = True
    return result
