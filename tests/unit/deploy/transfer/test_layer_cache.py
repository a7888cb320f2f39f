"""Layers on their way."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from deploy.transfer.layer_cache import LayerCache
from tests.unit.deploy.transfer.pieces import identity, layer


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_layer_is_kept_unpacked_under_its_own_id(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """However an engine packs it."""
    content = layer("a", b"x" * 3_000_000)
    cache = LayerCache(tmp_path)
    assert cache.put(io.BytesIO(pack(content)), {identity(content)}) == identity(content)
    with cache.open(identity(content)) as file:
        assert file.read() == content
    assert cache.size(identity(content)) == len(content)


def test_what_is_not_wanted_is_not_kept(tmp_path: Path) -> None:
    """Neither another layer, nor the same one twice."""
    cache = LayerCache(tmp_path)
    wanted = {identity(layer("a"))}
    for name in ("a", "b", "a"):
        cache.put(io.BytesIO(layer(name)), wanted)
    assert set(cache.layers) == wanted
    assert len(list(tmp_path.iterdir())) == 1


def test_a_layer_that_was_changed_on_its_way_is_another_one(tmp_path: Path) -> None:
    """Its id is computed from what has arrived."""
    cache = LayerCache(tmp_path)
    content = layer("a")
    cache.put(io.BytesIO(content[:-1] + b"!"), {identity(content)})
    assert not cache.layers
