"""The command line client as a process, against a real server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.graph_api.server_process import ServerProcess, free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file."""
    with ServerProcess(tmp_path_factory.mktemp("cli")) as server:
        yield server


def run(server: ServerProcess, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line client with the server's address and key in the environment."""
    settings = os.environ | {"GRAPH_API_URL": server.url, "GRAPH_API_KEY": server.key, "NO_COLOR": "1"} | environment
    command = [sys.executable, "-m", "robosystems.graph_api", "cli", *arguments]
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=60)


def test_a_graph_is_created_loaded_and_queried(server: ServerProcess, tmp_path: Path) -> None:
    """The whole way from nothing to an answer, table names taken from file names."""
    (tmp_path / "schema.cypher").write_text("CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name))")
    (tmp_path / "Person.csv").write_text("name,age\nAda,36\nGrace,45\n")
    created = run(server, "create", "people", "--schema-type", "custom", "--ddl", str(tmp_path / "schema.cypher"))
    assert created.returncode == 0, created.stderr
    loaded = run(server, "ingest", "people", str(tmp_path / "Person.csv"))
    assert loaded.returncode == 0, loaded.stderr
    assert "2" in loaded.stdout
    cypher = "MATCH (p:Person) WHERE p.age > $age RETURN p.name AS name"
    asked = run(server, "--output", "json", "query", "people", cypher, "--parameters", '{"age": 40}')
    assert json.loads(asked.stdout)["data"] == [{"name": "Grace"}]
    shown = run(server, "query", "people", "MATCH (p:Person) RETURN p.name AS name ORDER BY name")
    assert "Ada" in shown.stdout
    assert "2 rows" in shown.stderr
    listed = run(server, "databases")
    assert "people" in listed.stdout
    deleted = run(server, "delete", "people")
    assert deleted.returncode == 0


def test_a_graph_is_exported_and_imported(server: ServerProcess, tmp_path: Path) -> None:
    """A whole graph into a file, and from there into another database; never into one that has rows."""
    ddl = tmp_path / "schema.cypher"
    ddl.write_text("CREATE NODE TABLE Person(name STRING, PRIMARY KEY(name))")
    assert run(server, "create", "here", "--schema-type", "custom", "--ddl", str(ddl)).returncode == 0
    assert run(server, "create", "there", "--schema-type", "custom").returncode == 0
    assert run(server, "query", "here", "CREATE (:Person {name: 'Ada'})").returncode == 0
    archive = tmp_path / "here.tar"
    exported = run(server, "export", "here", str(archive))
    assert exported.returncode == 0, exported.stderr
    imported = run(server, "--output", "json", "import", "there", str(archive))
    assert imported.returncode == 0, imported.stderr
    assert json.loads(imported.stdout)["nodes_imported"] == 1
    again = run(server, "import", "there", str(archive))
    assert (again.returncode, again.stderr.partition(":")[0]) == (1, "DATABASE_NOT_EMPTY")


def test_health_needs_no_key(server: ServerProcess) -> None:
    """Health answers without a key."""
    assert run(server, "health", GRAPH_API_KEY="").returncode == 0


def test_an_error_is_one_line_and_a_status(server: ServerProcess) -> None:
    """A refusal of the server is shown with its code, and the exit status is 1."""
    failed = run(server, "query", "nobody", "RETURN 1")
    assert failed.returncode == 1
    assert failed.stderr.startswith("DATABASE_NOT_FOUND: ")
    assert len(failed.stderr.strip().splitlines()) == 1


def test_an_unreachable_server_is_said_so(server: ServerProcess) -> None:
    """Without a server the error says where to look."""
    failed = run(server, "health", GRAPH_API_URL=f"http://127.0.0.1:{free_port()}")
    assert failed.returncode == 1
    assert "SERVER_UNREACHABLE" in failed.stderr


def test_parameters_that_are_not_an_object_are_a_usage_error(server: ServerProcess) -> None:
    """A wrong option is found before anything is sent."""
    failed = run(server, "query", "nobody", "RETURN 1", "--parameters", "[1]")
    assert failed.returncode == 2
    assert "JSON object" in failed.stderr


def test_a_key_file_is_read(server: ServerProcess, tmp_path: Path) -> None:
    """A key may stand in a file, so that it is not in the list of processes."""
    file = tmp_path / "key"
    file.write_text(server.key + "\n")
    assert run(server, "--key-file", str(file), "databases", GRAPH_API_KEY="").returncode == 0


def test_markup_in_values_is_shown_as_it_is(server: ServerProcess) -> None:
    """A value that looks like formatting is printed, not obeyed."""
    run(server, "create", "markup", "--schema-type", "custom")
    shown = run(server, "query", "markup", "RETURN '[red]text[/red]' AS value")
    assert "[red]text[/red]" in shown.stdout


def test_keys_are_made_listed_disabled_and_deleted(server: ServerProcess) -> None:
    """The key is printed once; what follows names it by its id, and works at once."""
    made = run(server, "--output", "json", "keys", "create", "nightly", "--scope", "read", "--expires-in", "90d")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    listed = run(server, "--output", "json", "keys", "list")
    assert [each["key_id"] for each in json.loads(listed.stdout)] == [key["key_id"]]
    assert key["key"] not in listed.stdout
    for command, status in (("disable", 401), ("enable", 200), ("show", 200), ("delete", 401)):
        done = run(server, "keys", command, key["key_id"])
        assert done.returncode == 0, done.stderr
        answer = httpx.get(f"{server.url}/info", headers={"X-Graph-API-Key": key["key"]})
        assert answer.status_code == status, command
    assert run(server, "keys", "show", key["key_id"]).stderr.startswith("KEY_NOT_FOUND: ")
    wrong = run(server, "keys", "create", "x", "--expires-in", "soon")
    assert (wrong.returncode, "90d" in wrong.stderr) == (2, True)
