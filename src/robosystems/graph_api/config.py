"""Settings: read once, from the environment; the only module that does so.

A field is the lower-case name of its variable. Components never see `Settings`: `bootstrap.py` gives each a small
frozen configuration. `docs/configuration.md` is made from this module.
"""

import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_GIBIBYTE: Final = 1 << 30
_MEBIBYTE: Final = 1 << 20
_USUAL_SHARE_MB: Final = 256
_LEAST_SHARE_MB: Final = 64
_LOCALHOST: Final = "localhost"
_PLANNED_BACKENDS: Final = frozenset({"neo4j_community", "neo4j_enterprise"})
_SHOWN: Final = 80
_INTRODUCTION: Final = (
    "The server reads these environment variables once, at its start, and refuses to start if one is wrong. "
    "Flags of `python -m robosystems.graph_api` go before them. "
    "This page is made from `robosystems.graph_api.config`; change it there."
)


class ConfigurationError(Exception):
    """The settings are wrong; each of `problems` is a sentence that names the variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    graph_backend_type: Annotated[
        Literal["ladybug"], Field(description="Graph backend; `ladybug` is the only one of this release.")
    ] = "ladybug"
    lbug_node_type: Annotated[
        Literal["writer", "shared_master"],
        Field(description="Role of the node, shown in status and logs."),
    ] = "writer"
    writer_tier: Annotated[
        Literal["standard", "large", "xlarge", "shared"],
        Field(description="Cluster tier of the node, shown in status and logs."),
    ] = "standard"
    instance_id: Annotated[
        str,
        Field(
            default_factory=socket.gethostname,
            pattern=r"^[A-Za-z0-9._:-]{1,128}$",
            description="Name of the machine in info and logs; the default is its host name.",
        ),
    ]
    graph_api_host: Annotated[
        str,
        Field(min_length=1, description="Address to listen on; one that is not loopback needs GRAPH_API_KEY."),
    ] = "127.0.0.1"
    lbug_port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8001
    graph_api_key: Annotated[
        SecretStr,
        Field(
            description=(
                "API key, or several separated by commas while keys are being changed; non-empty ASCII. "
                "Without one, the node listens on loopback only and needs no key."
            )
        ),
    ] = SecretStr("")
    lbug_max_wrong_keys_per_minute: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="Wrong keys of one address that are answered with 401; further ones get 429, right ones never.",
        ),
    ] = 60
    lbug_idempotency_retention_seconds: Annotated[
        float,
        Field(ge=1, le=2_592_000, description="How long the outcome of a request with an idempotency key is kept."),
    ] = 86_400
    lbug_idempotency_max_mb: Annotated[
        int,
        Field(ge=1, le=1_048_576, description="Disk space of these outcomes, MiB; the oldest go first."),
    ] = 256
    lbug_database_path: Annotated[
        Path, Field(description="Directory of all databases; made if it is missing, used by one server at a time.")
    ] = Path("/data/lbug-dbs")
    lbug_max_databases_per_node: Annotated[
        int, Field(ge=1, le=10_000, description="Databases that the node may hold; one more is refused with 507.")
    ] = 10
    lbug_max_open_databases: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description=(
                "Databases that may be open at once, each in a process; 0: as many as LBUG_MAX_MEMORY_MB gives 256 MiB "
                "each, at most LBUG_MAX_DATABASES_PER_NODE."
            ),
        ),
    ] = 0
    lbug_idle_close_seconds: Annotated[
        float,
        Field(ge=0, le=86_400, description="A database without queries for so long is closed; 0 keeps it open."),
    ] = 300
    lbug_max_memory_mb: Annotated[
        int,
        Field(
            ge=256,
            le=16_777_216,
            description=(
                "Memory of all open databases, MiB. It wins over LBUG_MEMORY_PER_DB_MB: an engine's buffer pool is "
                "60 % of the lesser of LBUG_MEMORY_PER_DB_MB and this divided by the databases that may be open."
            ),
        ),
    ] = 14_336
    lbug_memory_per_db_mb: Annotated[
        int, Field(ge=64, le=16_777_216, description="Memory that the process of one database may use, MiB.")
    ] = 2_048
    lbug_engine_threads: Annotated[
        int, Field(ge=1, le=256, description="Threads that an engine may use for one statement.")
    ] = 2
    lbug_connection_pool_size: Annotated[
        int, Field(ge=1, le=256, description="Reads of one database that may run at once.")
    ] = 10
    lbug_max_pending_queries: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Queries of one database that may run or wait; one more gets 503 (Connection pool exhausted).",
        ),
    ] = 256
    lbug_query_timeout: Annotated[
        float, Field(gt=0, le=86_400, description="Time-out of a query that names none, seconds.")
    ] = 30
    lbug_max_query_timeout: Annotated[
        float, Field(gt=0, le=86_400, description="The longest time-out that a query may ask for, seconds.")
    ] = 300
    lbug_max_query_length: Annotated[int, Field(ge=1, le=10_000_000, description="Characters of one statement.")] = (
        10_000
    )
    lbug_max_parameters: Annotated[int, Field(ge=0, le=1_000_000, description="Parameters of one statement.")] = 1_000
    lbug_max_rows: Annotated[
        int, Field(ge=1, le=10_000_000, description="Rows of a JSON answer; it is cut there and says `truncated`.")
    ] = 100_000
    lbug_result_cache_mb: Annotated[
        int,
        Field(
            ge=0,
            le=65_536,
            description=(
                "Memory of the server for answers of reads that are given again while their database stays as it is, "
                "MiB; a quarter of it at most for one database. 0: every read is run."
            ),
        ),
    ] = 64
    lbug_chunk_size: Annotated[
        int,
        Field(
            ge=64,
            le=65_536,
            description=(
                "Size of the pieces of a streamed answer, in rows of 128 bytes; smaller ones protect neighbours, "
                "larger ones stream faster."
            ),
        ),
    ] = 1_000
    lbug_max_body_bytes: Annotated[
        int, Field(ge=1_024, le=_GIBIBYTE, description="Bytes of a request's body, files to load excepted.")
    ] = 16 * _MEBIBYTE
    lbug_max_upload_bytes: Annotated[
        int,
        Field(ge=1_024, le=1 << 44, description="Bytes of a file to load, as it is sent and also after decompression."),
    ] = 8 * _GIBIBYTE
    lbug_max_concurrent_loads: Annotated[int, Field(ge=1, le=256, description="Loads that may run at once.")] = 4
    lbug_max_waiting_loads: Annotated[
        int,
        Field(ge=0, le=10_000, description="Loads that may wait; one more gets 503 (Ingestion queue full)."),
    ] = 16
    lbug_load_timeout: Annotated[
        float,
        Field(gt=0, le=604_800, description="The longest that a load may run, seconds, its upload not counted."),
    ] = 3_600
    lbug_sandbox: Annotated[
        Literal["required", "preferred", "off"],
        Field(
            description=(
                "Confinement of database processes: `required` refuses to run where the kernel lacks a part of it, "
                "`preferred` uses what there is, `off` uses none."
            )
        ),
    ] = "preferred"
    lbug_shutdown_grace_seconds: Annotated[
        float, Field(ge=0, le=3_600, description="How long requests may still run after SIGTERM, seconds.")
    ] = 30
    lbug_log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="Least level that is logged; DEBUG may show values of tenants in tracebacks."),
    ] = "INFO"

    @field_validator("lbug_log_level", "graph_backend_type", mode="before")
    @classmethod
    def _case(cls, value: object) -> object:
        """Take names in any case; name what a later release will bring."""
        if not isinstance(value, str):
            return value
        if value.lower() in _PLANNED_BACKENDS:
            raise ValueError(f"{value!r} is not part of this release; use 'ladybug'")
        return "ladybug" if value.lower() == "ladybug" else value.upper()

    @field_validator("graph_api_key")
    @classmethod
    def _keys(cls, value: SecretStr) -> SecretStr:
        """Refuse keys that no header can carry, without showing them."""
        if not all(key.isascii() and key.isprintable() and " " not in key for key in _split_keys(value)):
            raise ValueError("a key may hold printable ASCII characters only, and no spaces")
        if value.get_secret_value() and not _split_keys(value):
            raise ValueError("it holds separators but no key")
        return value

    @field_validator("lbug_database_path")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """Make the path independent of the working directory."""
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Check what concerns several variables."""
        if self.lbug_query_timeout > self.lbug_max_query_timeout:
            raise ValueError(
                f"LBUG_QUERY_TIMEOUT ({self.lbug_query_timeout:g}) is more than "
                f"LBUG_MAX_QUERY_TIMEOUT ({self.lbug_max_query_timeout:g})"
            )
        if self.lbug_max_memory_mb // self.open_databases < _LEAST_SHARE_MB:
            raise ValueError(
                f"LBUG_MAX_MEMORY_MB ({self.lbug_max_memory_mb}) has less than {_LEAST_SHARE_MB} MiB for each of "
                f"{self.open_databases} open databases: raise it, or lower LBUG_MAX_OPEN_DATABASES"
            )
        if not self.api_keys and not _is_loopback(self.graph_api_host):
            raise ValueError(
                f"GRAPH_API_KEY is not set: without a key the server listens on loopback only, not on "
                f"GRAPH_API_HOST={self.graph_api_host[:_SHOWN]}"
            )
        return self

    @property
    def api_keys(self) -> tuple[str, ...]:
        """The keys of GRAPH_API_KEY; empty if requests need none."""
        return _split_keys(self.graph_api_key)

    @property
    def open_databases(self) -> int:
        """Databases that may be open at once."""
        wanted = self.lbug_max_open_databases or max(1, self.lbug_max_memory_mb // _USUAL_SHARE_MB)
        return min(wanted, self.lbug_max_databases_per_node)


class _Keys(BaseSettings):
    """The keys of the environment alone."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    graph_api_key: SecretStr = SecretStr("")


def load_settings(flags: Mapping[str, object] | None = None, *, extra_key: str | None = None) -> Settings:
    """Read the settings.

    Args:
        flags: Values by field name that go before the environment; None as a value means that a flag was not given.
        extra_key: A key that is valid beside those of the environment.

    Raises:
        ConfigurationError: Variables are wrong; all of them are named.
    """
    given: dict[str, Any] = {name: value for name, value in (flags or {}).items() if value is not None}
    if extra_key is not None:
        given["graph_api_key"] = SecretStr(f"{_Keys().graph_api_key.get_secret_value()},{extra_key}")
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError([_sentence(dict(item)) for item in error.errors(include_input=False)]) from None


def settings_documentation() -> str:
    """Return the reference of all settings as Markdown."""
    lines = [
        "# Configuration",
        "",
        _INTRODUCTION,
        "",
        "| Variable | Default | Values | Meaning |",
        "| --- | --- | --- | --- |",
    ]
    schema: dict[str, Any] = Settings.model_json_schema()
    for name, field in schema["properties"].items():
        lines.append(f"| `{name.upper()}` | {_default(field)} | {_values(field)} | {field['description']} |")
    return "\n".join(lines) + "\n"


def _default(field: dict[str, Any]) -> str:
    """Return the default of a setting as documentation."""
    default = field.get("default", "")
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return f"`{default}`" if default != "" else ""


def _values(field: dict[str, Any]) -> str:
    """Return the legal values of a setting as documentation."""
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    kind = {"integer": "integer", "number": "number"}.get(field["type"], "text")
    least = field.get("minimum", field.get("exclusiveMinimum"))
    if least is None:
        return kind
    above = "above " if "exclusiveMinimum" in field else ""
    return f"{kind}, {above}{least:.15g} to {field['maximum']:.15g}"


def _split_keys(value: SecretStr) -> tuple[str, ...]:
    """Return the keys of a list separated by commas."""
    return tuple(key for key in (part.strip() for part in value.get_secret_value().split(",")) if key)


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == _LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sentence(error: dict[str, Any]) -> str:
    """Return what is wrong with a variable; its value is not repeated, because it may be secret."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return f"{message}."
    return f"{str(error['loc'][0]).upper()}: {message[:1].lower()}{message[1:]}."
