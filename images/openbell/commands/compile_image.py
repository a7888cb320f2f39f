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

# Classes of this package add to the docstrings of their bases, which are in other modules of it that may be loaded already.
WITH_DOCSTRINGS = frozenset({"email"})
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
            content, package = Path(source).read_bytes(), name.partition(".")[0]
            is_ours, has_docstrings = package == openbell.__name__, package in WITH_DOCSTRINGS
            lean = bytecode(content, source, is_ours=is_ours, has_docstrings=has_docstrings)
            Path(target).parent.mkdir(exist_ok=True)
            Path(target).write_bytes(lean)
    return 0


def bytecode(source: bytes, file: str, *, is_ours: bool, has_docstrings: bool = False) -> bytes:
    """Return what the file in __pycache__ holds for a module: no docstrings, and for our own no annotations of functions.

    Annotations of classes stay: dataclasses are made from them.
    """
    tree = ast.parse(source, file)
    for node in ast.walk(tree):
        if has_docstrings or not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            pass
        elif ast.get_docstring(node, clean=False):
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
