"""Create a graph of US public companies, load it, and ask it three questions.

    python examples/sec/load.py [--url http://127.0.0.1:8001] [--key-file data/development-key] [--graph sec-example]

A graph of that name is replaced.
"""

import argparse
import json
from contextlib import suppress
from pathlib import Path

from robosystems.graph_api.client import GraphClient, LoadOptions, QueryResult
from robosystems.graph_api.domain.errors import DatabaseNotFoundError

HERE = Path(__file__).resolve().parent
NODES = ("Entity", "Security", "Cusip", "Element", "Statement", "StandardTag")
RELATIONSHIPS = (
    "ENTITY_HAS_SECURITY",
    "SECURITY_HAS_CUSIP",
    "STATEMENT_HAS_ELEMENT",
    "ELEMENT_HAS_CHILD",
    "ELEMENT_MAPS_TO",
)

QUESTIONS = {
    "Which companies have the most listed securities?": """
        MATCH (e:Entity)-[:ENTITY_HAS_SECURITY]->(s:Security)
        RETURN e.name AS company, count(s) AS securities ORDER BY securities DESC, company LIMIT 5""",
    "Which exchanges list the securities of how many companies?": """
        MATCH (e:Entity)-[:ENTITY_HAS_SECURITY]->(s:Security) WHERE s.exchange IS NOT NULL
        RETURN s.exchange AS exchange, count(DISTINCT e) AS companies ORDER BY companies DESC""",
    "Which concepts of the balance sheet do most companies report under one standard tag?": """
        MATCH (:Statement {identifier: 'BalanceSheet'})-[:STATEMENT_HAS_ELEMENT]->(c:Element)
        MATCH (c)-[m:ELEMENT_MAPS_TO]->(t:StandardTag)
        RETURN c.identifier AS concept, t.identifier AS tag, m.company_count AS companies
        ORDER BY companies DESC, concept LIMIT 5""",
}


def load(client: GraphClient, graph_id: str) -> None:
    """Create the graph anew and load its files, nodes before relationships."""
    with suppress(DatabaseNotFoundError):
        client.delete_database(graph_id)
    schema = json.loads((HERE / "schema.json").read_text(encoding="utf-8"))
    client.create_database(graph_id, "custom", custom_schema=schema)
    for table in NODES:
        loaded = client.load(graph_id, table, HERE / "data" / f"{table}.parquet")
        print(f"{table}: {loaded.rows_loaded} nodes")
    ends = LoadOptions(from_column="src", to_column="dst")
    for table in RELATIONSHIPS:
        loaded = client.load(graph_id, table, HERE / "data" / f"{table}.parquet", ends)
        print(f"{table}: {loaded.rows_loaded} relationships")


def ask(client: GraphClient, graph_id: str) -> dict[str, QueryResult]:
    """Run the three questions and return their answers."""
    return {question: client.query(graph_id, cypher) for question, cypher in QUESTIONS.items()}


def main() -> None:
    """Load and ask, against the server that the options name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8001")
    parser.add_argument("--key-file", type=Path, default=Path("data/development-key"))
    parser.add_argument("--graph", default="sec-example")
    options = parser.parse_args()
    key = options.key_file.read_text(encoding="ascii").strip() if options.key_file.exists() else None
    with GraphClient(options.url, key) as client:
        load(client, options.graph)
        for question, answer in ask(client, options.graph).items():
            print(f"\n{question}")
            for row in answer:
                print("  " + ", ".join(f"{name}: {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
