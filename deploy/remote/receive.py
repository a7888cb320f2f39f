"""Stores a release's files and a transaction's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.remote.docker_client import DockerClient
from deploy.remote.files import lines_of, sync_folder, write_durably
from deploy.remote.records import Records

KINDS = ("release", "transaction", "files")


def receive(
    records: Records,
    files: Mapping[str, str],
    release: str,
    transaction: str,
    inherit: Sequence[str],
    docker: DockerClient,
) -> None:
    """Store texts by their paths; OSError if they cannot be stored, and then nothing of them stays.

    inherit: services whose secrets are taken over from the release that runs.
    """
    new = records.root / "releases" / ".new"
    shutil.rmtree(new, ignore_errors=True)
    folder = records.root / "transactions" / transaction
    try:
        _write(files, new)
        for service in inherit:
            theirs = records.root / "current" / "secrets" / f"{service}.json"
            if theirs.exists():
                write_durably(_folder(new / "release" / "secrets") / theirs.name, theirs.read_text(encoding="utf-8"))
        _take_files(records.root, new / "files")
        (new / "transaction").replace(folder)
        if (new / "release").is_dir():
            _list_new_images(records, lines_of(new / "release" / "images"), docker)
            (new / "release").replace(records.release(release))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    sync_folder(records.root / "releases")
    sync_folder(records.root / "transactions")


def _write(files: Mapping[str, str], new: Path) -> None:
    for name, text in files.items():
        parts = Path(name).parts
        if parts[0] not in KINDS or ".." in parts:
            msg = f"unexpected in the upload: {name}"
            raise ValueError(msg)
        path = new.joinpath(*parts)
        _folder(path.parent)
        write_durably(path, text)


def _take_files(root: Path, files: Path) -> None:
    """Keep the contents of Compose's secrets and configs.

    Containers read them as users of their own; on the host only this user can enter the folder.
    """
    kept = _folder(root / "files")
    for file in sorted(files.glob("*")):
        file.chmod(0o444)
        file.replace(kept / file.name)


def _list_new_images(records: Records, images: Sequence[str], docker: DockerClient) -> None:
    """Add the images that this deploy brings: others are not ours to remove."""
    listed = records.shipped()
    new = [tag for tag in images if tag not in listed and docker.image(tag) is None]
    write_durably(records.shipped_file, "".join(f"{tag}\n" for tag in (*listed, *new)))


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
