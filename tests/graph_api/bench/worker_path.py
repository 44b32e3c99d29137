"""The database worker alone: ratios of its socket to the bare engine in this process, in the same run.

    python -m tests.graph_api.bench.worker_path [ROWS]

prints medians of several rounds; figures of a busy machine are worth nothing.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ladybug
import msgspec
import psutil

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig, EngineConnection
from robosystems.graph_api.backends.lbug.wire import HEADER, Format, Kind, RunRequest
from robosystems.graph_api.worker.arrow import arrow
from tests.graph_api.worker_harness import TemplateHarness, WorkerClient, running_template

_LOOKUP = "MATCH (p:P {id: $id}) RETURN p.id, p.name, p.age"
_EXPORT = "MATCH (p:P) RETURN p.id, p.name, p.age, p.score, p.active"
_WRITE = "CREATE (:W {id: $id})"
_LOOKUPS = 4000
_WRITES = 1000
_ROUNDS = 5
_OPTIONS = {"buffer_pool_bytes": 512 << 20, "max_db_bytes": 1 << 34}


def _fill(directory: Path, rows: int) -> None:
    with Engine.open(EngineConfig(path=directory / "graph.lbug", **_OPTIONS)) as engine:
        connection = engine.connect()
        columns = "id INT64, name STRING, age INT64, score DOUBLE, active BOOL"
        connection.run_plain(f"CREATE NODE TABLE P({columns}, PRIMARY KEY(id))").close()
        connection.run_plain("CREATE NODE TABLE W(id INT64, PRIMARY KEY(id))").close()
        table = {
            "id": arrow.array(range(rows)),
            "name": arrow.array([f"name {number}" for number in range(rows)]),
            "age": arrow.array([number % 90 for number in range(rows)]),
            "score": arrow.array([number * 1.37 for number in range(rows)]),
            "active": arrow.array([number % 3 == 0 for number in range(rows)]),
        }
        connection.run("COPY P FROM $rows", {"rows": arrow.table(table)}).close()
        connection.close()


def _rates(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(_ROUNDS))


def _bare_lookups(connection: EngineConnection) -> float:
    started = time.perf_counter()
    for number in range(_LOOKUPS):
        with connection.run(_LOOKUP, {"id": number * 7 + 50_000}) as result:
            result.take(1)
    return _LOOKUPS / (time.perf_counter() - started)


def _public_lookups(connection: ladybug.Connection) -> float:
    started = time.perf_counter()
    for number in range(_LOOKUPS):
        result = connection.execute(_LOOKUP, {"id": number * 7 + 50_000})
        assert isinstance(result, ladybug.QueryResult)
        result.rows_as_dict().get_all()
        result.close()
    return _LOOKUPS / (time.perf_counter() - started)


def _bare_export(connection: EngineConnection, rows: int) -> float:
    started = time.perf_counter()
    with connection.run(_EXPORT) as result:
        assert sum(batch.num_rows for batch in result.batches(65_536)) == rows
    return rows / (time.perf_counter() - started)


def _bare_writes(connection: EngineConnection, first: int) -> float:
    started = time.perf_counter()
    for number in range(first, first + _WRITES):
        connection.run(_WRITE, {"id": number}).close()
    return _WRITES / (time.perf_counter() - started)


def pipelined(worker: WorkerClient, requests: list[bytes], width: int) -> float:
    """Keep `width` requests pending and count answers, without looking into them."""
    sock, buffer = worker.sock, bytearray()
    sent = answered = 0
    started = time.perf_counter()
    while answered < len(requests):
        room = width - (sent - answered)
        if room and sent < len(requests):
            sock.sendall(b"".join(requests[sent : sent + room]))
            sent = min(sent + room, len(requests))
        buffer += sock.recv(1 << 18)
        position = 0
        while len(buffer) - position >= HEADER.size:
            length, kind, _ = HEADER.unpack_from(buffer, position)
            if len(buffer) - position < HEADER.size + length:
                break
            assert kind == Kind.DOCUMENT
            position += HEADER.size + length
            answered += 1
        del buffer[:position]
    return len(requests) / (time.perf_counter() - started)


def frames_of(text: str, first: int, count: int, *, write: bool) -> list[bytes]:
    """Return the frames of so many requests for one statement, each with the next id as its parameter."""
    frames: list[bytes] = []
    for number in range(count):
        order = RunRequest(text, b'{"id": %d}' % (first + number), write, Format.JSON, 60.0, None, 1 << 20, ("W",))
        payload = msgspec.msgpack.encode(order)
        frames.append(HEADER.pack(len(payload), Kind.RUN, number + 1) + payload)
    return frames


def _streamed(worker: WorkerClient, rows: int) -> float:
    started = time.perf_counter()
    answer = worker.run(_EXPORT, format=Format.NDJSON, credit=4 << 20)
    assert answer.rows == rows
    return rows / (time.perf_counter() - started)


def _cold(template: TemplateHarness, directory: Path) -> float:
    started = time.perf_counter()
    worker = template.open(directory, **_OPTIONS)
    assert worker.run(_LOOKUP, {"id": 1}).rows == 1
    elapsed = time.perf_counter() - started
    template.shut(worker)
    return elapsed * 1000.0


def _print(name: str, bare: float, ours: float) -> None:
    print(f"{name:<44} bare {bare:>12,.0f}/s   worker {ours:>12,.0f}/s   ratio {ours / bare:.2f}")


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name, running_template() as template:
        directory = Path(name)
        _fill(directory, rows)
        with Engine.open(EngineConfig(path=directory / "graph.lbug", **_OPTIONS)) as engine:
            connection = engine.connect(1)
            lookups = _rates(lambda: _bare_lookups(connection))
            exports = _rates(lambda: _bare_export(connection, rows))
            firsts = iter(range(0, 10 * _WRITES, _WRITES))
            writes = _rates(lambda: _bare_writes(connection, next(firsts)))
            connection.close()
        with ladybug.Database(directory / "graph.lbug", max_num_threads=1, max_db_size=1 << 34) as database:
            public = ladybug.Connection(database, num_threads=1)
            public_lookups = _rates(lambda: _public_lookups(public))
            public.close()
        cold = statistics.median(_cold(template, directory) for _ in range(_ROUNDS))
        worker = template.open(directory, **_OPTIONS)
        process = psutil.Process(worker.process_id)
        worker.run("RETURN 1")
        idle = process.memory_full_info().uss / 2**20
        piped = _rates(lambda: pipelined(worker, frames_of(_LOOKUP, 100_000, _LOOKUPS, write=False), 16))
        _print("point lookups, 16 pipelined, to prepared", lookups, piped)
        _print("point lookups, 16 pipelined, to public API", public_lookups, piped)
        for width in (8, 32):
            first = iter(range(width * 10**6, width * 10**6 + 10 * _WRITES, _WRITES))
            ours = _rates(
                lambda first=first, width=width: pipelined(
                    worker, frames_of(_WRITE, next(first), _WRITES, write=True), width
                )
            )
            _print(f"durable single-row writes, {width} pipelined", writes, ours)
        _print(f"{rows:,} rows as NDJSON, to execute and Arrow", exports, _rates(lambda: _streamed(worker, rows)))
        after = process.memory_full_info().uss / 2**20
        print(f"cold open and first query {cold:.0f} ms")
        print(f"private memory {idle:.0f} MiB idle, {after:.0f} MiB after streams")
        template.shut(worker)


if __name__ == "__main__":
    main()
