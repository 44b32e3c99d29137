"""The examples that ship with the project, and the commands of the README, run as they stand."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file, with its key where the README expects it."""
    with ServerProcess(tmp_path_factory.mktemp("examples")) as server:
        (server.folder / "data").mkdir()
        (server.folder / "data" / "development-key").write_text(server.key)
        yield server


def shell(server: ServerProcess, script: str) -> str:
    """Run a script of the documentation in a folder that looks like the project's root."""
    for name in ("examples", ".venv"):
        link = server.folder / name
        if not link.exists() and (ROOT / name).exists():
            link.symlink_to(ROOT / name)
    here = script.replace("http://127.0.0.1:8001", server.url).replace(".venv/bin/python", sys.executable)
    environment = os.environ | {"GRAPH_API_URL": server.url}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here],
        cwd=server.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks(document: str, language: str) -> list[str]:
    """Return the code blocks of a document in a language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_sec_example_answers_its_questions(server: ServerProcess) -> None:
    """The script loads the companies and its three questions have the answers that the data holds."""
    command = [sys.executable, str(ROOT / "examples/sec/load.py"), "--url", server.url]
    command += ["--key-file", str(server.folder / "data" / "development-key")]
    output = ""
    for _ in range(2):  # the second run replaces the graph of the first
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "Entity: 7992 nodes" in output
    assert "ENTITY_HAS_SECURITY: 10365 relationships" in output
    assert "exchange: Nasdaq, companies: " in output
    assert output.count("\n\nWhich ") == 3
    with server.client() as client:
        listed = client.query(
            "sec-example",
            "MATCH (e:Entity {name: 'ABBOTT LABORATORIES'})-[:ENTITY_HAS_SECURITY]->(s) RETURN s.identifier AS id",
        )
    assert listed.rows == [{"id": "NYSE:ABT"}]


def test_the_commands_of_the_readme_work(server: ServerProcess) -> None:
    """The first query of the README runs as it stands and gives the answer that stands below it; so do the others."""
    commands = blocks("README.md", "bash")
    first_query = next(block for block in commands if "databases/first/query" in block)
    output = shell(server, first_query)
    answer = json.loads(output[output.rindex('{"columns"') :])
    expected = json.loads(blocks("README.md", "json")[0])
    assert answer["data"] == expected["data"]
    assert answer.keys() == expected.keys()
    command_line = next(block for block in commands if "graph_api cli query" in block)
    assert "Grace" in shell(server, command_line)
    program = blocks("README.md", "python")[0].replace("http://127.0.0.1:8001", server.url)
    done = subprocess.run(
        [sys.executable, "-c", f"key = {server.key!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "Ada 36\nGrace 45\n"


def test_the_commands_of_the_sec_guide_work(server: ServerProcess) -> None:
    """Each command of the guide runs as it stands."""
    for block in blocks("examples/sec/README.md", "bash"):
        arguments = f" --url {server.url}" if "load.py" in block else ""
        output = shell(server, block.rstrip() + arguments)
        assert "problem" not in output
