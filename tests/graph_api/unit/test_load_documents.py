"""The page about loading names what there is."""

import re
from pathlib import Path

from robosystems.graph_api.domain.load import FileFormat, LoadMode, LoadPhase, OnError
from robosystems.graph_api.models.ingestion import LoadResponse
from robosystems.graph_api.routers.databases.load_options import FORMAT_BY_TYPE, LoadOptions
from robosystems.graph_api.worker.loading.transcoding import ENCODINGS

PAGE = (Path(__file__).parents[3] / "docs" / "loading.md").read_text()


def in_code(names: list[str]) -> set[str]:
    """Return the names that the page does not show as code."""
    shown = set(re.findall(r"`([^`\n]+)`", PAGE)) | set(
        re.findall(r'[?&"]?([\w/.+-]+)', "".join(re.findall(r"```.*?```", PAGE, re.DOTALL)))
    )
    return {name for name in names if name not in shown}


def test_all_options_and_their_values_are_explained() -> None:
    """Each option of the query string, each format, mode and phase."""
    options = [field.alias or name for name, field in LoadOptions.model_fields.items()]
    values = [each.value for kind in (FileFormat, LoadMode, OnError, LoadPhase) for each in kind]
    assert in_code([*options, *values]) == set()


def test_all_members_of_the_answer_are_explained() -> None:
    """But for the two that repeat what was asked."""
    assert in_code([name for name in LoadResponse.model_fields if name not in {"status", "graph_id"}]) == set()


def test_all_content_types_but_old_names_are_shown() -> None:
    """One for each format; the names that others use for them are taken silently."""
    assert {FORMAT_BY_TYPE[kind] for kind in FORMAT_BY_TYPE if kind in PAGE} == set(FileFormat)


def test_the_number_of_encodings_is_right() -> None:
    """Those that are named, and the others."""
    named = ["utf-8", "utf-16", "utf-32", "iso-8859-1", "windows-1252", "shift_jis", "gb18030"]
    assert set(named) <= set(ENCODINGS)
    assert "and twenty others" in PAGE
    assert len(ENCODINGS) - len(named) in range(19, 22)
