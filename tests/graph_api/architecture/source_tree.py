"""Reading the project's own source, for the tests about it."""

import ast
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
PACKAGE: Final = "robosystems.graph_api"
SOURCE: Final = ROOT / "src"
TESTS: Final = ROOT / "tests"

type_of_function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file.

    Attributes:
        path: The file, relative to the root of the project.
        text: Its text.
        tree: Its syntax tree.
    """

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Dotted name; of a package, the package's."""
        parts = self.path.with_suffix("").parts
        parts = parts[1:] if parts[0] == "src" else parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def is_in(self, *packages: str) -> bool:
        """Whether the module is one of these modules of the graph API, or inside one of these packages."""
        inside = self.name.removeprefix(f"{PACKAGE}.")
        return any(inside == package or inside.startswith(f"{package}.") for package in packages)


@cache
def modules(folder: Path = SOURCE) -> Sequence[Module]:
    """Parse every Python file below a folder, in order of their paths."""
    found: list[Module] = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(ROOT), text, ast.parse(text, str(path))))
    return found


def functions(module: Module) -> Iterator[tuple[str, type_of_function]]:
    """Yield each function of a module with its qualified name, nested ones too."""

    def visit(node: ast.AST, prefix: str) -> Iterator[tuple[str, type_of_function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, type_of_function):
                yield prefix + child.name, child
                yield from visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}{child.name}.")
            else:
                yield from visit(child, prefix)

    return visit(module.tree, "")


def dotted(node: ast.AST) -> str:
    """Spell a name or a chain of attributes (`os.environ`); empty if it is anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def imported_names(module: Module) -> Iterator[tuple[str, int]]:
    """Yield what a module imports (`a.b` for `import a.b`, `a.b.c` for `from a.b import c`) and the line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@cache
def published_files() -> Sequence[Path]:
    """List the files that belong to the project: tracked by git, or new and not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in sorted(set(listing.stdout.split("\0"))) if name)
    return [path for path in paths if path.is_file()]
