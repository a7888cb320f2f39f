"""`openbell compile-image`: a step of an image's build, as root. What a loop imports gets bytecode that takes less memory."""

import argparse
import ast
import contextlib
import importlib
import marshal
import pkgutil
import sys
from collections.abc import Sequence
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import openbell

# The file system is read-only: no source is newer than its bytecode (PEP 552).
UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(arguments: Sequence[str]) -> int:
    """Compile openbell, and all modules of other packages and of Python's library that it imports, without what no program reads.

    The official image of Python has no bytecode of Python's library at all.
    """
    parser = argparse.ArgumentParser(prog="openbell compile-image", description="compile what a loop imports")
    parser.parse_args(arguments)
    for found in pkgutil.walk_packages(openbell.__path__, "openbell."):
        with contextlib.suppress(ModuleNotFoundError):  # its packages are only where a strategy asks for them
            importlib.import_module(found.name)
    for name, module in sorted(sys.modules.items()):
        source, target = getattr(module, "__file__", None), getattr(module, "__cached__", None)
        if source and target and source.endswith(".py"):
            lean = bytecode(Path(source).read_bytes(), source, is_ours=_is_ours(name))
            Path(target).parent.mkdir(exist_ok=True)
            Path(target).write_bytes(lean)
    return 0


def _is_ours(module: str) -> bool:
    # The supervisor describes its API by the annotations of functions.
    return f"{module}.".startswith(f"{openbell.__name__}.") and not module.startswith(
        f"{openbell.__name__}.supervisor."
    )


def bytecode(source: bytes, file: str, *, is_ours: bool) -> bytes:
    """Return what the file in __pycache__ holds for a module: no docstrings, and for our own no annotations of functions.

    Annotations of classes stay: dataclasses are made from them.
    """
    tree = ast.parse(source, file)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body[:1] = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), node.body[0])]
        if is_ours and isinstance(node, ast.FunctionDef):
            node.returns = None
        if is_ours and isinstance(node, ast.arg):
            node.annotation = None
    return (
        MAGIC_NUMBER
        + UNCHECKED_HASH
        + source_hash(source)
        + marshal.dumps(compile(tree, file, "exec", dont_inherit=True))
    )
