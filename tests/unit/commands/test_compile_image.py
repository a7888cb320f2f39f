"""`openbell compile-image`: what Python finds in an image instead of compiling a source."""

import importlib.util
import marshal
import os
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from openbell.commands import compile_image

SOURCE = '''"""A module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Point:
    """A class."""

    x: int

    def moved(self, by: int, *others: int, twice: bool = False, **rest: int) -> int:
        """A function."""
        assert by, "no way"
        return self.x + by

    async def pause(self) -> None:
        """A coroutine."""


class Empty(Exception):
    """Only a docstring."""


def nothing() -> None:
    """Only a docstring."""
'''


def _imported(folder: Path, *, is_ours: bool) -> ModuleType:
    source = folder / "module.py"
    source.write_text(SOURCE)
    cache = Path(importlib.util.cache_from_source(str(source)))
    cache.parent.mkdir()
    cache.write_bytes(compile_image.bytecode(source.read_bytes(), str(source), is_ours=is_ours))
    spec = importlib.util.spec_from_file_location("module", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "module", module)  # dataclasses look there
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("is_ours", [True, False])
def test_python_takes_the_bytecode_for_the_source(tmp_path: Path, is_ours: bool) -> None:
    """It has no docstring; what programs use of a module is there."""
    module = _imported(tmp_path, is_ours=is_ours)
    for one in (module, module.Point.moved, module.Point.pause, module.Empty, module.nothing):
        assert one.__doc__ is None
    assert module.Point.__doc__ == "-", "dataclasses compute one where there is none"
    assert [field.name for field in fields(module.Point)] == ["x"]
    assert module.Point(1).moved(2) == 3
    assert module.nothing() is None
    with pytest.raises(AssertionError, match="no way"):
        module.Point(1).moved(0)


def test_annotations_of_functions_are_kept_where_others_may_read_them(tmp_path: Path) -> None:
    """Libraries such as functools.singledispatch do; nothing of openbell does."""
    (tmp_path / "ours").mkdir()
    assert _imported(tmp_path / "ours", is_ours=True).Point.moved.__annotations__ == {}
    assert set(_imported(tmp_path, is_ours=False).Point.moved.__annotations__) == {
        "by",
        "others",
        "twice",
        "rest",
        "return",
    }


def test_an_error_names_its_file_and_line(tmp_path: Path) -> None:
    """A traceback shows the source as before."""
    module = _imported(tmp_path, is_ours=True)
    with pytest.raises(AssertionError) as caught:
        module.Point(1).moved(0)
    entry = caught.traceback[-1]
    assert (Path(entry.path), entry.lineno + 1) == (tmp_path / "module.py", 16)


def test_classes_that_add_to_the_docstrings_of_others_can_be_imported(tmp_path: Path) -> None:
    """The library's email.policy extends docstrings of a module that a loop may have loaded, so that package keeps its own."""
    import email._policybase as base  # noqa: PLC0415 - its source is what counts

    source = Path(base.__file__)
    for has_docstrings in (True, False):
        content = compile_image.bytecode(source.read_bytes(), str(source), is_ours=False, has_docstrings=has_docstrings)
        names: dict[str, object] = {"__name__": "email._policybase"}
        exec(marshal.loads(content[16:]), names)  # noqa: S102, S302 - our own bytecode
        assert bool(getattr(names["Policy"], "__doc__", None)) is has_docstrings
    assert "email" in compile_image.WITH_DOCSTRINGS


def test_a_tree_is_compiled_for_its_place_in_the_image(tmp_path: Path) -> None:
    """Its annotations stay, and what is the same already is not written again: it would be in another layer once more."""
    folder = tmp_path / "opt" / "lib"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(SOURCE)
    arguments = ["--tree", str(folder), "--root", str(tmp_path)]
    assert compile_image.main(arguments) == 0
    (cache,) = (folder / "__pycache__").iterdir()
    code = marshal.loads(cache.read_bytes()[16:])  # noqa: S302 - our own bytecode
    assert code.co_filename == "/opt/lib/module.py"
    assert SOURCE.splitlines()[0].strip('"') not in code.co_consts
    os.utime(cache, (0, 0))
    assert compile_image.main(arguments) == 0
    assert cache.stat().st_mtime == 0
