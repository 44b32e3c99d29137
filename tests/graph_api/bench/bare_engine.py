"""The yardstick: the engine in one process, one thread, without anything around it.

    python -m tests.graph_api.bench.bare_engine DATABASE WHAT SECONDS

prints one number: statements, or rows, per second.
"""

import random
import sys
import time
from collections.abc import Callable  # noqa: TC003 - read by type checkers of annotations in functions
from pathlib import Path

import ladybug
import pyarrow as pa

from tests.graph_api.bench import workload


def open_bare(path: Path) -> ladybug.Connection:
    """Open a database the way a careful single-process program would, with one thread."""
    database = ladybug.Database(path, buffer_pool_size=1 << 30, max_db_size=64 << 30, max_num_threads=1)
    return ladybug.Connection(database, num_threads=1)


def statements_per_second(connection: ladybug.Connection, cypher: str, keys: int, seconds: float) -> float:
    """Run a statement with random keys and read all its rows as dicts; return statements per second."""
    pick = random.Random(1)
    done = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(50):
            result = connection.execute(cypher, {"id": pick.randrange(keys)})
            assert isinstance(result, ladybug.QueryResult)
            rows = result.rows_as_dict().get_all()
            assert rows
            result.close()
        done += 50
    return done / elapsed


def arrow_rows_per_second(connection: ladybug.Connection, cypher: str, seconds: float) -> float:
    """Run a large statement and take its result as Arrow in chunks; return rows per second.

    Not by `query_as_arrow`, which is faster and gives wrong values for nulls.
    """
    rows = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        result = connection.execute(cypher)
        assert isinstance(result, ladybug.QueryResult)
        rows += result.get_as_arrow(65_536).num_rows
        result.close()
    return rows / elapsed


def arrow_ipc_rows_per_second(connection: ladybug.Connection, cypher: str, seconds: float) -> float:
    """Run a large statement and write its result as an Arrow IPC stream that goes nowhere; return rows per second."""
    rows = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        result = connection.execute(cypher)
        assert isinstance(result, ladybug.QueryResult)
        table = result.get_as_arrow(65_536)
        with pa.OSFile("/dev/null", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        rows += table.num_rows
        result.close()
    return rows / elapsed


def make_bare_copy(path: Path, folder: Path) -> None:
    """Load the workload into a database of the bare engine."""
    connection = open_bare(path)
    connection.execute(workload.PERSON_DDL)
    connection.execute(workload.KNOWS_DDL)
    connection.execute(f"COPY Person FROM '{folder / 'Person.parquet'}'")
    connection.execute(f"COPY KNOWS FROM '{folder / 'KNOWS.parquet'}'")
    connection.close()
    connection.database.close()


def main() -> None:
    """Measure what the arguments name."""
    path, what, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    connection = open_bare(path)
    measures: dict[str, Callable[[], float]] = {
        "lookup": lambda: statements_per_second(connection, workload.LOOKUP, workload.PERSONS, seconds),
        "hop": lambda: statements_per_second(connection, workload.HOP, workload.HUBS, seconds),
        "arrow": lambda: arrow_rows_per_second(connection, workload.EXPORT, seconds),
        "arrow-ipc": lambda: arrow_ipc_rows_per_second(connection, workload.EXPORT, seconds),
    }
    sys.stdout.write(f"{measures[what]():.1f}\n")


if __name__ == "__main__":
    main()
