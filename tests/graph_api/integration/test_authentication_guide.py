"""The guide to authentication, run as it stands."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "authentication.md"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Run a server, with its key where the guide expects it."""
    with ServerProcess(tmp_path) as server:
        (server.folder / "data").mkdir()
        (server.folder / "data" / "development-key").write_text(server.key)
        yield server


def shell(server: ServerProcess, script: str) -> None:
    """Run a script in a folder that looks like the project's root."""
    here = script.replace("http://127.0.0.1:8001", server.url).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here],
        cwd=server.folder,
        env=os.environ | {"GRAPH_API_KEY": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_guide_works(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands and programs run in their order, and print what stands below them."""
    monkeypatch.chdir(server.folder)
    names: dict[str, Any] = {"url": server.url, "key": server.key}
    printed = io.StringIO()
    preparation = ""
    for language, block in re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL):
        if language == "bash" and not preparation:
            preparation = "\n".join(line for line in block.splitlines() if not line.startswith("graph create"))
            shell(server, block)
        elif language == "bash":
            shell(server, f"{preparation}\n{block}")
        elif language == "python":
            with contextlib.redirect_stdout(printed):
                exec(block, names)  # noqa: S102 - the guide itself is what is tested
        elif language == "text":
            assert printed.getvalue() == block
            printed = io.StringIO()
    assert not printed.getvalue()
