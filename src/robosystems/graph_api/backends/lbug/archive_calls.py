"""The calls of exports and imports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from robosystems.graph_api.backends.lbug.calls import Call
from robosystems.graph_api.backends.lbug.wire import ExportOrder, ImportOrder, Kind
from robosystems.graph_api.domain.archive import ExportRequest, ImportReport, ImportRequest
from robosystems.graph_api.domain.graph import DatabaseRecord
from robosystems.graph_api.domain.query import AccessMode, EncodedResult

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_report: Final = msgspec.json.Decoder(ImportReport).decode


class ExportCall(Call):
    """A whole graph out of a database."""

    __slots__ = ("_credit", "_record", "_request")

    kind = int(Kind.EXPORT)

    def __init__(self, request: ExportRequest, record: DatabaseRecord, query_id: str, credit: int) -> None:
        super().__init__(query_id, AccessMode.READ, request.timeout_s)
        self._request = request
        self._record = record
        self._credit = credit

    @property
    def text(self) -> str:
        """Words for it; there is no statement of the client's."""
        return "export"

    def payload(self, seconds_left: float) -> bytes:
        """Return an `ExportOrder`."""
        described = self._record.schema_document
        return _encode(
            ExportOrder(
                timeout_s=seconds_left,
                credit=self._credit,
                graph_id=self._record.graph_id.value,
                producer=self._request.producer,
                described=dict(described) if described is not None else None,
            )
        )


class ImportCall(Call):
    """An archive into a new database."""

    __slots__ = ("_existing", "_path")

    kind = int(Kind.IMPORT)

    def __init__(self, request: ImportRequest, path: Path, existing: Mapping[str, object], query_id: str) -> None:
        super().__init__(query_id, AccessMode.WRITE, request.timeout_s)
        self._path = path
        self._existing = dict(existing)

    @property
    def text(self) -> str:
        """Words for it."""
        return "import"

    def payload(self, seconds_left: float) -> bytes:
        """Return an `ImportOrder`."""
        return _encode(ImportOrder(path=str(self._path), timeout_s=seconds_left, existing=self._existing))


def decode_import_report(result: EncodedResult) -> ImportReport:
    """Return the report of an import."""
    return _decode_report(result.body or b"")
