"""Every error is a domain value with its own code, and one table gives each its HTTP status."""

import ast
import collections
import importlib
import pkgutil
import re
from collections.abc import Mapping
from typing import Final

import robosystems.graph_api
from robosystems.graph_api.domain.errors import GraphApiError
from tests.graph_api.architecture.source_tree import PACKAGE, modules

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_FEWEST_ERROR, _MOST_ERROR = 400, 599


def _errors() -> list[type[GraphApiError]]:
    """Return the root of the errors and everything below it, once all of domain is imported."""
    for found in pkgutil.walk_packages(robosystems.graph_api.__path__, f"{PACKAGE}."):
        if found.name.startswith(f"{PACKAGE}.domain"):
            importlib.import_module(found.name)
    errors: list[type[GraphApiError]] = [GraphApiError]
    for error in errors:
        errors += [child for child in error.__subclasses__() if child not in errors]
    return [error for error in errors if error.__module__.startswith(f"{PACKAGE}.domain")]


def _status_table() -> Mapping[type[GraphApiError], int]:
    """Return the table of the routers."""
    return importlib.import_module(f"{PACKAGE}.routers.errors").STATUS_BY_ERROR


def test_names_end_in_error() -> None:
    """A reader sees from the name that it is raised."""
    assert not [error.__name__ for error in _errors() if not error.__name__.endswith("Error")]


def test_each_error_has_its_own_code() -> None:
    """A client can tell any two errors apart by their codes."""
    errors = _errors()
    own = [error.__name__ for error in errors if "code" not in vars(error)]
    repeated = [code for code, times in collections.Counter(error.code for error in errors).items() if times > 1]
    malformed = [error.code for error in errors if not _CODE.fullmatch(error.code)]
    assert (own, repeated, malformed) == ([], [], [])


def test_each_error_has_a_status() -> None:
    """The table names each error itself, so that a new one makes its author choose."""
    table = _status_table()
    assert not [error.__name__ for error in _errors() if error not in table]
    assert not [
        (error.__name__, status) for error, status in table.items() if not _FEWEST_ERROR <= status <= _MOST_ERROR
    ]


def test_validation_is_never_422() -> None:
    """A request that is wrong is answered with 400, whoever notices."""
    assert 422 not in _status_table().values()


def test_errors_of_the_service_are_defined_in_domain_only() -> None:
    """No layer above has its own errors, so the table is complete; the client has its own for the wire."""
    known = {error.__name__ for error in _errors()}
    strangers = [
        f"{module.path}:{node.lineno} {node.name}"
        for module in modules()
        if not module.is_in("domain", "client")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in known for base in node.bases)
    ]
    assert not strangers
