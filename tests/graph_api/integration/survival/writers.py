"""Clients that write without pause and note everything in a journal."""

import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.graph_api.integration.survival.journal import Entry, Journal, Outcome
from tests.graph_api.server_process import ServerProcess

_OPEN_QUESTIONS: Final = frozenset({"WORKER_CRASHED", "QUERY_TIMEOUT", "INTERNAL", "INTERNAL_ERROR"})
"""Codes of answers that do not say whether the write was done."""

_REL: Final = "MATCH (a:N {id: 0}), (b:N {id: 1}) CREATE (a)-[:E {op: $op}]->(b)"
_NODE: Final = "CREATE (:N {id: $id, op: $op})"
_TAKEN: Final = {"cypher": _NODE, "parameters": {"id": 0, "op": -1}}
_IDS_PER_OP: Final = 1_000
_PAUSE_S: Final = 0.02
_NO_SERVER_PAUSE_S: Final = 0.2

Send = Callable[[httpx.Client, Entry], httpx.Response]


@dataclass(frozen=True)
class Kind:
    """A way to write.

    Attributes:
        name: What the journal calls it.
        rows: How many rows it makes.
        send: Sends it.
    """

    name: str
    rows: int
    send: Send


def _row(http: httpx.Client, entry: Entry) -> httpx.Response:
    return http.post(f"/databases/{entry.graph_id}/query", json={"cypher": _REL, "parameters": {"op": entry.op}})


def _node(http: httpx.Client, entry: Entry) -> httpx.Response:
    return http.post(f"/databases/{entry.graph_id}/query", json=_new_node(entry, 0))


def _taken_key(http: httpx.Client, entry: Entry) -> httpx.Response:
    """Send a row that is always refused: those that would be committed together with it are not to suffer."""
    return http.post(f"/databases/{entry.graph_id}/query", json=_TAKEN)


def _transaction(http: httpx.Client, entry: Entry) -> httpx.Response:
    rows = [_new_node(entry, 0), _new_node(entry, 1)]
    relationships = [{"cypher": _REL, "parameters": {"op": entry.op}}] * 3
    return http.post(f"/databases/{entry.graph_id}/transaction", json={"statements": [*rows, *relationships]})


def _failing_transaction(http: httpx.Client, entry: Entry) -> httpx.Response:
    """Send a transaction whose last statement is refused."""
    return http.post(f"/databases/{entry.graph_id}/transaction", json={"statements": [_new_node(entry, 0), _TAKEN]})


def _load_relationships(http: httpx.Client, entry: Entry) -> httpx.Response:
    return _load(http, entry, "E", "from,to,op\n" + f"0,1,{entry.op}\n" * entry.rows)


def _load_nodes(http: httpx.Client, entry: Entry) -> httpx.Response:
    first = entry.op * _IDS_PER_OP
    return _load(http, entry, "N", "id,op\n" + "".join(f"{first + i},{entry.op}\n" for i in range(entry.rows)))


def _load(http: httpx.Client, entry: Entry, table: str, text: str) -> httpx.Response:
    headers = {"Content-Type": "text/csv"}
    return http.post(f"/databases/{entry.graph_id}/load/{table}", content=text.encode(), headers=headers)


def _new_node(entry: Entry, number: int) -> dict[str, Any]:
    return {"cypher": _NODE, "parameters": {"id": entry.op * _IDS_PER_OP + number, "op": entry.op}}


KINDS: Final = (
    Kind("row", 1, _row),
    Kind("row", 1, _row),
    Kind("node", 1, _node),
    Kind("taken-key", 0, _taken_key),
    Kind("transaction", 5, _transaction),
    Kind("failing-transaction", 0, _failing_transaction),
    Kind("load", 200, _load_relationships),
    Kind("load-nodes", 300, _load_nodes),
)
ROW: Final = KINDS[0]
REFUSED_KINDS: Final = frozenset({"taken-key", "failing-transaction"})
BY_NAME: Final = {kind.name: kind for kind in KINDS}


def write(http: httpx.Client, journal: Journal, graph_id: str, kind: Kind) -> Entry:
    """Send one write and note its answer."""
    entry = journal.sent(graph_id, kind.name, kind.rows)
    try:
        answer = kind.send(http, entry)
    except httpx.ConnectError as error:  # Nobody has seen the request.
        journal.settle(entry, Outcome.REFUSED, repr(error))
    except httpx.TransportError as error:
        journal.settle(entry, Outcome.UNKNOWN, repr(error))
    else:
        journal.settle(entry, *_judged(answer))
    return entry


def _judged(answer: httpx.Response) -> tuple[Outcome, str]:
    if answer.is_success:
        return Outcome.ACKNOWLEDGED, ""
    problem = answer.json()
    detail = f"{answer.status_code} {problem['code']} {problem['detail']}"
    is_open = problem["code"] in _OPEN_QUESTIONS or "until restart" in problem["detail"]
    return (Outcome.UNKNOWN if is_open else Outcome.REFUSED), detail


class Writer(threading.Thread):
    """One client that writes to one database until it is told to end."""

    def __init__(self, server: ServerProcess, journal: Journal, graph_id: str, seed: float) -> None:
        super().__init__(name=f"writer {graph_id}")
        self._server = server
        self._journal = journal
        self._graph_id = graph_id
        self._rng = random.Random(seed)
        self._end = threading.Event()

    def run(self) -> None:
        """Write."""
        with self._server.http() as http:
            while not self._end.is_set():
                entry = write(http, self._journal, self._graph_id, self._rng.choice(KINDS))
                if "ConnectError" in entry.detail:
                    time.sleep(_NO_SERVER_PAUSE_S)
                elif entry.outcome is not Outcome.ACKNOWLEDGED:
                    time.sleep(_PAUSE_S)

    def end(self) -> None:
        """Let the write that runs be the last."""
        self._end.set()


@contextmanager
def writing(
    server: ServerProcess, journal: Journal, graph_ids: tuple[str, ...], rng: random.Random, *, clients: int
) -> Generator[None]:
    """Have so many clients write to each database while the block runs."""
    writers = [Writer(server, journal, name, rng.random()) for name in graph_ids for _ in range(clients)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        for writer in writers:
            writer.end()
        for writer in writers:
            writer.join(timeout=60)
        assert not any(writer.is_alive() for writer in writers), "a write was never answered"
