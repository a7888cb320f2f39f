"""Reading what `docker save` writes, in the forms of old and new engines."""

import gzip
import io
import json
from pathlib import Path

import pytest

from deploy.transfer.export_save import read
from deploy.transfer.layer_cache import LayerCache
from tests.unit.deploy.transfer.pieces import archive, configuration, identity, layer

BASE, TOP, OTHER = layer("base"), layer("top"), layer("other")
PULSE, CROSS = configuration(BASE, TOP), configuration(BASE, OTHER)


def old_form() -> bytes:
    """Return what an engine before 25 writes: a folder a layer, and links for those that repeat."""
    listed = [
        {"Config": "pulse.json", "RepoTags": ["openbell/pulse:local"], "Layers": ["1/layer.tar", "2/layer.tar"]},
        {"Config": "cross.json", "RepoTags": ["openbell/cross:local"], "Layers": ["3/layer.tar", "4/layer.tar"]},
    ]
    return archive(
        {
            "1/VERSION": b"1.0",
            "1/json": b"{}",
            "1/layer.tar": BASE,
            "2/layer.tar": TOP,
            "3/layer.tar": ("symlink", "../1/layer.tar"),
            "4/layer.tar": OTHER,
            "pulse.json": PULSE,
            "cross.json": CROSS,
            "manifest.json": json.dumps(listed).encode(),
            "repositories": b"{}",
        }
    )


def new_form(*, packed: bool) -> bytes:
    """Return what a later engine writes: blobs by digest, packed if it keeps images in containerd."""
    blobs = {one: gzip.compress(one, mtime=0) if packed else one for one in (BASE, TOP, OTHER)}
    paths = {one: f"blobs/sha256/{identity(blob)[7:]}" for one, blob in blobs.items()}
    listed = [
        {
            "Config": f"blobs/sha256/{identity(config)[7:]}",
            "RepoTags": [f"openbell/{name}:local"],
            "Layers": [paths[BASE], paths[top]],
        }
        for name, config, top in (("pulse", PULSE, TOP), ("cross", CROSS, OTHER))
    ]
    return archive(
        {
            "blobs/sha256/ffff": b'{"schemaVersion": 2}',
            **{paths[one]: blob for one, blob in blobs.items()},
            **{f"blobs/sha256/{identity(config)[7:]}": config for config in (PULSE, CROSS)},
            "index.json": b"{}",
            "manifest.json": json.dumps(listed).encode(),
            "oci-layout": b"{}",
        }
    )


FORMS = {"old": old_form(), "new": new_form(packed=False), "packed": new_form(packed=True)}


@pytest.mark.parametrize("form", FORMS)
def test_only_what_is_needed_is_kept(tmp_path: Path, form: str) -> None:
    """No other layer, and no document."""
    cache = LayerCache(tmp_path)
    read(io.BytesIO(FORMS[form]), {identity(TOP): (), identity(OTHER): ()}, cache)
    assert set(cache.layers) == {identity(TOP), identity(OTHER)}
    assert sorted(tmp_path.iterdir()) == sorted(cache.layers.values())


@pytest.mark.parametrize("form", FORMS)
def test_layers_that_images_share_are_there_once(tmp_path: Path, form: str) -> None:
    """Even where the archive links them."""
    cache = LayerCache(tmp_path)
    read(io.BytesIO(FORMS[form]), {identity(one): () for one in (BASE, TOP, OTHER)}, cache)
    assert {one: path.read_bytes() for one, path in cache.layers.items()} == {
        identity(one): one for one in (BASE, TOP, OTHER)
    }
