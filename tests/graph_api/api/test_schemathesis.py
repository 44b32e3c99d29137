"""A fuzzer reads the OpenAPI document and tries to make a real server break its word."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.graph_api.api.running_server import KEY, RunningServer, running_server
from tests.graph_api.architecture.source_tree import ROOT

pytestmark = pytest.mark.integration

EXAMPLES: Final = 20
GRAPH_ID: Final = "fuzzed"
DOOMED: Final = "doomed"
DDL: Final = (
    "CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name)); CREATE REL TABLE Knows(FROM Person TO Person)"
)
SETTINGS: Final = {
    "LBUG_MAX_DATABASES_PER_NODE": "2000",
    "LBUG_MAX_OPEN_DATABASES": "4",
    "LBUG_QUERY_TIMEOUT": "2",
    "LBUG_MAX_QUERY_TIMEOUT": "5",
    "LBUG_LOAD_TIMEOUT": "5",
    "LBUG_MAX_WRONG_KEYS_PER_MINUTE": "1000000",
}

CONFIG: Final = f"""
warnings = false

[checks]
enabled = true
# What is documented beside 500: no time left, no room, try again.
not_a_server_error.expected-statuses = [200, 201, 400, 401, 403, 404, 405, 409, 413, 503, 504, 507]

# Statements, schemas and files are right or wrong by more than a JSON schema can say.
[[operations]]
include-operation-id = [
    "create_database", "run_query", "read_by_url", "run_transaction", "load_file", "extend_schema", "import_graph",
    "export_graph",
]
checks.positive_data_acceptance.enabled = false

# Most requests should get as far as the database; the other routes get any name.
[[operations]]
include-operation-id = ["run_query", "run_transaction", "extend_schema", "load_file", "update_database", "get_schema"]
parameters = {{ "path.graph_id" = "{GRAPH_ID}", "path.table" = "Person" }}

# The fuzzer learns names from answers; it must not delete what the others work on.
[[operations]]
include-operation-id = ["delete_database"]
parameters = {{ "path.graph_id" = "{DOOMED}" }}
"""


def fuzz(server: RunningServer, folder: Path, seed: int) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer over all routes."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = [
        f"{server.base_url}/openapi.json",
        "--header",
        f"X-Graph-API-Key: {KEY}",
        f"--seed={seed}",
        f"--max-examples={EXAMPLES}",
        "--suppress-health-check=all",
        "--no-color",
        "--phases=examples,coverage,fuzzing",
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.graph_api.api.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*program, *options],
        cwd=folder,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture
def fuzzed(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server of its own with a database of people."""
    with running_server(tmp_path, settings=SETTINGS) as server:
        with server.client() as client:
            for graph_id in (GRAPH_ID, DOOMED):
                body = {"graph_id": graph_id, "schema_type": "custom", "custom_schema_ddl": DDL}
                assert client.post("/databases", json=body).status_code == 201
        yield server


def test_no_request_makes_the_server_break_its_word(
    fuzzed: RunningServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Examples, all edges of all schemas, and random requests: every answer is as documented, and none is a 500."""
    seed = int(request.config.option.seed)
    run = fuzz(fuzzed, tmp_path, seed)
    assert run.returncode == 0, f"repeat with --seed {seed}\n{run.stdout[-8_000:]}\n{run.stderr[-2_000:]}"
    assert fuzzed.process.poll() is None
    assert not [line for line in fuzzed.logs() if line.get("message") == "request failed"]
    served = {line.get("operation") for line in fuzzed.logs() if line.get("http_status") in {200, 201}}
    assert {"query", "transaction", "load", "extend_schema", "create_database", "delete_database"} <= served
    with fuzzed.client() as client:
        body = {"cypher": "MATCH (p:Person) RETURN count(*) AS n", "timeout": 5}
        answer = client.post(f"/databases/{GRAPH_ID}/query", json=body)
        assert answer.status_code == 200, answer.text
