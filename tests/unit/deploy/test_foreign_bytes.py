"""hosts.toml and .env with any bytes: one line that says what is wrong, and no traceback."""

from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.hosts import config
from deploy.settings import read_settings

DEEP = b"a = " + b"[" * 10_000 + b"]" * 10_000
HUGE = b"a = " + b"9" * 5_000
BYTES = [pytest.param(DEEP, id="deep"), pytest.param(HUGE, id="5000 digits"), pytest.param(b'a = "\xff"', id="not UTF-8"), pytest.param(b'a = "\0"', id="NUL")]  # fmt: skip


@pytest.mark.parametrize("content", BYTES)
def test_hosts_toml_with_any_bytes_is_one_line(tmp_path: Path, content: bytes) -> None:
    """It names the file."""
    file = tmp_path / "hosts.toml"
    file.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        config._load(file)
    assert str(file) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"A=\xff\n", b"A=\0\n"])
def test_env_with_any_bytes_is_one_line(tmp_path: Path, content: bytes) -> None:
    """It names the file."""
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        read_settings(file, {})
    assert str(file) in str(refused.value)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """As some editors write it."""
    file = tmp_path / ".env"
    file.write_bytes(b"\xef\xbb\xbfOPENBELL_PORT=9123\n")
    assert read_settings(file, {}) == read_settings(tmp_path / "none", {"OPENBELL_PORT": "9123"})
