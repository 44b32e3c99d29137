"""What the clients offer: every route of the interface, as the interface documents it, and nothing heavy at import."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robosystems.graph_api.client import AsyncGraphClient, GraphClient, LoadOptions, file_operations, keys, operations
from robosystems.graph_api.client.operation import Download, Operation, Request, StreamOperation

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
EVERYTHING = LoadOptions(
    from_column="a",
    to_column="b",
    from_table="A",
    to_table="B",
    ignore_unknown_columns=True,
    mode="replace",
    on_error="skip",
    detach=True,
    delimiter=";",
    columns=["a", 'b "c"'],
    quote="'",
    null="-",
    encoding="latin-1",
    timeout_s=5,
    format="csv",
)
ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "arrow": (("g", "RETURN 1"), {}),
    "arrow_stream": (("g", "RETURN 1"), {}),
    "cancel_query": (("g", "q-1"), {}),
    "change_key": (("k",), {"name": "n", "disabled": True, "expires_in_seconds": None}),
    "create_database": (("g",), {"custom_schema_ddl": "x", "limits": {"max_rows": 1}}),
    "create_key": (("n", "read"), {"graphs": ["g"], "expires_in_seconds": 5}),
    "database_metrics": (("g",), {}),
    "database_states": ((), {}),
    "delete_database": (("g",), {}),
    "delete_key": (("k",), {}),
    "download": (("g", "RETURN 1", "x.csv"), {}),
    "explain": (("g", "RETURN 1"), {}),
    "export": (("g", "x.tar"), {"timeout": 5}),
    "extend_schema": (("g",), {"ddl": "x"}),
    "get_database": (("g",), {}),
    "get_key": (("k",), {}),
    "get_schema": (("g",), {"counts": True}),
    "health": ((), {}),
    "import_archive": (("g", b"x"), {"timeout": 5}),
    "info": ((), {}),
    "issue_token": ((), {"graphs": ["g"]}),
    "list_databases": ((), {"after": "a"}),
    "list_keys": ((), {"after": "a"}),
    "list_queries": (("g",), {}),
    "load": (("g", "T", b"x", EVERYTHING), {}),
    "metrics": ((), {}),
    "query": (("g", "CREATE (:P)", {"a": 1}), {"timeout": 5, "mode": "write", "max_rows": 1, "idempotency_key": "k"}),
    "query_stream": (("g", "RETURN 1"), {}),
    "read": (("g", "RETURN 1", {"a": 1}), {"etag": '"x"', "timeout": 5, "max_rows": 1}),
    "read_rejects": (("g", "l-1"), {}),
    "ready": ((), {}),
    "retry_database": (("g",), {}),
    "set_limits": (("g",), {"max_rows": None}),
    "status": ((), {}),
    "transaction": (("g", ["RETURN 1", ("RETURN $a", {"a": 1})]), {"timeout": 5}),
}
"""Arguments of each operation, with everything that goes into its query string."""


def builders() -> dict[str, Any]:
    """Return the functions that make operations, by name."""
    return {
        name: function
        for module in (operations, file_operations, keys)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


def request_of(name: str) -> Request:
    """Return the request of an operation with its arguments."""
    positional, named = ARGUMENTS[name]
    made: Operation[Any] | StreamOperation[Any] | Download = builders()[name](*positional, **named)
    return made.operation.request if isinstance(made, Download) else made.request


def template_of(request: Request) -> str:
    """Return the route that a request reaches: the one with the fewest parameters."""
    fitting = [
        template
        for template, methods in DOCUMENT["paths"].items()
        if request.method.lower() in methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), request.path)
    ]
    return min(fitting, key=lambda template: template.count("{"))


def test_every_operation_is_a_method_of_both_clients() -> None:
    """A method has the name, parameters and documentation of its operation."""
    for name, build in builders().items():
        for kind in (AsyncGraphClient, GraphClient):
            assert inspect.signature(getattr(kind, name)).parameters == inspect.signature(build).parameters
            assert getattr(kind, name).__doc__ == build.__doc__
    assert builders().keys() == ARGUMENTS.keys()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_request_is_in_the_contract(name: str) -> None:
    """Method, path, query string and the fields of the body are those that the interface documents."""
    request = request_of(name)
    described = DOCUMENT["paths"][template_of(request)][request.method.lower()]
    known = {parameter["name"] for parameter in described.get("parameters", [])}
    assert set(request.query) <= known
    if request.document is not None:
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        fields = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
        assert set(request.document) <= set(fields)
    assert not request.takes_key or "Idempotency-Key" in known


def test_every_route_has_a_method() -> None:
    """Whatever the interface can do, a client can ask for: a route without a method needs one."""
    reached = {(request.method, template_of(request)) for request in map(request_of, ARGUMENTS)}
    routes = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert not routes - reached


def test_importing_the_client_loads_no_heavy_library() -> None:
    """All modules of the client together load no engine, no web framework and none of the optional libraries."""
    program = (
        "import importlib, pkgutil, sys, robosystems.graph_api.client as package\n"
        "for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {
        "ladybug",
        "duckdb",
        "fastapi",
        "starlette",
        "pydantic",
        "pyarrow",
        "pandas",
        "polars",
        "networkx",
        "numpy",
    }
    assert not loaded & heavy
