"""Text for an engine is composed in one module; everywhere else it is constant."""

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.graph_api.architecture.source_tree import modules

_COMPOSER: Final = "domain.cypher"
_OBJECT: Final = r"(?:NODE\s+TABLE|REL\s+TABLE|TABLE|VIEW|INDEX|SEQUENCE|SCHEMA|TYPE|MACRO|DATABASE)"
_STATEMENT: Final = re.compile(
    r"\s*(?:"
    r"(?:OPTIONAL\s+)?MATCH\s*(?:\(|\w+\s*=)"
    r"|MERGE\s*\(|CREATE\s*\(|SET\s+\w+\.\w+\s*=|WHERE\s+\w+(?:\.\w+)?\s*(?:[=<>(]|IN\b)"
    r"|(?:DETACH\s+)?DELETE\s+\w+\s*$|UNWIND\s+\S+\s+AS\b"
    r"|RETURN\s+(?:DISTINCT\s+)?(?:\*|x\b|\w+[.(,]|\w+\s+AS\b|\w+\s*$)"
    rf"|CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?{_OBJECT}\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"\S+\s*(?:\(|AS\b|$)"
    rf"|DROP\s+{_OBJECT}\s+(?:IF\s+EXISTS\s+)?\S+\s*(?:;|$|CASCADE)"
    rf"|ALTER\s+{_OBJECT}\s+\S+\s+(?:ADD|DROP|RENAME|ALTER)\b|COMMENT\s+ON\s"
    r"|COPY\s*\(|COPY\s+\S+\s*(?:\(|FROM\b|TO\b)|LOAD\s+(?:WITH\s+HEADERS\s*\(|FROM\s|EXTENSION\s)"
    r"|(?:EXPORT|IMPORT)\s+DATABASE\s+\S+\s*(?:;|$|\()|(?:USE|INSTALL|ATTACH|DETACH)\s+\S+\s*(?:;|$|\(|AS\b)"
    r"|SELECT\s+(?:DISTINCT\s+)?(?:\*|x\b|\w+\s*[(,]|.*\bFROM\b)"
    r"|INSERT\s+INTO\s|DELETE\s+FROM\s|UPDATE\s+\S+\s+SET\b"
    r"|PRAGMA\s|WITH\s+\S+\s+AS\s*\(|CALL\s+[\w.]+\s*[(=]|(?:EXPLAIN|PROFILE)\s+x\s*$"
    r")",
    re.DOTALL,
)
"""How a statement begins once each inserted value is an `x`. Capitals only: so we write them; prose does not."""


def _text(node: ast.expr) -> str:
    """Spell the text that an expression makes, with `x` for what is known only at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "x"


def _assembled(node: ast.AST) -> str | None:
    """Return the text if a node assembles it: f-string, `+`, `+=`, `%`, `format`, `replace`, `join`."""
    text = None
    match node:
        case ast.JoinedStr(values=values) if any(isinstance(value, ast.FormattedValue) for value in values):
            text = _text(node)
        case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
            pass
        case ast.BinOp(op=ast.Add()):
            text = _text(node)
        case ast.BinOp(op=ast.Mod(), left=template):
            text = _text(template).replace("%s", "x")
        case ast.AugAssign(op=ast.Add(), value=value):
            text = _text(value)
        case ast.Call(func=ast.Attribute(attr="format" | "format_map", value=template)):
            text = re.sub(r"\{\w*\}", "x", _text(template))
        case ast.Call(func=ast.Attribute(attr="replace", value=template)):
            text = _text(template)
        case ast.Call(func=ast.Attribute(attr="join", value=glue), args=[ast.List(elts=parts) | ast.Tuple(elts=parts)]):
            text = _text(glue).join(_text(part) for part in parts)
        case _:
            pass
    return text


def _assembled_statements(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that assemble a statement."""
    for node in ast.walk(tree):
        text = _assembled(node)
        if text is not None and _STATEMENT.match(text):
            yield getattr(node, "lineno", 0)


def test_statements_are_composed_in_one_module_only() -> None:
    """No other module puts a value into the text of a statement."""
    wrong = [
        f"{module.path}:{line}"
        for module in modules()
        if not module.is_in(_COMPOSER)
        for line in _assembled_statements(module.tree)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "code",
    [
        'f"MATCH (n:{label}) RETURN n"',
        '"COPY " + table + " FROM $file"',
        '"CREATE NODE TABLE %s (id INT64)" % name',
        '"DROP TABLE {}".format(name)',
        '"SELECT * FROM T".replace("T", table)',
        '" ".join(["MATCH (n)", pattern])',
        '"MATCH (n) " "WHERE " + condition + " RETURN n"',
        'text += f"RETURN {columns}"',
        'f"""\n  UNWIND $rows AS r CREATE (:{label})"""',
        'f"CALL {name}() RETURN *"',
        'f"CALL table_info({name!r}) RETURN *"',
        'f"COPY {table}({columns}) FROM {path}"',
        'f"SELECT {columns} FROM T"',
        'f"EXPLAIN {text}"',
        'f"INSERT INTO {table} VALUES (1)"',
        'f"LOAD FROM {path} RETURN *"',
    ],
)
def test_assembled_statements_are_recognised(code: str) -> None:
    """Each way to put a value into a statement is seen."""
    assert list(_assembled_statements(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'run("MATCH (n) RETURN n", parameters)',
        'f"Match the {field} exactly"',
        'f"SELECT is the only statement allowed in {place}"',
        'f"CREATE is not allowed in {place}"',
        'f"Create database {name}"',
        'f"{count} rows"',
        'f"DELETE /databases/{graph_id}"',
        '"a" + b',
        'f"COPY is refused: {reason}"',
        'f"CALL {name} is not allowed; use one of {names}."',
        '"MATCH (n) " "RETURN n"',
        '"SELECT 1" + "; "',
    ],
)
def test_innocent_text_passes(code: str) -> None:
    """Constant statements, messages and paths are no assembled statements."""
    assert not list(_assembled_statements(ast.parse(code)))
