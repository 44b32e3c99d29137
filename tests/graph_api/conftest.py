"""What every tier of the tests shares: the seed, the number of rounds, and the check that nothing is left behind."""

import contextlib
import gc
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hypothesis
import psutil
import pytest

_DEFAULT_ROUNDS: Final = 5
_LEFT_BEHIND_WAIT: Final = 30.0
"""Seconds that processes and threads get to end after the last test."""

_DEFAULT_SEED: Final = 1
"""A usual run makes the same choices each time: it fails for a change, not by chance. Long runs try others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose random faults."""
    group = parser.getgroup("graph_api")
    group.addoption(
        "--seed", type=int, default=None, help="seed of random choices; 1 if not given, drawn in a long run"
    )
    group.addoption("--rounds", type=int, default=_DEFAULT_ROUNDS, help="how often random faults are repeated")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed, and whether generated examples are the same each time."""
    is_long = config.option.rounds > _DEFAULT_ROUNDS
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(2**31) if is_long else _DEFAULT_SEED
    hypothesis.settings.register_profile("project", deadline=None, print_blob=True, derandomize=not is_long)
    hypothesis.settings.load_profile("project")


def pytest_report_header(config: pytest.Config) -> str:
    """Print what is needed to repeat a run."""
    return f"random faults: --seed {config.option.seed} --rounds {config.option.rounds}"


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Asynchronous tests run on the event loop that the server runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Make a source of randomness that depends on the seed and the test alone, so that one test can be repeated."""
    return random.Random(f"{request.config.option.seed} {request.node.nodeid}")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """Say how often a test repeats random faults."""
    return int(request.config.option.rounds)


def _sockets() -> frozenset[str]:
    """Name the sockets that this process holds open."""
    names: set[str] = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # The listing's own descriptor is gone by now.
            names.add(str(descriptor.readlink()))
    return frozenset(name for name in names if name.startswith("socket:"))


def _left_behind(threads_before: frozenset[threading.Thread], sockets_before: frozenset[str]) -> list[str]:
    """Name what should be gone: child processes (ended ones that nobody waited for, too), threads, sockets."""
    gc.collect()
    children = [f"process {child.pid} ({child.status()})" for child in psutil.Process().children(recursive=True)]
    threads = [
        f"thread {thread.name}"
        for thread in threading.enumerate()
        if thread not in threads_before and not thread.daemon
    ]
    return [*children, *threads, *(_sockets() - sockets_before)]


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """After the last test and all other fixtures, no process, thread or socket of the tests is left."""
    threads_before, sockets_before = frozenset(threading.enumerate()), _sockets()
    yield
    deadline = time.monotonic() + _LEFT_BEHIND_WAIT
    while _left_behind(threads_before, sockets_before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _left_behind(threads_before, sockets_before)
