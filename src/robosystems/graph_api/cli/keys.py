"""Commands on keys."""

import re
from typing import Annotated, Any, Final

import typer

from robosystems.graph_api.cli.session import client_of, print_record, print_rows
from robosystems.graph_api.client import keys as operations

app = typer.Typer(name="keys", help="Make, list, disable and delete keys; needs the scope admin.", no_args_is_help=True)

_COLUMNS: Final = ["key_id", "name", "scope", "graphs", "expires_at", "disabled", "last_used_at"]
_SECONDS_BY_UNIT: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PERIOD: Final = re.compile(r"(\d{1,9})([smhd])")
_PAGE: Final = 1_000

KeyId = Annotated[str, typer.Argument(help="Id of the key, as the list shows it.")]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    scope: Annotated[str, typer.Option(help="read, write or admin.")] = "read",
    graph: Annotated[
        list[str] | None,
        typer.Option(help="A graph that it may see, or the beginning of names and '*'; may be repeated. None: all."),
    ] = None,
    expires_in: Annotated[str | None, typer.Option(help="For example 90d, 12h, 30m. None: it does not expire.")] = None,
) -> None:
    """Make a key and print it: nobody can show it again."""
    seconds = _seconds(expires_in) if expires_in is not None else None
    with client_of(context) as client:
        made = client.run(operations.create_key(name, scope, graphs=graph, expires_in_seconds=seconds))
    print_record(context, made)


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List all keys, without their secrets."""
    found: list[dict[str, Any]] = []
    with client_of(context) as client:
        page = client.run(operations.list_keys(limit=_PAGE))
        found += page["keys"]
        while page["next_after"] is not None:
            page = client.run(operations.list_keys(limit=_PAGE, after=page["next_after"]))
            found += page["keys"]
    print_rows(context, _COLUMNS, found)


@app.command()
def show(context: typer.Context, key_id: KeyId) -> None:
    """Describe a key."""
    with client_of(context) as client:
        print_record(context, client.run(operations.get_key(key_id)))


@app.command()
def disable(context: typer.Context, key_id: KeyId) -> None:
    """Let a key open nothing, at once, until it is enabled again."""
    with client_of(context) as client:
        print_record(context, client.run(operations.change_key(key_id, disabled=True)))


@app.command()
def enable(context: typer.Context, key_id: KeyId) -> None:
    """Let a disabled key open again what it opened."""
    with client_of(context) as client:
        print_record(context, client.run(operations.change_key(key_id, disabled=False)))


@app.command()
def delete(context: typer.Context, key_id: KeyId) -> None:
    """Delete a key, at once and for good."""
    with client_of(context) as client:
        client.run(operations.delete_key(key_id))
    print_record(context, {"status": "success", "key_id": key_id})


def _seconds(period: str) -> int:
    """Return the seconds of a period such as `90d`."""
    found = _PERIOD.fullmatch(period)
    if found is None:
        raise typer.BadParameter(f"--expires-in {period!r}: write a number and s, m, h or d, for example 90d.")
    return int(found.group(1)) * _SECONDS_BY_UNIT[found.group(2)]
