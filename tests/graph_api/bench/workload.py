"""Data and statements that all benchmarks share, the same for the server and the bare engine."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PERSONS = 1_000_000
"""Nodes of the large table; the export reads them all."""
HUBS = 1_000
"""Persons that know `FAN_OUT` others."""
FAN_OUT = 100
LOADED_ROWS = PERSONS

PERSON_DDL = "CREATE NODE TABLE Person(id INT64, name STRING, age INT32, score DOUBLE, active BOOL, PRIMARY KEY(id))"
KNOWS_DDL = "CREATE REL TABLE KNOWS(FROM Person TO Person, since INT64)"

LOOKUP = "MATCH (p:Person) WHERE p.id = $id RETURN p.id AS id, p.name AS name, p.age AS age"
HOP = "MATCH (p:Person)-[k:KNOWS]->(q:Person) WHERE p.id = $id RETURN q.id AS id, q.name AS name, k.since AS since"
EXPORT = "MATCH (p:Person) RETURN p.id AS id, p.name AS name, p.age AS age, p.score AS score, p.active AS active"
HEAVY = "MATCH (a:Person)-[:KNOWS*3..3]->(b:Person) RETURN count(*) AS paths"


def write_files(folder: Path) -> None:
    """Write `Person.parquet` and `KNOWS.parquet`."""
    ids = list(range(PERSONS))
    persons = pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "name": pa.array([f"person {number:07d}" for number in ids]),
            "age": pa.array([number % 90 for number in ids], pa.int32()),
            "score": pa.array([number * 0.37 for number in ids], pa.float64()),
            "active": pa.array([number % 3 == 0 for number in ids]),
        }
    )
    pq.write_table(persons, folder / "Person.parquet")  # pyright: ignore[reportUnknownMemberType] - untyped library
    pairs = [(hub, (hub * 7 + step * 13) % HUBS) for hub in range(HUBS) for step in range(FAN_OUT)]
    knows = pa.table(
        {
            "from": pa.array([start for start, _ in pairs], pa.int64()),
            "to": pa.array([end for _, end in pairs], pa.int64()),
            "since": pa.array([start % 40 + 1980 for start, _ in pairs], pa.int64()),
        }
    )
    pq.write_table(knows, folder / "KNOWS.parquet")  # pyright: ignore[reportUnknownMemberType] - untyped library
