"""Documents are found, point to things that exist, and follow the code."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.graph_api.architecture.source_tree import ROOT, TESTS, functions, modules, published_files

_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_TEST: Final = re.compile(r"`((?:[\w/]+/)?test_\w+\.py|)((?:::)?test_\w+|)(?:\[[^`]*\])?`")
"""A test in a document: a file, a function, or both as pytest spells them."""

_DECISIONS: Final = ROOT / "docs" / "adr"
_SECTIONS: Final = ("## Context", "## Decision", "## Consequences")


def _links(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield each link of a document to a file of the project, and where it points."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in _LINK.findall(text):
        if not re.match(r"[a-z]+:|#", target):
            yield target, (path.parent / target.partition("#")[0]).resolve()


def _documents() -> list[Path]:
    """List the published documents."""
    return [path for path in published_files() if path.suffix == ".md"]


def test_links_between_documents_lead_somewhere() -> None:
    """Each relative link names a file or folder that exists."""
    dead = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in _documents()
        for target, place in _links(path)
        if not place.exists()
    ]
    assert not dead


def test_the_index_names_each_document() -> None:
    """docs/README.md leads to every document below docs."""
    index = ROOT / "docs" / "README.md"
    named = {place for _, place in _links(index)}
    missing = [
        str(path.relative_to(ROOT))
        for path in _documents()
        if path.is_relative_to(ROOT / "docs") and path != index and path not in named
    ]
    assert not missing


def test_decisions_are_numbered_without_gaps() -> None:
    """Decision records are 0000, 0001, ... each number once."""
    numbers = [path.name[:4] for path in sorted(_DECISIONS.glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(len(numbers))]


def test_decisions_have_the_same_form() -> None:
    """Each record has its number in the title, a status, and the three sections."""
    wrong: list[str] = []
    for path in sorted(_DECISIONS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        complete = all(f"\n{section}\n" in text for section in _SECTIONS)
        if not (text.startswith(f"# {path.name[:4]}: ") and "\nStatus: " in text and complete):
            wrong.append(path.name)
    assert not wrong


def test_derived_documents_are_current() -> None:
    """docs/configuration.md and docs/openapi.json are what the code says."""
    command = [sys.executable, "-m", "scripts.generate_docs", "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_tests_that_documents_name_exist() -> None:
    """Each claim that points to a test points to one that is there: the file, and the function in it."""
    defined = {
        module.path.as_posix(): {name.rpartition(".")[2] for name, _ in functions(module)} for module in modules(TESTS)
    }
    dead = [
        f"{path.relative_to(ROOT)}: {file}{function}"
        for path in _documents()
        for file, function in _TEST.findall(path.read_text(encoding="utf-8"))
        if not _is_there(defined, file, function.removeprefix("::"))
    ]
    assert not dead


def _is_there(defined: Mapping[str, Collection[str]], file: str, function: str) -> bool:
    """Whether a test file whose path ends like this, or any if no file is named, defines the function, if one is."""
    return any(
        (not file or f"/{path}".endswith(f"/{file}")) and (not function or function in names)
        for path, names in defined.items()
    )


def test_a_dead_name_of_a_test_is_recognised() -> None:
    """Wrong files, wrong functions, and functions of another file are seen."""
    defined = {"tests/a/test_one.py": {"test_this"}, "tests/b/test_two.py": {"test_that"}}
    for text in ("`test_one.py`", "`tests/a/test_one.py::test_this`", "`test_that`"):
        ((file, function),) = _TEST.findall(text)
        assert _is_there(defined, file, function.removeprefix("::"))
    for text in ("`test_three.py`", "`b/test_one.py`", "`test_one.py::test_that`", "`test_other`"):
        ((file, function),) = _TEST.findall(text)
        assert not _is_there(defined, file, function.removeprefix("::"))
