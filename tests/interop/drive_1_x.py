"""The official Python SDK 1.x, which knows the handshake revisions only."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

import flow


@asynccontextmanager
async def connect(url: str, http: Any, _era: str) -> AsyncIterator[ClientSession]:
    async with streamable_http_client(url, http_client=http) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            yield session


def callback_result(parameters: dict[str, str]) -> tuple[str, str | None]:
    return parameters.get("code", ""), parameters.get("state")


if __name__ == "__main__":
    flow.main(flow.Sdk("python 1.x", httpx, connect, callback_result))
