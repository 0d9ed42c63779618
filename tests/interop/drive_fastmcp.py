"""FastMCP: its own client with its own `OAuth`; only the browser and the listener for the callback are the test's."""

from __future__ import annotations

import logging
import warnings
import webbrowser
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, AsyncIterator
from urllib.parse import urlsplit

import httpx2
from fastmcp import Client
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import StreamableHttpTransport

import flow
from drive_2_x import callback_result


class Scripted(OAuth):
    """It asks once to see whether its client is known, and then has a browser open the page."""

    def __init__(self, server_url: str, open_page: Any, callback: Any, port: int | None, storage: Any) -> None:
        self._open_page, self._callback = open_page, callback
        super().__init__(server_url, client_name="interop fastmcp", callback_port=port)
        self.context.storage = storage

    async def redirect_handler(self, authorization_url: str) -> None:
        await super().redirect_handler(authorization_url)
        await self._open_page(authorization_url)

    async def callback_handler(self) -> Any:
        return await self._callback()


def provider(server_url: str, client_metadata: Any, storage: Any, redirect_handler: Any, callback_handler: Any) -> Scripted:
    port = urlsplit(str(client_metadata.redirect_uris[0])).port
    return Scripted(server_url, redirect_handler, callback_handler, port, storage)


class Session:
    """FastMCP's client with the results of the SDK."""

    def __init__(self, client: Client[Any]) -> None:
        self._client = client

    async def list_tools(self) -> Any:
        return SimpleNamespace(tools=await self._client.list_tools())

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        return await self._client.call_tool(name, arguments, raise_on_error=False)


@asynccontextmanager
async def connect(url: str, http: Any, era: str) -> AsyncIterator[Session]:
    # Also for the question whether its client is known, which goes without the provider.
    def client(**settings: Any) -> Any:
        return httpx2.AsyncClient(**{"timeout": 30, **settings}, event_hooks=http.event_hooks)

    transport = StreamableHttpTransport(url, auth=http.auth, httpx_client_factory=client)
    async with Client(transport, mode="auto" if era == "stateless" else "legacy") as session:
        yield Session(session)


if __name__ == "__main__":
    # It warns of tokens kept in memory, as they are meant to be here, and prints the URL that it opens.
    warnings.filterwarnings("ignore", message="Using in-memory token storage")
    logging.getLogger("fastmcp").setLevel(logging.CRITICAL)
    webbrowser.open = lambda *_: True  # type: ignore[assignment]
    flow.main(flow.Sdk("fastmcp", httpx2, connect, callback_result, provider))
