"""Durations and deadlines never depend on the wall clock, which operators and time servers set."""

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from tests.graph_api.architecture.source_tree import dotted, modules

_WALL: Final = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.localtime",
        "time.ctime",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
    }
)
_IMPORTED: Final = frozenset({"time", "time_ns", "localtime", "ctime"})

_ALLOWED: Final = {
    "observability.logging": "the moment of a line",
    "core.database_manager": "when a database was created, for its record",
    "worker.opening": "the name of a log that is set aside",
    "worker.archive.export": "the moment that an archive shows",
    "routers.databases.archive": "the day in the name of a file",
    "backends.lbug.reject_files": "the age of files, which have the wall clock's times",
    "core.keys": "when a key was made and when it ends, which its holder is told",
    "core.keyring": "whether a token has ended, which another process may have made",
    "state.audit_file": "the moment of a line",
    "state.sqlite_outcomes": "the age of records that outlive the process",
}
"""Modules that note or compare moments which outlive the process, and which."""


def _wall_clock_reads(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that read the wall clock, or import what does by a name of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if ".".join(dotted(node).split(".")[-2:]) in _WALL:
                yield node.lineno
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and any(alias.name in _IMPORTED for alias in node.names)
        ):
            yield node.lineno


def test_only_what_stamps_records_reads_the_wall_clock() -> None:
    """Deadlines, idle times, limits and measurements use the monotonic clock."""
    wrong = [
        f"{module.path}:{line}"
        for module in modules()
        if not module.is_in(*_ALLOWED)
        for line in _wall_clock_reads(module.tree)
    ]
    assert not wrong, f"use time.monotonic(), or say in {__name__} which moment is stamped: {wrong}"


@pytest.mark.parametrize(
    "code",
    [
        "deadline = time.time() + 5",
        "clock = time.time",
        "datetime.now(UTC)",
        "datetime.datetime.now()",
        "from time import monotonic, time",
        "time.time_ns()",
    ],
)
def test_reading_the_wall_clock_is_recognised(code: str) -> None:
    """Each way to read it is seen."""
    assert list(_wall_clock_reads(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["time.monotonic()", "from time import monotonic", "time.perf_counter()", "loop.time()", "datetime(2024, 1, 1)"],
)
def test_other_clocks_pass(code: str) -> None:
    """The monotonic clock, the event loop's, and fixed moments are no wall clock."""
    assert not list(_wall_clock_reads(ast.parse(code)))
