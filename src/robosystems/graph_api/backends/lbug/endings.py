"""How the end of a worker is told: closed in order, ended on purpose, or died."""

import logging
from typing import Final

from robosystems.graph_api.backends.lbug.observer import BackendObserver, CloseReason, KillReason
from robosystems.graph_api.backends.lbug.worker_process import WorkerProcess
from robosystems.graph_api.domain.ids import GraphId

_LOG: Final = logging.getLogger(__name__)


def report_end(observer: BackendObserver, graph_id: GraphId, worker: WorkerProcess, reason: CloseReason | None) -> None:
    """Tell an observer of a worker that has ended; of one that was killed it has been told already.

    Args:
        observer: Who is told.
        graph_id: The worker's database.
        worker: It has ended.
        reason: Why it was ordered to close; None if it was not.
    """
    if worker.killed is not None:
        return
    if reason is not None and (worker.cause == "exit 0" or worker.ended_spoiled):
        observer.closed(graph_id, reason)
    elif worker.ended_spoiled:
        observer.killed(graph_id, KillReason.SPOILED)
    elif worker.ran_out_of_memory:
        _LOG.error("the kernel ended the process of database %s: it used more memory than it may", graph_id)
        observer.killed(graph_id, KillReason.MEMORY)
    else:
        _LOG.error("the process of database %s died (%s)", graph_id, worker.cause)
        observer.crashed(graph_id, worker.cause)
