"""The server: flags, key file, socket, signals."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import shlex
import socket
import stat
import string
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import structlog
import typer
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from robosystems.graph_api.app import GraphApi, create_app
from robosystems.graph_api.bootstrap import service_version
from robosystems.graph_api.concurrency.gathered_writes import GatheredWrites
from robosystems.graph_api.config import ConfigurationError, Settings, load_settings
from robosystems.graph_api.observability.logging import JsonLog, LineSink, LogIdentity

_BACKLOG: Final = 2_048
_KEEP_ALIVE_S: Final = 75
"""Longer than load balancers keep idle connections: whoever reuses one closes it."""

_GARBAGE_AFTER: Final = (20_000, 20, 100)
"""Requests leave few cycles behind: looking for them as often as is usual costs a twentieth of all processor time."""

_CUT_OFF_S: Final = 1
"""Seconds that requests have to notice that they were cut off after the grace."""

_KEY_PREFIX: Final = "graph_api_"
_KEY_CHARACTERS: Final = 64
_KEY_MODE: Final = 0o600
_EXIT_USAGE: Final = 2
_EXIT_FAILED: Final = 3
_SIGNALS_TO_HASTEN: Final = 2

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class StartError(Exception):
    """The server cannot start; the message is one line for the operator."""


class HttpProtocol(HttpToolsProtocol):
    """Speaks HTTP; head and body of a small answer leave together."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(GatheredWrites(transport, self.loop))


