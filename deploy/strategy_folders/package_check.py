"""A strategy's packages: what its code imports, what requirements.in asks for, and what requirements.txt locks."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

WANTED, LOCK = "requirements.in", "requirements.txt"
# In every strategy's image without being asked for.
SHIPPED = frozenset({"openbell", "schedule", "pytz"})
# Packages whose modules have another name. A name that is part of the package's (alpaca-py: alpaca) needs no entry.
MODULES = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dotenv": "python-dotenv",
    "jwt": "pyjwt",
    "pil": "pillow",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "talib": "ta-lib",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
_HANDLED = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


def package_problems(folder: Path) -> Iterator[str]:
    """Yield one line for each problem of a strategy's folder."""
    name = folder.name
    wanted, lock = folder / WANTED, folder / LOCK
    asked = list(_asked(wanted)) if wanted.is_file() else []
    locked: dict[str, list[str]] = {}  # of one package there may be several, for different versions of Python
    for package, version in _locked(lock) if lock.is_file() else ():
        locked.setdefault(package, []).append(version)
    if wanted.is_file() and not lock.is_file():
        yield f"{name}/{WANTED}: has no lock: run `make lock STRATEGY={name}`, which writes {name}/{LOCK}"
        return
    for one in asked:
        if isinstance(one, str):
            yield f"{name}/{WANTED}: found {one!r}; allowed: a package such as numpy>=2, one a line"
        elif one.marker is None or one.marker.evaluate():
            versions = locked.get(canonicalize_name(one.name), [])
            if not any(one.specifier.contains(version, prereleases=True) for version in versions):
                found = f"has {one.name} {versions[0]}" if versions else f"does not have {one.name}"
                yield f"{name}/{LOCK}: {found}, and {WANTED} asks for {one}: run `make lock STRATEGY={name}`"
    direct: set[str] = {canonicalize_name(one.name) for one in asked if isinstance(one, Requirement)}
    missing = uncovered(imported(folder), direct, set(locked))
    for module, where in sorted(missing.items()):
        yield f"{where}: imports {module}, which no lock has: `make add STRATEGY={name} PACKAGE=...` adds its package"


def uncovered(imports: dict[str, str], direct: set[str], locked: set[str]) -> dict[str, str]:
    """Return those imports (module → where) that no package of the lock provides.

    A package's name need not tell its modules' names. So as many unknown modules as there are asked-for packages without
    a known module are taken to be theirs: an import that works is never reported.
    """
    missing, explained = {}, set[str]()
    for module, where in imports.items():
        if packages := {package for package in locked | direct if _provides(package, module)}:
            explained |= packages
        else:
            missing[module] = where
    return missing if len(direct - explained) < len(missing) else {}


def imported(folder: Path) -> dict[str, str]:
    """Return the modules that a strategy's own files import from elsewhere, each with the file and line where."""
    files = [file for file in sorted(folder.rglob("*.py")) if not _is_hidden(file.relative_to(folder))]
    own = {part for file in files for part in (file.stem, *file.relative_to(folder).parts[:-1])}
    own |= {path.stem for path in (folder.parent / "_shared").glob("*")}
    found: dict[str, str] = {}
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue  # reported by the check of the code
        for module, line in _imports(tree):
            if module not in own | SHIPPED | sys.stdlib_module_names:
                found.setdefault(module, f"{folder.name}/{file.relative_to(folder)}:{line}")
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what is imported unconditionally: not for types alone, and not where a failed import is handled."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import():
                yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0], node.lineno
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for other in node.orelse:
                    yield from _imports(ast.Module([other], []))
            case ast.Try(handlers=handlers) if any(_is_handled(one) for one in handlers):
                continue
            case _:
                yield from _imports(node)


def _is_handled(handler: ast.ExceptHandler) -> bool:
    names = (
        [node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)] if handler.type else ["Exception"]
    )
    return not _HANDLED.isdisjoint(names)


def _provides(package: str, module: str) -> bool:
    module = module.lower().replace("_", "-")
    return package in {module, MODULES.get(module)} or module in package.split("-") or package.startswith(module)


def _asked(file: Path) -> Iterator[Requirement | str]:
    """Yield what requirements.in asks for; a line that is none as it stands."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text or text.startswith("-"):
            continue  # an option of pip's, such as -c constraints.txt
        try:
            yield Requirement(text)
        except InvalidRequirement:
            yield text


def _locked(file: Path) -> Iterator[tuple[str, str]]:
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", file.read_text("utf-8"), re.MULTILINE
    ):
        yield canonicalize_name(name), version


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in {"tests", "__pycache__"} for part in path.parts)
