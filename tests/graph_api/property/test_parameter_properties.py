"""Typed parameters and loads have one idea of what a text means."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.domain.errors import InvalidParameterError
from robosystems.graph_api.domain.schema import parse_type
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.json_values import decode_texts
from robosystems.graph_api.worker.parameters import decode_parameters

_LOOKS: Final = {
    "DATE": r"\A[0-9]{3,5}-[01]?[0-9]-[0-3]?[0-9]\Z",
    "TIMESTAMP": r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][012][0-9](:[0-6][0-9](:[0-6][0-9](\.[0-9]{0,9})?)?)?(Z|[+-][01][0-9](:?[0-5][0-9])?)?)?\Z",  # noqa: E501 (a look)
    "TIMESTAMP_MS": r"\A20[0-9]{2}-0[1-9]-[012][0-9]T[012][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{1,3}0{0,7}\Z",
    "DECIMAL(9, 3)": r"\A[+-]?[0-9]{0,8}(\.[0-9]{0,5})?([eE][+-]?[0-9]{1,2})?\Z",
    "UUID": r"\A[0-9a-fA-F]{7,9}(-[0-9a-f]{4}){3}-[0-9a-f]{11,13}\Z",
    "BLOB": r"\A[0-9A-Za-z+/]{0,8}={0,3}\Z",
    "INT128": r"\A-?[0-9]{1,40}\Z",
    "INTERVAL": r"\AP([0-9]{1,3}W)?([0-9]{1,4}D)?(T([0-9]{1,3}H)?([0-9]{1,3}M)?([0-9]{1,3}(\.[0-9]{1,7})?S)?)?\Z",
}


def _sent(name: str, text: str) -> Any:
    document = json.dumps({"p": {"$type": name, "value": text}}).encode()
    try:
        return decode_parameters(document, {"p"})["p"]
    except InvalidParameterError:
        return None


def _loaded(name: str, text: str) -> Any:
    kind = parse_type(name)
    return to_transport(decode_texts([json.dumps(text)], kind), kind).to_pylist()[0]


@pytest.mark.parametrize("name", _LOOKS)
@settings(derandomize=True)
@given(data=st.data())
def test_what_a_parameter_takes_a_load_takes_too(name: str, data: st.DataObject) -> None:
    """A text that is a value as a parameter is the same value in a load; no parameter is more lenient."""
    text = data.draw(st.from_regex(_LOOKS[name]))
    sent = _sent(name, text)
    event("taken" if sent is not None else "refused")
    if sent is not None:
        assert _spelled(sent) == _spelled(_loaded(name, text))


def _spelled(value: Any) -> Any:
    """Return a value as a load hands it on."""
    if isinstance(value, dt.timedelta):
        return f"{value // dt.timedelta(microseconds=1)}us"
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and "us" not in value and "-" not in value[1:]:
        return Decimal(value)
    return value
