"""Each setting is described, bounded by a type, and read by somebody."""

import ast
import importlib
from collections.abc import Mapping
from typing import Protocol, cast

from tests.graph_api.architecture.source_tree import PACKAGE, dotted, functions, modules


class _Field(Protocol):
    """What these tests need of a field of the settings."""

    @property
    def description(self) -> str | None:
        """The sentence about the field."""
        ...


def _fields() -> Mapping[str, _Field]:
    """Return the fields of the settings by name."""
    settings = importlib.import_module(f"{PACKAGE}.config").Settings
    return cast("Mapping[str, _Field]", settings.model_fields)


def _attributes(tree: ast.AST) -> set[str]:
    """Name each attribute that is read below a node."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}


def _names_read() -> set[str]:
    """Name each attribute read outside the settings, and what a property read there takes from the settings."""
    names: set[str] = set()
    for module in modules():
        if not module.is_in("config"):
            names |= _attributes(module.tree)
    properties = [
        function
        for module in modules()
        if module.is_in("config")
        for _, function in functions(module)
        if any(dotted(decorator) == "property" for decorator in function.decorator_list)
    ]
    for function in properties:
        if function.name in names:
            names |= _attributes(function)
    return names


def test_each_setting_is_read() -> None:
    """A setting that nobody reads promises something that does not happen."""
    read = _names_read()
    assert not [name for name in _fields() if name not in read]


def test_each_setting_has_a_sentence() -> None:
    """The documentation of the configuration is made of these sentences."""
    assert not [name for name, field in _fields().items() if not (field.description or "").strip().endswith(".")]
