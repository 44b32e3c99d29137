"""What a backend can do, as a value: code asks for a capability, never for a backend's name."""

from dataclasses import asdict, dataclass

from robosystems.graph_api.domain.errors import CapabilityNotSupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCapabilities:
    """Declared abilities; using one that the backend lacks raises `CapabilityNotSupportedError`."""

    backend: str
    multiple_databases: bool
    schema_first: bool
    read_only_transactions: bool
    multi_statement_transactions: bool
    streaming: bool
    cancel: bool
    bulk_load: bool
    export_import: bool
    schema_introspection: bool
    process_isolation: bool
    result_versions: bool

    def require(self, capability: str) -> None:
        """Raise `CapabilityNotSupportedError` unless the named capability is there."""
        if asdict(self).get(capability) is not True:
            raise CapabilityNotSupportedError(
                f"The {self.backend} backend does not support {capability!r}.",
                capability=capability,
                backend=self.backend,
            )
