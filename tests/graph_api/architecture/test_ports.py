"""A port is a document: an implementation can be written from it alone."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.graph_api.architecture.source_tree import Module, dotted, functions, modules

_SAYS_WHAT_IT_RAISES: Final = re.compile(r"\braises?\b", re.IGNORECASE)
_FAMILIES: Final = ("backends", "staging", "registry", "storage", "tasks", "state")


def _ports() -> Iterator[Module]:
    """Yield the module of each port."""
    return (module for module in modules() if module.path.name == "base.py" and module.is_in(*_FAMILIES))


def test_there_is_a_port() -> None:
    """The check looks at something: the backends have their port."""
    assert any(module.is_in("backends.base") for module in _ports())


def test_abstract_methods_say_what_they_raise() -> None:
    """Each abstract method has a docstring that names its errors, or says that it never raises."""
    silent = [
        f"{module.path}:{function.lineno} {name}"
        for module in _ports()
        for name, function in functions(module)
        if any(dotted(decorator).endswith("abstractmethod") for decorator in function.decorator_list)
        and not _SAYS_WHAT_IT_RAISES.search(ast.get_docstring(function) or "")
    ]
    assert not silent


def test_ports_hold_no_implementation() -> None:
    """A class of a port is abstract, a protocol or a frozen value: none of its abstract methods has a body."""
    with_body = [
        f"{module.path}:{function.lineno} {name}"
        for module in _ports()
        for name, function in functions(module)
        if any(dotted(decorator).endswith("abstractmethod") for decorator in function.decorator_list)
        and not all(
            isinstance(statement, ast.Pass)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            for statement in function.body
        )
    ]
    assert not with_body
