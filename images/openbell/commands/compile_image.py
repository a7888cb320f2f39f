"""`openbell compile-image`: a step of an image's build, as root. What a loop or the supervisor imports gets bytecode that takes less memory.

It also runs as a script, where openbell is not installed yet: `python compile_image.py --tree /opt/openbell/lib`.
"""

import argparse
import ast
import contextlib
import importlib
import marshal
import pkgutil
import sys
from collections.abc import Sequence
from importlib.util import MAGIC_NUMBER, cache_from_source, find_spec, source_hash
from pathlib import Path

OURS = "openbell"
# Classes of this package add to the docstrings of their bases, which are in other modules of it that may be loaded already.
WITH_DOCSTRINGS = frozenset({"email"})
# The file system is read-only: no source is newer than its bytecode (PEP 552).
UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(arguments: Sequence[str]) -> int:
    """Compile openbell, and all modules of other packages and of Python's library that it imports, without what no program reads.

    The official image of Python has no bytecode of Python's library at all.
    """
    parser = argparse.ArgumentParser(prog="openbell compile-image", description="compile what openbell imports")
    parser.add_argument("modules", nargs="*", help="what it imports only at times")
    parser.add_argument("--tree", type=Path, help="compile all sources below this folder instead")
    parser.add_argument("--root", type=Path, default=Path("/"), help="the folder that is / in the image")
    asked = parser.parse_args(arguments)
    if asked.tree is not None:
        _compile_tree(asked.tree, asked.root)
    else:
        _compile_loaded(asked.modules)
    return 0


def _compile_tree(tree: Path, root: Path) -> None:
    for source in sorted(tree.rglob("*.py")):
        _write(source, f"/{source.relative_to(root)}", is_ours=False)


def _compile_loaded(modules: Sequence[str]) -> None:
    for found in pkgutil.walk_packages(importlib.import_module(OURS).__path__, f"{OURS}."):
        with contextlib.suppress(ModuleNotFoundError):  # its packages are only where a strategy asks for them
            importlib.import_module(found.name)
    for name in modules:
        importlib.import_module(name)
    # The supervisor describes its API by its functions' annotations.
    has_annotations = find_spec(f"{OURS}.supervisor") is not None
    for name, module in sorted(sys.modules.items()):
        source, package = getattr(module, "__file__", None), name.partition(".")[0]
        if source and getattr(module, "__cached__", None) and source.endswith(".py"):
            is_ours = package == OURS and not has_annotations
            _write(Path(source), source, is_ours=is_ours, has_docstrings=package in WITH_DOCSTRINGS)


def _write(source: Path, file: str, *, is_ours: bool, has_docstrings: bool = False) -> None:
    target, content = Path(cache_from_source(str(source))), source.read_bytes()
    if target.exists() and target.read_bytes().startswith(_header(content)):
        return  # an earlier step of the build has made it: written again it would be in another layer once more
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(bytecode(content, file, is_ours=is_ours, has_docstrings=has_docstrings))


def _header(source: bytes) -> bytes:
    """Return how bytecode begins that a step of the build has made: an import marks what it writes by the source's time."""
    return MAGIC_NUMBER + UNCHECKED_HASH + source_hash(source)


def bytecode(source: bytes, file: str, *, is_ours: bool, has_docstrings: bool = False) -> bytes:
    """Return what the file in __pycache__ holds for a module: no docstrings, and for our own no annotations of functions.

    Annotations of classes stay: dataclasses are made from them. A dataclass would compute a docstring if it had none, so
    classes with a decorator get a short one.
    """
    tree = ast.parse(source, file)
    for node in ast.walk(tree):
        if has_docstrings or not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            pass
        elif ast.get_docstring(node, clean=False):
            is_decorated = isinstance(node, ast.ClassDef) and node.decorator_list
            if is_decorated or len(node.body) == 1:
                short = ast.Expr(ast.Constant("-")) if is_decorated else ast.Pass()
                node.body[0] = ast.fix_missing_locations(ast.copy_location(short, node.body[0]))
            else:
                del node.body[0]
        if is_ours and isinstance(node, ast.FunctionDef):
            node.returns = None
        if is_ours and isinstance(node, ast.arg):
            node.annotation = None
    return _header(source) + marshal.dumps(compile(tree, file, "exec", dont_inherit=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
