"""Commands of the command line client; each is one call of the Python client and one table on the screen."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from robosystems.graph_api.cli import keys
from robosystems.graph_api.cli.session import (
    DEFAULT_URL,
    Connection,
    Output,
    client_of,
    print_json,
    print_record,
    print_rows,
)
from robosystems.graph_api.client import LoadOptions, QueryResult, table_of_file

app = typer.Typer(
    name="cli",
    help="Talk to a graph API server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")


@app.callback()
def connect(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="GRAPH_API_URL", help="Base URL of the server.")] = DEFAULT_URL,
    api_key: Annotated[
        str | None,
        typer.Option(envvar="GRAPH_API_KEY", help="Key; better in the environment or a file.", show_default=False),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File that holds the key.", show_default=False)
    ] = None,
    output: Annotated[Output, typer.Option(help="Form of the answer.")] = Output.TABLE,
) -> None:
    """Talk to a graph API server."""
    key = key_file.read_text(encoding="ascii").strip() if key_file is not None else api_key
    context.obj = Connection(url, key.split(",")[0].strip() if key else None, output)


@app.command()
def health(context: typer.Context) -> None:
    """Say whether the server lives."""
    with client_of(context) as client:
        print_record(context, client.health())


@app.command()
def databases(context: typer.Context) -> None:
    """List all databases."""
    with client_of(context) as client:
        found: list[dict[str, Any]] = []
        page = client.list_databases(limit=1_000)
        while page:
            found += [database.document for database in page]
            page = client.list_databases(limit=1_000, after=page[-1].graph_id)
    print_rows(context, ["graph_id", "schema_type", "status", "created_at"], found)


@app.command()
def create(
    context: typer.Context,
    graph: Annotated[str, typer.Argument(help="Id of the new database.")],
    schema_type: Annotated[str, typer.Option(help="entity, shared or custom.")] = "entity",
    repository_name: Annotated[str | None, typer.Option(help="For shared: the repository, for example sec.")] = None,
    ddl: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="For custom: file with DDL statements.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="For custom: file with a JSON schema document.")
    ] = None,
) -> None:
    """Create a database."""
    with client_of(context) as client:
        database = client.create_database(
            graph,
            schema_type,
            repository_name=repository_name,
            custom_schema_ddl=ddl.read_text(encoding="utf-8") if ddl is not None else None,
            custom_schema=_read_document(schema) if schema is not None else None,
        )
    print_record(context, database.document)


@app.command()
def delete(context: typer.Context, graph: Annotated[str, typer.Argument(help="Id of the database.")]) -> None:
    """Delete a database with all its data."""
    with client_of(context) as client:
        client.delete_database(graph)
    print_record(context, {"status": "success", "graph_id": graph})


@app.command()
def query(
    context: typer.Context,
    graph: Annotated[str, typer.Argument(help="Id of the database.")],
    cypher: Annotated[str, typer.Argument(help="One Cypher statement.")],
    parameters: Annotated[str, typer.Option(help="Parameters as a JSON object.")] = "{}",
    timeout: Annotated[float | None, typer.Option(help="Seconds until an answer is due.")] = None,
) -> None:
    """Run one statement and print its rows."""
    with client_of(context) as client:
        result = client.query(graph, cypher, _parse_parameters(parameters), timeout=timeout)
    _print_result(context, result)


@app.command()
def load(
    context: typer.Context,
    graph: Annotated[str, typer.Argument(help="Id of the database.")],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Parquet, CSV or NDJSON file, also .gz, .zst.")
    ],
    table: Annotated[str | None, typer.Option(help="Table; else the file's name without its endings.")] = None,
    from_column: Annotated[str | None, typer.Option("--from", help="Relationships: column of the start keys.")] = None,
    to_column: Annotated[str | None, typer.Option("--to", help="Relationships: column of the end keys.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="CSV: the separator.")] = None,
    *,
    ignore_unknown_columns: Annotated[bool, typer.Option(help="Leave out columns that the table lacks.")] = False,
) -> None:
    """Load a file into a table, all or nothing."""
    options = LoadOptions(
        from_column=from_column,
        to_column=to_column,
        ignore_unknown_columns=ignore_unknown_columns,
        delimiter=delimiter,
    )
    with client_of(context) as client:
        result = client.load(graph, table or table_of_file(file.name), file, options)
    print_record(context, {"status": "success", "table_name": result.table_name, "rows_loaded": result.rows_loaded})


app.command("ingest", help="Load a file into a table, all or nothing (the same as load).")(load)


@app.command("export")
def export_graph(
    context: typer.Context,
    graph: Annotated[str, typer.Argument(help="Id of the database.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Archive to write; it appears when it is complete.")],
) -> None:
    """Write a whole graph, schema and rows, into an archive."""
    with client_of(context) as client:
        path = client.export(graph, file)
    print_record(context, {"status": "success", "graph_id": graph, "file": str(path)})


@app.command("import")
def import_graph(
    context: typer.Context,
    graph: Annotated[str, typer.Argument(help="Id of a database without rows.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Archive of an export.")],
) -> None:
    """Fill a database that has no rows from an archive, all or nothing."""
    with client_of(context) as client:
        result = client.import_archive(graph, file)
    print_record(
        context,
        {
            "status": "success",
            "nodes_imported": result.nodes_imported,
            "relationships_imported": result.relationships_imported,
            "source_graph_id": result.source_graph_id,
            "exported_at": result.exported_at,
        },
    )


def _parse_parameters(text: str) -> dict[str, object]:
    """Read the JSON object of `--parameters`."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--parameters is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise typer.BadParameter("--parameters must be a JSON object, for example '{\"id\": 7}'")
    return cast("dict[str, object]", document)


def _read_document(path: Path) -> dict[str, object]:
    """Read a JSON schema document from a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON: {error}") from error


def _print_result(context: typer.Context, result: QueryResult) -> None:
    """Print the rows of a query, and what a write changed."""
    connection: Connection = context.obj
    if connection.output is Output.JSON:
        print_json(
            {"columns": result.columns, "types": result.types, "data": result.rows, "truncated": result.truncated}
        )
        return
    print_rows(context, result.columns, result.rows)
    notes = [f"{len(result)} rows, {result.execution_time_ms:.1f} ms"]
    notes += [f"{name.replace('_', ' ')}: {count}" for name, count in result.counters.items() if count]
    if result.truncated:
        notes.append("TRUNCATED: more rows exist; use LIMIT or a stream")
    Console(stderr=True).print(" | ".join(notes), style="dim", markup=False)
