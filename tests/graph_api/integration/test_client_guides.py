"""The guides that begin with a client, run as they stand."""

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

GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guides"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file, with its key where the guides expect it."""
    with ServerProcess(tmp_path_factory.mktemp("guides")) as server:
        (server.folder / "data").mkdir()
        (server.folder / "data" / "development-key").write_text(server.key)
        yield server


def blocks(guide: str, language: str) -> list[str]:
    """Return the code blocks of a guide in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (GUIDES / guide).read_text(encoding="utf-8"), flags=re.DOTALL)


def python(server: ServerProcess, program: str) -> str:
    """Run a program with `url` and `key` set; return what it printed."""
    begin = f"url, key = {server.url!r}, {server.key!r}\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", begin + program], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(server: ServerProcess, script: str) -> str:
    """Run a script in a folder that looks like the project's root; return what it printed."""
    here = script.replace("http://127.0.0.1:8001", server.url).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'export KEY="$(cat data/development-key)"\n{here}'],
        cwd=server.folder,
        env=os.environ | {"GRAPH_API_URL": server.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_guide_works(server: ServerProcess) -> None:
    """All blocks of the guide, one after the other, are a program that runs."""
    output = python(server, "\n".join(blocks("python-client.md", "python")))
    assert output.startswith("The Left Hand of Darkness 12.50\n")
    assert "1 database\nBinder exception" in output


def test_the_first_ten_minutes_work(server: ServerProcess) -> None:
    """Each command runs, in order; the query has the answer that stands below it."""
    status, create, load, query, command_line, mistakes = blocks("first-ten-minutes.md", "bash")
    assert json.loads(shell(server, status))["status"] == "healthy"
    assert json.loads(shell(server, create))["graph_id"] == "flights"
    assert shell(server, load).count('"rows_loaded":4') == 2
    assert json.loads(shell(server, query))["data"] == json.loads(blocks("first-ten-minutes.md", "json")[0])["data"]
    program = blocks("first-ten-minutes.md", "python")[0]
    assert python(server, program) == "{'start': 'Lisbon', 'goal': 'Reykjavik', 'minutes': 270}\n"
    assert "Reykjavik" in shell(server, command_line)
    assert re.findall(r'"code":"([A-Z_]+)"', shell(server, mistakes)) == ["STATEMENT_ERROR", "QUERY_TIMEOUT"]
