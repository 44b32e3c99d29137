"""Tests run the real parts, always, and say what they hold."""

import ast

from tests.graph_api.architecture.source_tree import TESTS, dotted, functions, imported_names, modules

_SWITCHED_OFF = {
    "pytest.skip",
    "pytest.xfail",
    "pytest.importorskip",
    "pytest.mark.skip",
    "pytest.mark.skipif",
    "pytest.mark.xfail",
    "unittest.skip",
    "unittest.skipIf",
}
_PRETENCE = ("unittest.mock", "mock", "pytest_mock")


def test_no_test_is_switched_off() -> None:
    """A test that does not run holds nothing: there are no skips and no expected failures."""
    wrong = [
        f"{module.path}:{node.lineno} {dotted(node)}"
        for module in modules(TESTS)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and dotted(node) in _SWITCHED_OFF
    ]
    assert not wrong


def test_no_test_replaces_parts() -> None:
    """No mocks, and no attribute of the source is exchanged during a test."""
    mocks = [
        f"{module.path}:{line} imports {name}"
        for module in modules(TESTS)
        for name, line in imported_names(module)
        if any(name == pretence or name.startswith(f"{pretence}.") for pretence in _PRETENCE)
    ]
    exchanged = [
        f"{module.path}:{node.lineno}"
        for module in modules(TESTS)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func).endswith("monkeypatch.setattr")
    ]
    assert (mocks, exchanged) == ([], [])


def test_each_test_says_what_it_holds() -> None:
    """Each test has a docstring."""
    silent = [
        f"{module.path}:{function.lineno} {name}"
        for module in modules(TESTS)
        for name, function in functions(module)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent
