"""Writes against one in-process writer, and equal reads with and without remembered answers.

The bare side of a write is a program of its own:

    python -m tests.graph_api.bench.writes DATABASE WHAT SECONDS

prints rows per second. Both sides commit durably, into tables of the same form that begin empty.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable  # noqa: TC003 - read by type checkers of annotations in functions
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.graph_api.bench import load_generators, workload
from tests.graph_api.bench.bare_engine import open_bare
from tests.graph_api.bench.figures import Figure, ratio
from tests.graph_api.bench.node import Node

if TYPE_CHECKING:
    import ladybug

ADD: Final = "CREATE (:Person {id: $id, name: $name, age: 30, score: 0.5, active: true})"
ADD_MANY: Final = "UNWIND $rows AS r CREATE (:Person {id: r.id, name: r.name, age: r.age, score: 0.5, active: true})"
BATCH: Final = 1_000
STATEMENTS: Final = 100

_SCRIPT: Final = """
local first = %(first)d
local function row(template)
  first = first + 1
  return string.format(template, first, first)
end
request = function()
%(build)s
  return wrk.format("POST", "/databases/%(graph_id)s/%(route)s", headers, body)
end
headers = { ["X-Graph-API-Key"] = "%(key)s", ["Content-Type"] = "application/json" }
response = function(status, _, body)
  if status ~= 200 then io.stderr:write(status .. " " .. body .. "\\n") end
end
"""
_BUILD_ONE: Final = f'  local body = row([[{{"cypher": "{ADD}", "parameters": {{"id": %d, "name": "person %d"}}}}]])'
_BUILD_MANY: Final = f"""
  local rows = {{}}
  for i = 1, {BATCH} do rows[i] = row([[{{"id": %d, "name": "person %d", "age": 30}}]]) end
  local body = [=[{{"cypher": "{ADD_MANY}", "parameters": {{"rows": []=] .. table.concat(rows, ",") .. "]}}}}"
"""
_BUILD_TRANSACTION: Final = f"""
  local parts = {{}}
  for i = 1, {STATEMENTS} do
    parts[i] = row([[{{"cypher": "{ADD}", "parameters": {{"id": %d, "name": "person %d"}}}}]])
  end
  local body = [=[{{"statements": []=] .. table.concat(parts, ",") .. "]}}"
"""
_FIRST_IDS: Final = count(1_000_000_000, 100_000_000)


@dataclass(frozen=True)
class WriteLoad:
    """One kind of write as it is sent.

    Attributes:
        route: Below the database.
        build: Lua that makes the body.
        rows: Rows of one request.
        connections: Clients at once.
    """

    route: str
    build: str
    rows: int
    connections: int


LOADS: Final = {
    "one": WriteLoad("query", _BUILD_ONE, 1, 8),
    "many": WriteLoad("query", _BUILD_MANY, BATCH, 2),
    "transaction": WriteLoad("transaction", _BUILD_TRANSACTION, STATEMENTS, 2),
}


def single(node: Node, folder: Path, seconds: int) -> list[Figure]:
    """Measure durable writes of one row each, by several clients at once."""
    bare = bare_rows_per_second(folder / "one.lbug", "one", seconds)
    figures: list[Figure] = []
    for connections, must, aim in ((8, "1.3", "2.2"), (32, "2.0", "2.8")):
        load = WriteLoad("query", _BUILD_ONE, 1, connections)
        name = f"single-row durable writes, {connections} clients / one in process"
        figures.append(Figure(name, ratio(served_rows_per_second(node, load, folder, seconds), bare), must, aim))
    return figures


def batches(node: Node, folder: Path, seconds: int) -> list[Figure]:
    """Measure rows written by UNWIND of 1,000, and by transactions of 100 statements."""
    figures: list[Figure] = []
    for what, name in (("many", "rows by UNWIND of 1,000"), ("transaction", "rows by transactions of 100 statements")):
        bare = bare_rows_per_second(folder / f"{what}.lbug", what, seconds)
        served = served_rows_per_second(node, LOADS[what], folder, seconds)
        figures.append(Figure(f"{name} / the same in process", ratio(served, bare), "-", "1"))
    return figures


def repeated(node: Node, folder: Path, seconds: int) -> list[Figure]:
    """Measure equal reads that are remembered against those that are run, and what it costs to remember in vain."""

    def answers(server: Node, cypher: str, keys: int) -> float:
        return load_generators.requests_per_second(
            server, ["t0"], cypher, keys=keys, connections=16, seconds=seconds, folder=folder
        )

    with Node(folder / "remembering", LBUG_RESULT_CACHE_MB="64") as remembering:
        remembering.fill("t0", folder)
        run, remembered = (answers(server, workload.HOP, 1) for server in (node, remembering))
        plain, in_vain = (answers(server, workload.LOOKUP, workload.PERSONS) for server in (node, remembering))
    return [
        Figure("the same 1-hop of 100 rows, remembered / run", ratio(remembered, run), "3", "5"),
        Figure("point lookups of random keys, remembering / not", ratio(in_vain, plain), "-", "1"),
    ]


def served_rows_per_second(node: Node, load: WriteLoad, folder: Path, seconds: int) -> float:
    """Write into a new database with wrk; return rows per second.

    Raises:
        RuntimeError: An answer was not 200.
    """
    first = next(_FIRST_IDS)
    graph_id = f"w{first}"
    with node.client() as client:
        client.create_database(graph_id, "custom", custom_schema_ddl=workload.PERSON_DDL)
    script = folder / "write.lua"
    values = {"first": first, "build": load.build, "graph_id": graph_id, "route": load.route, "key": node.key}
    script.write_text(_SCRIPT % values)
    wrk = load_generators.require("wrk")
    command = [wrk, "-t1", f"-c{load.connections}", f"-d{seconds}s", "-s", str(script), node.url]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    if output.stderr or "Non-2xx" in output.stdout or "Socket errors" in output.stdout:
        raise RuntimeError(output.stdout + output.stderr[:1000])
    found = re.search(r"Requests/sec:\s+([\d.]+)", output.stdout)
    assert found is not None, output.stdout
    with node.client() as client:
        client.delete_database(graph_id)
    return float(found.group(1)) * load.rows


def bare_rows_per_second(path: Path, what: str, seconds: int) -> float:
    """Write into a new database with one in-process writer in a fresh process; return rows per second."""
    command = [sys.executable, "-m", "tests.graph_api.bench.writes", str(path), what, str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _one(connection: "ladybug.Connection", first: int) -> None:
    connection.execute(ADD, {"id": first, "name": f"person {first}"})


def _many(connection: "ladybug.Connection", first: int) -> None:
    rows = [{"id": first + number, "name": f"person {first + number}", "age": 30} for number in range(BATCH)]
    connection.execute(ADD_MANY, {"rows": rows})


def _transaction(connection: "ladybug.Connection", first: int) -> None:
    connection.execute("BEGIN TRANSACTION")
    for number in range(STATEMENTS):
        _one(connection, first + number)
    connection.execute("COMMIT")


def main() -> None:
    """Measure the bare engine for what the arguments name."""
    path, what, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    writes: dict[str, Callable[[ladybug.Connection, int], None]] = {
        "one": _one,
        "many": _many,
        "transaction": _transaction,
    }
    connection = open_bare(path)
    connection.execute(workload.PERSON_DDL)
    write, step, rows = writes[what], LOADS[what].rows, 0
    write(connection, -step)
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        write(connection, rows)
        rows += step
    sys.stdout.write(f"{rows / elapsed:.1f}\n")


if __name__ == "__main__":
    main()
