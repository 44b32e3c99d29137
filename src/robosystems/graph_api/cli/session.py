"""What all commands share: where the server is, and how answers look on the screen."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from robosystems.graph_api.client import GraphApiError, GraphClient

DEFAULT_URL = "http://127.0.0.1:8001"
EXIT_ERROR = 1
"""The server refused, failed, or could not be reached. Usage errors are 2."""


class Output(StrEnum):
    """How answers are printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the server is and how to print.

    Attributes:
        url: Its base URL.
        key: The key, or None.
        output: How to print.
    """

    url: str
    key: str | None
    output: Output


@contextmanager
def client_of(context: typer.Context) -> Generator[GraphClient]:
    """Yield a client; an error becomes one line on stderr and exit code 1."""
    connection: Connection = context.obj
    client = GraphClient(connection.url, connection.key)
    try:
        yield client
    except GraphApiError as error:
        Console(stderr=True, soft_wrap=True).print(f"{error.code}: {error.detail}", style="red", markup=False)
        raise typer.Exit(EXIT_ERROR) from error
    finally:
        client.close()


def print_rows(context: typer.Context, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """Print rows as a table or as JSON."""
    connection: Connection = context.obj
    if connection.output is Output.JSON:
        print_json(rows)
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console().print(table)


def print_record(context: typer.Context, record: dict[str, Any]) -> None:
    """Print one record."""
    connection: Connection = context.obj
    if connection.output is Output.JSON:
        print_json(record)
        return
    table = Table("field", "value")
    for name, value in record.items():
        table.add_row(name, _cell(value))
    Console().print(table)


def print_json(document: object) -> None:
    """Print a JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _cell(value: object) -> str:
    """Return a value as a cell of a table; markup in it stays text."""
    if value is None:
        return ""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
