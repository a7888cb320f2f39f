"""What a layer holds, whenever it was built."""

import io
import tarfile
from collections.abc import Mapping

import pytest

from deploy.transfer.layer_cache import base_of_image, content_of_image, content_of_layer

FILE = {"name": "strategy/strategy.py", "content": b"print(1)", "mode": 0o644, "mtime": 1}
CAPABILITIES = "SCHILY.xattr.security.capability"


def layer(*files: Mapping[str, object]) -> io.BytesIO:
    """Return a layer with these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            one = {**FILE, **file}
            content = one.pop("content")
            assert isinstance(content, bytes)
            entry = tarfile.TarInfo(str(one.pop("name")))
            entry.size = len(content)
            for key, value in one.items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def test_the_time_of_a_build_is_no_content() -> None:
    """Nor the order in which a folder was read."""
    other = {"name": "a.py"}
    assert content_of_layer(layer(FILE, other)) == content_of_layer(layer({**other, "mtime": 9}, {"mtime": 7}))


@pytest.mark.parametrize(
    "change",
    [
        *({"content": b"print(2)"}, {"mode": 0o600}, {"mode": 0o4644}, {"name": "strategy/other.py"}),
        *({"name": "strategy/.wh.strategy.py"}, {"uid": 7}, {"gid": 7}, {"type": tarfile.DIRTYPE}),
        *({"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}, {"pax_headers": {CAPABILITIES: "\x01\udcff"}}),
    ],
)
def test_everything_else_is(change: dict[str, object]) -> None:
    """Bytes, names, rights, capabilities and owners, and what removes a file of the layers below."""
    assert content_of_layer(layer(FILE)) != content_of_layer(layer(change))


def test_where_a_link_leads_is_content() -> None:
    """A symbolic one and a hard one."""
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        one, other = ({"type": kind, "content": b"", "linkname": name} for name in ("a", "b"))
        assert content_of_layer(layer(one)) == content_of_layer(layer(one))
        assert content_of_layer(layer(one)) != content_of_layer(layer(other))


def test_contents_are_those_of_earlier_versions() -> None:
    """They are in the records of servers: with others, what has not changed would be sent and restarted once more."""
    folder = {"name": "strategy", "content": b"", "type": tarfile.DIRTYPE, "mode": 0o2775, "gid": 10001}
    link = {"name": "etc/localtime", "content": b"", "type": tarfile.SYMTYPE, "linkname": "/usr/share/zoneinfo/UTC"}
    assert content_of_layer(layer(folder, link, FILE)) == "33c60729e35b99533caa854d011134ca"


@pytest.mark.parametrize(
    "form", [{"mode": 0o100644}, {"uname": "root", "gname": "root"}, {"pax_headers": {"mtime": "1.5"}}]
)
def test_how_an_engine_writes_a_layer_down_is_no_content(form: dict[str, object]) -> None:
    """Those before 25 repeat in a mode what kind of file it is, and name owners."""
    assert content_of_layer(layer(FILE)) == content_of_layer(layer(form))


def test_of_what_removes_a_file_only_the_name_is_content() -> None:
    """Some engines give it the rights of the file that it removes."""
    one, other = ({"name": "etc/.wh.a", "content": b"", "mode": mode, "uid": mode} for mode in (0, 0o600))
    assert content_of_layer(layer(one)) == content_of_layer(layer(other))
    assert content_of_layer(layer(one)) != content_of_layer(layer({**one, "name": "etc/.wh.b"}))


def test_an_image_is_its_layers_and_settings() -> None:
    """A layer of which nothing is known counts by its digest."""
    known = {"sha256:1": "a", "sha256:2": "a", "sha256:3": "b"}
    assert content_of_image(["sha256:1"], known, "{}") == content_of_image(["sha256:2"], known, "{}")
    assert content_of_image(["sha256:1"], known, "{}") != content_of_image(["sha256:3"], known, "{}")
    assert content_of_image(["sha256:1"], known, "{}") != content_of_image(["sha256:1"], known, '{"User": "root"}')
    assert content_of_image(["sha256:8"], known, "{}") != content_of_image(["sha256:9"], known, "{}")


def test_an_images_base_is_all_but_its_folders() -> None:
    """The last layer of an image that says so has nothing but strategies' folders; of another image there is no base."""
    follows = '{"Env": ["A=1", "OPENBELL_RELOADS=/reloads"]}'
    base = base_of_image(("kit", "packages", "folders"), {"kit": "k"}, follows)
    assert base
    assert base == base_of_image(("rebuilt", "packages", "other folders"), {"rebuilt": "k"}, follows)
    assert base != base_of_image(("kit", "other packages", "folders"), {"kit": "k"}, follows)
    assert base != base_of_image(("kit", "packages", "folders"), {"kit": "k"}, follows.replace("A=1", "A=2"))
    assert base_of_image(("kit", "packages", "folders"), {}, '{"Env": ["A=1"]}') == ""
