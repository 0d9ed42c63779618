"""The official Python SDK 2.x: `Client` probes `server/discover` first, or is told to use the handshake."""

from __future__ import annotations

from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult

import flow


def connect(url: str, http: Any, era: str) -> Client:
    mode = "auto" if era == "stateless" else "legacy"
    return Client(streamable_http_client(url, http_client=http), mode=mode)


def callback_result(parameters: dict[str, str]) -> AuthorizationCodeResult:
    return AuthorizationCodeResult(
        code=parameters.get("code", ""), state=parameters.get("state"), iss=parameters.get("iss")
    )


if __name__ == "__main__":
    flow.main(flow.Sdk("python 2.x", httpx2, connect, callback_result))
