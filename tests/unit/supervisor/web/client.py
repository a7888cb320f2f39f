"""Asks a page without a network, as a browser and a program ask it."""

import asyncio
from collections.abc import Mapping

import httpx

from openbell.manifest import load_all
from openbell.supervisor.web import Dependencies, WebApp
from tests.unit.supervisor.world import World

TOKEN = "a-token-for-these-tests"


def ask(
    page: WebApp,
    path: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    content: bytes | None = None,
) -> httpx.Response:
    """Return a page's answer to one request."""

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(page.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            return await client.request(method, path, headers=headers, json=json, content=content)

    return asyncio.run(answer())


class Client:
    """A page over a world."""

    def __init__(self, world: World, token: str = TOKEN) -> None:
        self.idle = 0.5
        self.world = world
        self.sources = Dependencies(
            snapshot=lambda: world.watch.snapshot,
            idle=lambda: self.idle,
            now=lambda: world.now,
            store=world.file,
            journal=world.journal,
            control=world.control,
            alerts=world.root / "alerts.sqlite",
            hosts=("box.example",),
            token=token,
            passed_over=lambda: world.watch.passed_over,
            manifests=load_all(world.strategies)[0],
        )
        self.page = WebApp(self.sources)

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Return the answer to one request."""
        return ask(self.page, path, method, headers=headers, json=json, content=content)

    def change(
        self, path: str, method: str = "PATCH", *, json: object = None, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Return the answer to a request that carries the token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(path, method, headers={"Authorization": f"Bearer {TOKEN}", **named}, json=json, content=content)
