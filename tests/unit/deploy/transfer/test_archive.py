"""The tar that travels."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard

from deploy.transfer.archive import Compression, pack
from deploy.transfer.images import Image
from deploy.transfer.layer_cache import LayerCache
from tests.unit.deploy.transfer.pieces import configuration, identity, layer

BASE, TOP = layer("base"), layer("top")
CONFIG = configuration(BASE, TOP)
LAYERS = (identity(BASE), identity(TOP))
IMAGE = Image("openbell/pulse:local", "openbell/pulse", identity(CONFIG), LAYERS, configuration=CONFIG)


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    """One layer of two."""
    cache = LayerCache(tmp_path)
    cache.put(io.BytesIO(TOP), {identity(TOP)})
    return cache


def unpacked(file: Path, compression: str) -> dict[str, bytes]:
    """Return the files of a packed tar."""
    content = file.read_bytes()
    plain = (
        gzip.decompress(content)
        if compression == "gzip"
        else zstandard.ZstdDecompressor().stream_reader(content).read()
    )
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in found.items() if file}


def path(content: bytes) -> str:
    """Return where a blob is."""
    return f"blobs/sha256/{identity(content)[7:]}"


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_it_lists_every_layer_and_holds_those_that_are_missing(
    tmp_path: Path, cache: LayerCache, compression: Compression
) -> None:
    """For old engines by manifest.json, for new ones by index.json; both lead to the same blobs."""
    pack([IMAGE], [identity(TOP)], cache, compression, tmp_path / "archive")
    files = unpacked(tmp_path / "archive", compression)

    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (old,) = json.loads(files["manifest.json"])
    assert old == {
        "Config": path(CONFIG),
        "RepoTags": [IMAGE.tag, f"{IMAGE.tag}-unchecked"],
        "Layers": [path(BASE), path(TOP)],
    }
    described, again = json.loads(files["index.json"])["manifests"]
    assert described["digest"] == again["digest"]
    manifest = files[f"blobs/{described['digest'].replace(':', '/')}"]
    assert (identity(manifest), len(manifest)) == (described["digest"], described["size"])
    assert json.loads(manifest)["config"]["digest"] == IMAGE.id
    assert [one["digest"] for one in json.loads(manifest)["layers"]] == [identity(BASE), identity(TOP)]
    assert files[path(CONFIG)] == CONFIG
    assert files[path(TOP)] == TOP
    assert path(BASE) not in files


def test_its_images_have_their_immutable_tags_and_no_other(tmp_path: Path, cache: LayerCache) -> None:
    """An image without a tag would be pruned; one by the local tag would be taken for another."""
    pack([IMAGE], [identity(TOP)], cache, "zstd", tmp_path / "archive")
    files = unpacked(tmp_path / "archive", "zstd")
    named = [one["annotations"]["io.containerd.image.name"] for one in json.loads(files["index.json"])["manifests"]]
    assert named == [f"docker.io/{IMAGE.tag}", f"docker.io/{IMAGE.tag}-unchecked"]
    assert b"local" not in b"".join(content for name, content in files.items() if name.endswith(".json"))


def test_a_byte_that_changes_on_the_way_is_noticed_in_unpacking(tmp_path: Path, cache: LayerCache) -> None:
    """The packed form has a checksum."""
    pack([IMAGE], [identity(TOP)], cache, "zstd", tmp_path / "archive")
    content = bytearray((tmp_path / "archive").read_bytes())
    content[-5] ^= 1
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().stream_reader(bytes(content)).read()


def test_the_same_images_make_the_same_bytes(tmp_path: Path, cache: LayerCache) -> None:
    """No time, name or number of this machine is in them."""
    for name in ("one", "two"):
        pack([IMAGE], [identity(TOP)], cache, "gzip", tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
