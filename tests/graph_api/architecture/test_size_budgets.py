"""Sizes stay readable. Exceptions stand in `size_exceptions.toml`, and that file only ever shrinks."""

import ast
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from tests.graph_api.architecture.source_tree import ROOT, Module, functions, modules, type_of_function

_BUDGETS: Final[Mapping[str, int]] = {
    "module_lines": 400,
    "function_lines": 50,
    "parameters": 6,
    "broad_excepts": 0,
    "globals": 0,
}
"""The most of each kind that needs no entry."""

_EXCEPTIONS: Final = ROOT / "tests" / "graph_api" / "architecture" / "size_exceptions.toml"
_BROAD: Final = {"Exception", "BaseException"}


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches everything: bare, or naming the root of the errors alone or among others."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds)


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler only cleans up: it ends by raising the same error again."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _parameters(function: type_of_function) -> int:
    """Count the parameters that a caller gives."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def _sizes(module: Module) -> Iterator[tuple[str, str, int]]:
    """Yield kind, place and size of everything in a module that has a budget."""
    yield "module_lines", str(module.path), len(module.text.splitlines())
    for name, function in functions(module):
        place = f"{module.path}::{name}"
        yield "function_lines", place, (function.end_lineno or function.lineno) - function.lineno + 1
        if not module.is_in("cli", "main"):  # Parameters of a command are its options, given by name.
            yield "parameters", place, _parameters(function)
    handlers = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)]
    yield "broad_excepts", str(module.path), sum(_is_broad(handler) and not _passes_on(handler) for handler in handlers)
    yield "globals", str(module.path), sum(isinstance(node, ast.Global) for node in ast.walk(module.tree))


def _exceptions() -> Mapping[str, Mapping[str, int]]:
    """Read the exceptions: for each kind, the size that each place may have."""
    return tomllib.loads(_EXCEPTIONS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", _BUDGETS)
def test_size_is_within_its_budget(kind: str) -> None:
    """Nothing is larger than its budget, or than its entry among the exceptions."""
    allowed = _exceptions().get(kind, {})
    too_large = [
        f"{place}: {size} (at most {allowed.get(place, _BUDGETS[kind])})"
        for module in modules()
        for found, place, size in _sizes(module)
        if found == kind and size > allowed.get(place, _BUDGETS[kind])
    ]
    assert not too_large


@pytest.mark.parametrize("kind", _BUDGETS)
def test_exceptions_only_shrink(kind: str) -> None:
    """An entry that is larger than what it stands for, or no longer needed, has to go down or out."""
    sizes = {place: size for module in modules() for found, place, size in _sizes(module) if found == kind}
    stale = [
        f"{place}: entry {entry}, now {sizes.get(place, 0)}; lower or remove it"
        for place, entry in _exceptions().get(kind, {}).items()
        if sizes.get(place, 0) < entry or entry <= _BUDGETS[kind]
    ]
    assert not stale


def test_exceptions_name_known_kinds_only() -> None:
    """A misspelt kind would switch nothing off and never be noticed."""
    assert set(_exceptions()) <= set(_BUDGETS)


@pytest.mark.parametrize(
    ("text", "broad"),
    [
        ("try: f()\nexcept ValueError: pass", 0),
        ("try: f()\nexcept Exception: pass", 1),
        ("try: f()\nexcept (OSError, BaseException) as e: log(e)", 1),
        ("try: f()\nexcept: pass", 1),
        ("try: f()\nexcept BaseException:\n    clean()\n    raise", 0),
    ],
)
def test_broad_handlers_are_recognised(text: str, broad: int) -> None:
    """The check itself tells a handler that swallows everything from one that does not."""
    handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
    assert sum(_is_broad(handler) and not _passes_on(handler) for handler in handlers) == broad
