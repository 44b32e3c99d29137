"""What a worker would otherwise do at its first statement, done once in the template.

The engine builds the tables of its parser at the first statement of a process (some 20 ms), and its binding imports
modules when it first makes a value. A database in memory that is opened, used and closed again before any fork leaves
all of that behind for every worker to share. Its threads have ended by then: forking while they run would hang the
worker.
"""

from contextlib import closing
from pathlib import Path

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig, EngineConnection
from robosystems.graph_api.backends.lbug.wire import Format
from robosystems.graph_api.worker.encoding import pieces
from robosystems.graph_api.worker.parameters import decode_parameters
from robosystems.graph_api.worker.results import Figures, Shape
from robosystems.graph_api.worker.statements import StatementBook

_STATEMENTS = (
    "CREATE NODE TABLE P(id INT64, name STRING, PRIMARY KEY(id))",
    "CREATE REL TABLE K(FROM P TO P, since DATE)",
    "UNWIND $rows AS r CREATE (:P {id: r.id, name: r.name})",
    "MATCH (a:P {id: $id}), (b:P) WHERE a.id <> b.id CREATE (a)-[:K {since: date('2020-01-01')}]->(b)",
    "MATCH (p:P {id: $id}) SET p.name = 'x'",
    "MERGE (p:P {id: $id}) RETURN p.id",
    "MATCH (p:P) WHERE p.id >= $id RETURN p.id AS id, p.name, p.id * 1.5 AS f ORDER BY id LIMIT 10",
    "MATCH path = (a:P)-[k:K]->(b:P) RETURN a, k, path, k.since, [a.id], count(*) AS n",
    "RETURN CAST(1 AS INT128) AS a, CAST(1 AS DECIMAL(10, 2)) AS b, gen_random_uuid() AS c, {k: 1.5} AS d",
    "CALL show_tables() RETURN *",
    "MATCH (p:P) DETACH DELETE p",
)
_PARAMETERS = b'{"id": 1, "rows": [{"id": 1, "name": "x"}, {"id": 2, "name": null}]}'


def warm_up() -> None:
    """Use everything once. Afterwards the process has as many threads as before."""
    config = EngineConfig(
        Path(":memory:"), buffer_pool_bytes=64 << 20, max_db_bytes=1 << 30, threads=1, statement_cache=1
    )
    book = StatementBook(len(_STATEMENTS))
    with Engine.open(config) as engine, closing(engine.connect()) as connection:
        connection.prepare_batches()
        for text in _STATEMENTS:
            for read_only in (False, True)[: 1 + text.startswith("RETURN")]:
                _use(connection, book, text, read_only=read_only)


def _use(connection: EngineConnection, book: StatementBook, text: str, *, read_only: bool) -> None:
    facts = book.facts(text)
    parameters = decode_parameters(_PARAMETERS, facts.parameters)
    if read_only:
        connection.run("BEGIN TRANSACTION READ ONLY").close()
    with connection.run(text, parameters) as result:
        shape = facts.shape = facts.shape or Shape(result.columns, result.types)
        for _ in pieces(result, shape, Format.JSON, None, Figures(0.0)):
            pass
    if read_only:
        connection.run("COMMIT").close()
