"""Both engines in a confined process, as a program: `sandbox_engines.py SCENARIO DIRECTORY MODE`."""

import ctypes
import importlib
import json
import mmap
import sys
from collections.abc import Callable
from pathlib import Path

from robosystems.graph_api.worker.sandbox import SandboxMode, SandboxPolicy, apply
from tests.graph_api.unit.sandbox_attempts import in_child, outcome_of, start_a_thread

_POOL = 64 << 20
_MOST_BYTES = 1 << 30

LAWFUL_GRAPH = (
    "CREATE NODE TABLE P(id INT64 PRIMARY KEY, name STRING)",
    "UNWIND range(1, 1000) AS i CREATE (:P {id: i, name: 'x'})",
    "COPY (MATCH (p:P) RETURN p.id, p.name) TO 'OWN/p.parquet'",
    "LOAD FROM 'OWN/p.parquet' RETURN count(*)",
    "CHECKPOINT",
)
OUTSIDE_GRAPH = (
    "LOAD FROM '/etc/passwd' (header=false, file_format='csv', delim='|') RETURN *",
    "LOAD FROM '/proc/self/environ' (header=false, file_format='csv') RETURN *",
    "LOAD FROM 'NEIGHBOUR/secret.csv' RETURN *",
    "LOAD FROM 'OWN/link-out.csv' RETURN *",
    "COPY (MATCH (p:P) RETURN p.id) TO 'NEIGHBOUR/stolen.csv'",
    "EXPORT DATABASE 'NEIGHBOUR/export'",
    "ATTACH 'NEIGHBOUR/graph.lbdb' AS other (dbtype lbug)",
)
NETWORK_GRAPH = ("INSTALL httpfs",)

LAWFUL_STAGING = (
    "CREATE TABLE t AS SELECT * FROM read_parquet('OWN/p.parquet')",
    "COPY t TO 'OWN/t.parquet'",
    "SET memory_limit = '200MB'",
)
OUTSIDE_STAGING = (
    "SELECT content FROM read_text('/etc/passwd')",
    "SELECT content FROM read_text('/proc/self/status')",
    "SELECT * FROM read_csv('NEIGHBOUR/secret.csv')",
    "SELECT * FROM read_csv('OWN/link-out.csv')",
    "COPY t TO 'NEIGHBOUR/stolen.csv'",
    "ATTACH 'NEIGHBOUR/staging.duckdb' AS other",
)
NETWORK_STAGING = ("INSTALL httpfs", "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')")


def placed(text: str, own: Path) -> str:
    """Fill the directories into a statement."""
    return text.replace("OWN", str(own)).replace("NEIGHBOUR", str(own.parent / "neighbour"))


def scenario_statements(own: Path, mode: SandboxMode) -> dict[str, object]:
    """Use both engines as a worker does, first lawfully, then with statements that reach outside."""
    duckdb = importlib.import_module("duckdb")
    ladybug = importlib.import_module("ladybug")

    def make_neighbour() -> dict[str, object]:
        with ladybug.Database(str(own.parent / "neighbour" / "graph.lbdb"), max_db_size=_MOST_BYTES) as database:
            return {"made": not database.is_closed}

    def body() -> dict[str, object]:
        apply(SandboxPolicy(own), mode)
        database = ladybug.Database(str(own / "graph.lbdb"), buffer_pool_size=_POOL, max_db_size=_MOST_BYTES)
        graph = ladybug.Connection(database)
        staging = duckdb.connect(str(own / "staging.duckdb"))

        def on_graph(*texts: str) -> dict[str, str]:
            return {text: outcome_of(lambda text=text: graph.execute(placed(text, own))) for text in texts}

        def on_staging(*texts: str) -> dict[str, str]:
            def run(text: str) -> str:
                return outcome_of(lambda: staging.execute(placed(text, own)).fetchall(), duckdb.Error)

            return {text: run(text) for text in texts}

        lawful = on_graph(*LAWFUL_GRAPH) | on_staging(*LAWFUL_STAGING)
        rows = [
            graph.execute("MATCH (p:P) RETURN count(*)").get_next()[0],
            staging.execute("SELECT count(*) FROM t").fetchall()[0][0],
            staging.execute("SELECT * FROM t LIMIT 5").to_arrow_table().num_rows,
        ]
        # Once a neighbour is attached, the connection may speak to that one: these come last.
        reaching = on_graph(*OUTSIDE_GRAPH) | on_staging(*OUTSIDE_STAGING)
        if mode is not SandboxMode.OFF:
            reaching |= on_graph(*NETWORK_GRAPH) | on_staging(*NETWORK_STAGING)
        return {"lawful": lawful, "rows": rows, "reaching": reaching}

    in_child(make_neighbour)
    return in_child(body)


def scenario_libraries(own: Path, mode: SandboxMode) -> dict[str, object]:
    """Forbid new libraries: what is loaded works, nothing else can be."""
    importlib.import_module("ladybug._lbug")
    ladybug = importlib.import_module("ladybug")

    def map_executable() -> None:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()

    def body() -> dict[str, object]:
        apply(SandboxPolicy(own, load_libraries=False), mode)
        database = ladybug.Database(str(own / "graph.lbdb"), buffer_pool_size=_POOL, max_db_size=_MOST_BYTES)
        return {
            "query": ladybug.Connection(database).execute("RETURN 1").get_next()[0],
            "native module": outcome_of(lambda: importlib.import_module("sqlite3")),
            "library": outcome_of(lambda: ctypes.CDLL(str(own / "library.so"))),
            "executable memory": outcome_of(map_executable),
            "thread": outcome_of(start_a_thread),
        }

    return in_child(body)


SCENARIOS: dict[str, Callable[[Path, SandboxMode], dict[str, object]]] = {
    "statements": scenario_statements,
    "libraries": scenario_libraries,
}


def main() -> None:
    """Run one scenario."""
    scenario, directory, mode = sys.argv[1:]
    sys.stdout.write(json.dumps(SCENARIOS[scenario](Path(directory), SandboxMode(mode))))


if __name__ == "__main__":
    main()
