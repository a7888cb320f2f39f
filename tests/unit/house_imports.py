"""Which modules of openbell and deploy import which: what the tests of the layers look at."""

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One room's import of another, and where it stands."""

    room: str
    imported: str
    where: str


def imports(root: Path) -> list[Import]:
    """Return all imports of openbell's and deploy's rooms by each other, at any place in a module."""
    trees = ((root / "images", "openbell"), (root, "deploy"))
    sources = [(path, base) for base, tree in trees for path in sorted((base / tree).rglob("*.py"))]
    found = []
    for path, base in sources:
        name = path.relative_to(base).with_suffix("").parts
        is_package = name[-1] == "__init__"
        module = name[:-1] if is_package else name
        package = module if is_package else module[:-1]
        for line, imported in _imported(path.read_text(encoding="utf-8"), package):
            room, other = _room(module), _room(imported)
            if other is not None and room is not None and room != other:
                found.append(Import(room, other, f"{path.relative_to(root)}:{line}"))
    return found


@cache
def _imported(source: str, package: tuple[str, ...]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return what a module imports and in which lines. Each source is parsed once, though several tests ask."""
    found: list[tuple[int, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                found += ((node.lineno, tuple(alias.name.split("."))) for alias in node.names)
            case ast.ImportFrom():
                above = package[: len(package) - node.level + 1] if node.level else ()
                base = (*above, *(node.module.split(".") if node.module else ()))
                found += ((node.lineno, (*base, alias.name)) for alias in node.names)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(text)), *_]):
                if name in {"import_module", "__import__"}:
                    found.append((node.lineno, tuple(text.split("."))))
            case _:
                pass
    return tuple(found)


def _room(module: tuple[str, ...]) -> str | None:
    if module[0] == "deploy":
        return "deploy"
    return module[1] if module[0] == "openbell" and len(module) > 1 else None


def circles(found: dict[str, set[str]]) -> list[list[str]]:
    """Return each set of modules, sorted, that import each other in a circle."""
    reach = {module: reached(found[module], found) for module in found}
    together = {frozenset(other for other in reach[module] if module in reach.get(other, ())) for module in found}
    return sorted(sorted(circle) for circle in together if circle)


def reached(names: Iterable[str], found: Mapping[str, set[str]]) -> set[str]:
    """Return these names and all that they reach."""
    known, waiting = set[str](), [*names]
    while waiting:
        one = waiting.pop()
        if one not in known:
            known.add(one)
            waiting += found.get(one, set())
    return known


def modules(root: Path) -> dict[str, set[str]]:
    """Return, by module of openbell and deploy, the modules of the two that it imports, at any place in it.

    A package that only re-exports names is left out by `without_reexports`.
    """
    files: dict[str, tuple[Path, tuple[str, ...]]] = {}
    for base, tree in ((root / "images", "openbell"), (root, "deploy")):
        for path in sorted((base / tree).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            package = parts[:-1]
            files[".".join(package if parts[-1] == "__init__" else parts)] = (path, package)
    found: dict[str, set[str]] = {}
    for name, (path, package) in files.items():
        imported_here = set[str]()
        for _, imported in _imported(path.read_text(encoding="utf-8"), package):
            # The longest name that is a module: what follows it is a name inside.
            known = (".".join(imported[:length]) for length in range(len(imported), 0, -1))
            if (module := next((one for one in known if one in files), None)) and module != name:
                imported_here.add(module)
        found[name] = imported_here
    return found


def without_reexports(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the modules without the packages that import nothing but their own modules, to re-export them."""
    faces = {name for name, known in found.items() if known and all(one.startswith(f"{name}.") for one in known)}
    return {name: known - faces for name, known in found.items() if name not in faces}


def rooms(found: dict[str, set[str]], package: str) -> dict[str, set[str]]:
    """Return the direct children of a package, each with the children that it imports. A child is a module or a folder."""
    depth = package.count(".") + 2 if package else 1
    inside: dict[str, set[str]] = {}
    for module, known in found.items():
        if module.startswith(f"{package}." if package else ""):
            room = ".".join(module.split(".")[:depth])
            others = {
                ".".join(one.split(".")[:depth]) for one in known if one.startswith(f"{package}." if package else "")
            }
            inside.setdefault(room, set()).update(others - {room})
    return inside
