"""Who may import whom, statically and in a running interpreter."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from tests.graph_api.architecture.source_tree import PACKAGE, ROOT, dotted, imported_names, modules

_ENGINES: Final = {"ladybug", "duckdb", "polars", "pandas"}
_IMPORT_ALL: Final = "for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.'): importlib.import_module(m.name)"


def _loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def _server_only_modules() -> set[str]:
    """Name the top-level modules that come with the `server` extra and not with the client."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0] for requirement in requirements}

    shared = {"anyio", "zstandard"}  # The HTTP library of the client uses them, too.
    server = names(project["optional-dependencies"]["server"]) - names(project["dependencies"]) - shared
    distributions = importlib.metadata.packages_distributions()
    normal = {re.sub(r"[-_.]+", "-", name).lower() for name in server}
    return {
        module
        for module, owners in distributions.items()
        if any(re.sub(r"[-_.]+", "-", owner).lower() in normal for owner in owners)
    }


def test_import_contracts_are_kept() -> None:
    """Every contract of import-linter in pyproject.toml holds."""
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([program, "--no-cache", "--no-logo"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_domain_imports_the_standard_library_only() -> None:
    """Nothing in domain depends on an installed package."""
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in modules()
        if module.is_in("domain")
        for name, line in imported_names(module)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(f"{PACKAGE}.domain")
    ]
    assert not wrong


def test_importing_the_services_loads_no_engine_and_no_web_framework() -> None:
    """Services can be imported where neither an engine nor FastAPI is."""
    loaded = _loaded_by(f"import pkgutil, importlib, {PACKAGE}.core as p\n" + _IMPORT_ALL)
    assert sorted(loaded & {*_ENGINES, "pyarrow", "fastapi", "starlette", "uvicorn"}) == []


def test_importing_the_client_needs_no_package_of_the_server() -> None:
    """The client works after an installation without the `server` extra."""
    loaded = _loaded_by(f"import pkgutil, importlib, {PACKAGE}.client as p\n" + _IMPORT_ALL)
    server_only = _server_only_modules()
    assert {"ladybug", "duckdb", "pyarrow", "fastapi"} <= server_only
    assert sorted(loaded & server_only) == []


def test_importing_the_server_loads_no_engine() -> None:
    """The API process never holds an engine, so importing all of it loads none."""
    assert sorted(_loaded_by(f"import {PACKAGE}.app, {PACKAGE}.bootstrap") & _ENGINES) == []


def test_importing_has_no_side_effects() -> None:
    """Importing the server starts no thread or process, opens no socket and prints nothing."""
    program = (
        f"import {PACKAGE}.app, {PACKAGE}.bootstrap, {PACKAGE}.client\n"
        "import pathlib, threading\n"
        "links = []\n"
        "for fd in pathlib.Path('/proc/self/fd').iterdir():\n"
        "    try: links.append(str(fd.readlink()))\n"
        "    except OSError: pass\n"
        "children = pathlib.Path('/proc/thread-self/children').read_text()\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not [link for link in links if link.startswith('socket:')], links\n"
        "assert not children.split(), children\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_only_config_reads_the_environment() -> None:
    """No other module touches the environment, whatever the spelling."""
    forbidden = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"}
    wrong: list[str] = []
    for module in modules():
        # The template of the workers starts with an empty environment and writes into it what libraries read at import.
        # The clients are a library and read the environment of the program that uses them.
        if module.is_in("config", "client.config", "worker.template"):
            continue
        wrong += [f"{module.path}:{line} imports {name}" for name, line in imported_names(module) if name in forbidden]
        wrong += [
            f"{module.path}:{node.lineno} uses {dotted(node)}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and dotted(node) in forbidden
        ]
    assert not wrong


@pytest.mark.parametrize("package", ["core", "client"])
def test_the_import_check_sees_what_is_loaded(package: str) -> None:
    """The check of loaded modules finds a module that is certainly there."""
    assert "robosystems" in _loaded_by(f"import {PACKAGE}.{package}")
