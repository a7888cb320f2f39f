"""Fixtures of the functions' tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.postgres.database import Database
from tests.installed import Installed
from tests.serverless.calls import World
from tests.serverless.postgres import Server, running_server


@pytest.fixture(scope="session")
def server(installed: Installed) -> Iterator[Server]:
    """One server for all tests."""
    installed("postgres")
    with running_server() as one:
        yield one


@pytest.fixture
def url(server: Server) -> str:
    """The address of a new, empty database."""
    name = f"t{os.urandom(6).hex()}"
    database = Database(server.url())
    database.execute(f'CREATE DATABASE "{name}"')
    database.close()
    return server.url(name)


@pytest.fixture
def world(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A strategy and its database, empty."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return World(tmp_path, url)