class Server(uvicorn.Server):
    """Serves until a signal, then drains.

    The first SIGTERM or SIGINT stops new work: `/ready` and everything but the health routes answer 503, while what is
    being served goes on. When nothing is left, or the grace is over, connections are closed and the services are
    closed. A second signal ends the grace, a third one the process.

    Args:
        config: Of uvicorn.
        api: The application.
        grace_s: Seconds that requests may go on after the first signal.
        started: Called once when requests are being served.
    """

    def __init__(self, config: uvicorn.Config, api: GraphApi, grace_s: float, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._api = api
        self._grace_s = grace_s
        self._on_started = started
        self._signals = 0
        self._deadline: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then keep the garbage collector from walking what lives as long as the process."""
        await super().startup(sockets=sockets)
        if self.started:
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GARBAGE_AFTER)
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a signal handler
        """Take a signal. Only sets flags: it may interrupt anything, logging included."""
        self._signals += 1
        self._api.traffic.begin_drain()
        if self._signals > _SIGNALS_TO_HASTEN:
            self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Look every tenth of a second whether the drain is over."""
        if self._signals:
            self._drain()
        return await super().on_tick(counter)

    def _drain(self) -> None:
        """Begin to drain, or see whether it is done."""
        traffic = self._api.traffic
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._grace_s
            structlog.get_logger().info("draining", operation="shutdown", in_flight=traffic.in_flight)
        if not traffic.in_flight or now >= self._deadline or self._signals >= _SIGNALS_TO_HASTEN:
            self.should_exit = True


@app.command(epilog="'python -m robosystems.graph_api cli --help' describes the command line client.")
def serve(  # noqa: PLR0913 - each flag is a parameter
    *,
    base_path: Annotated[Path | None, typer.Option(help="Directory of all databases [LBUG_DATABASE_PATH].")] = None,
    node_type: Annotated[str | None, typer.Option(help="writer or shared_master [LBUG_NODE_TYPE].")] = None,
    tier: Annotated[str | None, typer.Option(help="standard, large, xlarge or shared [WRITER_TIER].")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [GRAPH_API_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [LBUG_PORT].")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR [LBUG_LOG_LEVEL].")] = None,
    development_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Use the key of this file, beside GRAPH_API_KEY; the file is made if it is missing."
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Serve graph databases over HTTP.

    Flags go before the environment variables in brackets; docs/configuration.md lists all variables. Logs go to
    standard error.
    """
    if version:
        typer.echo(service_version())
        return
    flags = {
        "lbug_database_path": base_path,
        "lbug_node_type": node_type,
        "writer_tier": tier,
        "graph_api_host": host,
        "lbug_port": port,
        "lbug_log_level": log_level,
    }
    try:
        key = _development_key(development_key) if development_key is not None else None
        settings = load_settings(flags, extra_key=key)
    except ConfigurationError as error:
        for problem in error.problems:
            typer.echo(f"graph-api: {problem}", err=True)
        raise typer.Exit(_EXIT_USAGE) from None
    except StartError as error:
        typer.echo(f"graph-api: {error}", err=True)
        raise typer.Exit(_EXIT_USAGE) from None
    raise typer.Exit(_run(settings, development_key))


def _run(settings: Settings, key_file: Path | None) -> int:
    """Serve until a signal; return the exit status."""
    log = JsonLog(
        LogIdentity(settings.lbug_node_type, settings.writer_tier, settings.instance_id),
        LineSink(sys.stderr.buffer),
        logging.getLevelNamesMapping()[settings.lbug_log_level],
    )
    log.install()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        listener = _listen(settings.graph_api_host, settings.lbug_port)
    except StartError as error:
        typer.echo(f"graph-api: {error}", err=True)
        return _EXIT_FAILED
    api = create_app(settings, log)
    url = _url(listener)

    def started() -> None:
        structlog.get_logger().info("serving", operation="start", url=url, process_id=os.getpid())
        if key_file is not None:
            typer.echo(_first_steps(url, key_file))

    server = Server(_server_config(api), api, settings.lbug_shutdown_grace_seconds, started)
    with log.sink.writing(), listener, contextlib.suppress(SystemExit):  # with which uvicorn ends a failed start
        server.run(sockets=[listener])
    if api.start_failure is not None:
        path = settings.lbug_database_path
        typer.echo(f"graph-api: cannot start: {api.start_failure} (LBUG_DATABASE_PATH is {path})", err=True)
    return 0 if server.started else _EXIT_FAILED


def _server_config(api: GraphApi) -> uvicorn.Config:
    """Return how uvicorn has to serve: one process, the fastest parts, no logs of its own."""
    return uvicorn.Config(
        api,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_CUT_OFF_S,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        StartError: The address is taken, unknown or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"cannot listen on {host}: {error.strerror}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(
            f"cannot listen on {host} port {port}: {error.strerror}. "
            "Stop what listens there, or choose another port with --port or LBUG_PORT."
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    """Return the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _development_key(file: Path) -> str:
    """Return the key of a file that only its owner can read; make it if it is missing.

    Raises:
        StartError: The file cannot be used.
    """
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            alphabet = string.ascii_letters + string.digits
            key = _KEY_PREFIX + "".join(secrets.choice(alphabet) for _ in range(_KEY_CHARACTERS))
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _KEY_MODE)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(key + "\n")
        mode = stat.S_IMODE(file.stat().st_mode)
        key = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise StartError(f"--development-key {file}: {error}.") from error
    if mode & 0o077:
        raise StartError(f"--development-key {file}: others can read it; run: chmod 600 {shlex.quote(str(file))}")
    if not key or "," in key:
        raise StartError(f"--development-key {file}: holds no single key; delete it, and a new one is made.")
    return key


def _first_steps(url: str, key_file: Path) -> str:
    """Return commands to paste into a shell; the key itself stays in its file."""
    path = shlex.quote(str(key_file.absolute()))
    post = f'curl -sS -X POST -H "X-Graph-API-Key: $(cat {path})" -H "Content-Type: application/json"'
    return "\n".join(
        (
            f"Serving on {url}. To create a database and query it:",
            "",
            f"""  {post} {url}/databases -d '{{"graph_id": "demo", "schema_type": "entity"}}'""",
            f"""  {post} {url}/databases/demo/query -d '{{"cypher": "MATCH (n) RETURN count(n) AS nodes"}}'""",
            "",
        )
    )
