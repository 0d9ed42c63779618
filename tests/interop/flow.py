"""The flow that every SDK version is taken through; only how a session is opened differs.

Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1 if a case failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import secrets
import sys
import traceback
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Awaitable, Callable
from urllib.parse import parse_qs

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.utils import (
    extract_field_from_www_auth,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from user_agent import LoginRefused, RedirectListener, UserAgent

REVISIONS = {"handshake": "2025-11-25", "stateless": "2026-07-28"}


@dataclass
class Sdk:
    """What differs between the SDK versions."""

    name: str
    http: Any
    """The module of its HTTP client, `httpx` or `httpx2`."""
    connect: Callable[[str, Any, str], AbstractAsyncContextManager[Any]]
    """Opens a session of an era that has `list_tools()` and `call_tool(name, arguments)`."""
    callback_result: Callable[[dict[str, str]], Any]
    """What its callback handler returns, made from the redirect's parameters."""
    provider: Callable[..., OAuthClientProvider] = OAuthClientProvider
    """Its OAuth provider; `OAuthClientProvider` or what a product makes of it."""


@dataclass
class Storage:
    """The SDK's `TokenStorage`, in memory."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass
class Exchanges:
    """Looks on at the SDK's HTTP client: the refusals it met, the secrets that passed by, the revision it speaks."""

    hidden: bool = False
    """What RFC 9728 adds does not reach the SDK, as with a server that is older."""
    revision: str | None = None
    """Of the last request that named it."""
    refusals: list[Any] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    callbacks: list[dict[str, str]] = field(default_factory=list)

    async def request(self, request: Any) -> None:
        self.revision = request.headers.get("mcp-protocol-version", self.revision)
        for name, values in parse_qs(request.content.decode("utf-8", "replace")).items() if self._form(request) else ():
            if name in ("code", "code_verifier", "refresh_token", "client_secret"):
                self.secrets.update(values)

    async def response(self, response: Any) -> None:
        if self.hidden:
            self._hide(response)
        if response.status_code in (401, 403):
            self.refusals.append(response)
        if response.request.url.path in ("/token", "/register") and response.status_code < 300:
            answer = json.loads(await response.aread())
            for name in ("access_token", "refresh_token", "client_secret", "registration_access_token"):
                if answer.get(name):
                    self.secrets.add(answer[name])

    @staticmethod
    def _hide(response: Any) -> None:
        if response.request.url.path.startswith("/.well-known/oauth-protected-resource"):
            response.status_code = 404
        if challenge := response.headers.get("www-authenticate"):
            response.headers["www-authenticate"] = re.sub(r',? *resource_metadata="[^"]*"', "", challenge)

    @staticmethod
    def _form(request: Any) -> bool:
        return request.headers.get("content-type", "") == "application/x-www-form-urlencoded"

    def with_status(self, status: int) -> list[Any]:
        return [response for response in self.refusals if response.status_code == status]


class Refused(Exception):
    """The user closed the page at the step-up."""


class Run:
    """One SDK against one running demo."""

    def __init__(self, sdk: Sdk, options: argparse.Namespace) -> None:
        self.sdk = sdk
        self.options = options
        self.failed = 0
        self.secrets: set[str] = set()
        self.token = ""
        self.listener = RedirectListener(options.redirect_port)

    async def case(self, title: str, body: Callable[[], Awaitable[str | None]]) -> None:
        """Runs one case; what it returns is said beside its title."""
        title = f"{self.sdk.name}, {self.options.label}: {title}"
        try:
            with anyio.fail_after(60):
                remark = await body()
            print(f"ok - {title}" + (f" ({remark})" if remark else ""), flush=True)
        except Exception as error:  # every failure of a case is reported the same way
            self.failed += 1
            print(f"not ok - {title}: {describe(error)}", flush=True)
            if self.options.verbose:
                traceback.print_exception(error)

    def client(self, agent: UserAgent, logins_max: int = 2) -> tuple[Any, Exchanges, Storage]:
        """The SDK's own OAuth provider on the SDK's own HTTP client."""
        exchanges, storage, logins = Exchanges(self.options.hide_metadata), Storage(), []

        async def redirect_handler(url: str) -> None:
            logins.append(url)
            if len(logins) > logins_max:
                raise Refused("the user closed the page")
            await anyio.to_thread.run_sync(agent.authorize, url)

        async def callback_handler() -> Any:
            exchanges.callbacks.append(await anyio.to_thread.run_sync(self.listener.callback))
            return self.sdk.callback_result(exchanges.callbacks[-1])

        provider = self.sdk.provider(
            server_url=self.options.server_url,
            client_metadata=OAuthClientMetadata(
                client_name=f"interop {self.sdk.name}",
                redirect_uris=[self.listener.redirect_uri],
                grant_types=["authorization_code", "refresh_token"],
                response_types=["code"],
                token_endpoint_auth_method="none",
            ),
            storage=storage,
            redirect_handler=redirect_handler,
            callback_handler=callback_handler,
        )
        http = self.sdk.http.AsyncClient(
            auth=provider,
            timeout=30,
            event_hooks={"request": [exchanges.request], "response": [exchanges.response]},
        )
        return http, exchanges, storage

    def connect(self, http: Any) -> AbstractAsyncContextManager[Any]:
        return self.sdk.connect(self.options.server_url, http, self.options.era)

    def agent(self, **changes: Any) -> UserAgent:
        options = self.options
        return UserAgent(self.listener.redirect_uri, options.username, options.password, **changes)

    def keep_secrets(self, agent: UserAgent, exchanges: Exchanges) -> None:
        self.secrets |= agent.secrets | exchanges.secrets

    async def without_token(self) -> str | None:
        async with self.sdk.http.AsyncClient(timeout=30) as http:
            for headers, error in (
                ({}, None),
                ({"Authorization": "Bearer mF_9.B5f-4.1JqM"}, "invalid_token"),
            ):
                answer = await post_tool_call(http, self.options, headers)
                expect(answer.status_code, 401, "status")
                expect(extract_field_from_www_auth(answer, "error"), error, "error")
                metadata = extract_resource_metadata_from_www_auth(answer)
                expect((await http.get(metadata)).json()["resource"], self.options.server_url, "resource")
        return None

    async def wrong_password(self) -> str | None:
        agent = self.agent()
        agent.password = secrets.token_urlsafe(16)
        self.secrets.add(agent.password)
        http, exchanges, storage = self.client(agent)
        error = await self.fails(http)
        self.keep_secrets(agent, exchanges)
        expect(is_caused_by(error, LoginRefused), True, "the login page came back")
        expect(storage.tokens, None, "tokens")
        return None

    async def user_says_no(self) -> str | None:
        agent = self.agent(approve=False)
        http, exchanges, storage = self.client(agent)
        await self.fails(http)
        self.keep_secrets(agent, exchanges)
        expect([callback.get("error") for callback in exchanges.callbacks], ["access_denied"], "callbacks")
        expect(storage.tokens, None, "tokens")
        return None

    async def fails(self, http: Any) -> BaseException:
        try:
            async with http, self.connect(http) as session:
                await session.list_tools()
        except Exception as error:
            return error
        raise AssertionError("the session opened")

    async def whole_flow(self) -> str | None:
        agent = self.agent()
        http, exchanges, storage = self.client(agent)
        async with http, self.connect(http) as session:
            listed = (await session.list_tools()).tools
            tools = [tool.name for tool in listed]
            expect(self.options.open_tool in tools, True, f"{self.options.open_tool} in {tools}")
            result = await session.call_tool(self.options.open_tool, {})
            expect(failed(result), False, "isError")
            expect(bool(result.content), True, "content")
            expect(exchanges.revision, REVISIONS[self.options.era], "revision")
            assert storage.tokens is not None
            self.token = storage.tokens.access_token
            further = next(tool for tool in listed if tool.name != self.options.open_tool)
            self.further_tool, self.further_arguments = further.name, arguments_for(further)
        self.keep_secrets(agent, exchanges)
        expect(len(exchanges.with_status(403)), 0, "403 answers")
        return f"granted {storage.tokens.scope!r}"

    async def further_scope_is_challenged(self) -> str | None:
        agent = self.agent()
        http, exchanges, _ = self.client(agent, logins_max=1)
        outcome = "an error"
        try:
            async with http, self.connect(http) as session:
                result = await session.call_tool(self.further_tool, self.further_arguments)
                expect(failed(result), True, "the tool ran without its scope: isError")
                outcome = "a result that says error"
        except Exception as error:
            outcome = type(root_cause(error)).__name__
            if isinstance(root_cause(error), AssertionError):
                raise
        self.keep_secrets(agent, exchanges)
        refusals = exchanges.with_status(403)
        expect(len(refusals), 1, "403 answers")
        challenge = refusals[0]
        expect(extract_field_from_www_auth(challenge, "error"), "insufficient_scope", "error")
        expect(
            extract_resource_metadata_from_www_auth(challenge),
            extract_resource_metadata_from_www_auth(exchanges.with_status(401)[0]),
            "resource_metadata",
        )
        base = set((extract_scope_from_www_auth(exchanges.with_status(401)[0]) or "").split())
        further = set((extract_scope_from_www_auth(challenge) or "").split())
        expect(bool(further - base), True, f"a scope beyond {base} in {further}")
        self.further_scopes = further
        return f"scope {' '.join(sorted(further))!r}; the SDK then asks the user again, who declines: {outcome}"

    async def further_scope_is_granted(self) -> str | None:
        agent = self.agent()
        http, exchanges, storage = self.client(agent)
        async with http, self.connect(http) as session:
            result = await session.call_tool(self.further_tool, self.further_arguments)
            expect(failed(result), False, "isError")
            expect(failed(await session.call_tool(self.options.open_tool, {})), False, "isError of the first tool")
        self.keep_secrets(agent, exchanges)
        expect(len(exchanges.with_status(403)), 1, "403 answers")
        assert storage.tokens is not None
        granted = set((storage.tokens.scope or "").split())
        expect(self.further_scopes <= granted, True, f"{self.further_scopes} within {granted}")
        return None

    async def changed_token(self) -> str | None:
        async with self.sdk.http.AsyncClient(timeout=30) as http:
            good = await post_tool_call(http, self.options, bearer(self.token))
            expect(good.status_code, 200, "status of the token itself")
            middle = len(self.token) // 2
            other = "A" if self.token[middle] != "A" else "B"
            bad = self.token[:middle] + other + self.token[middle + 1 :]
            answer = await post_tool_call(http, self.options, bearer(bad))
            expect(answer.status_code, 401, "status")
            expect(extract_field_from_www_auth(answer, "error"), "invalid_token", "error")
        return None

    async def all(self) -> None:
        await self.case("without a token, and with a made-up one: 401 and the way to the metadata", self.without_token)
        await self.case("a wrong password does not log in", self.wrong_password)
        await self.case("consent refused: no token", self.user_says_no)
        await self.case("logs in, lists the tools, calls the open one", self.whole_flow)
        await self.case("one character of the token changed: 401", self.changed_token)
        await self.case("the further tool: 403 names its scope", self.further_scope_is_challenged)
        await self.case("the user grants the further scope: the tool runs", self.further_scope_is_granted)
        self.listener.close()


def expect(actual: Any, expected: Any, what: str) -> None:
    """Stays in force under `python -O`, unlike `assert`."""
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} instead of {expected!r}")


def failed(result: Any) -> bool:
    """Whether a tool's result says error; the field was renamed between SDK versions."""
    return bool(getattr(result, "is_error", None) or getattr(result, "isError", None))


def arguments_for(tool: Any) -> dict[str, Any]:
    """Some value for each argument that the tool's schema requires."""
    schema = getattr(tool, "input_schema", None) or getattr(tool, "inputSchema")
    some = {"integer": 1, "number": 1, "boolean": True, "string": "x"}
    return {name: some[schema["properties"][name]["type"]] for name in schema.get("required", [])}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def post_tool_call(http: Any, options: argparse.Namespace, headers: dict[str, str]) -> Any:
    """A `tools/call` of a client that speaks 2025-11-25."""
    params = {"name": options.open_tool, "arguments": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    always = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    return await http.post(options.server_url, json=message, headers=always | headers)


def leaves(error: BaseException, seen: frozenset[int] = frozenset()) -> list[BaseException]:
    """The exceptions inside of groups and behind causes; some are behind themselves."""
    if id(error) in seen:
        return []
    seen |= {id(error)}
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part, seen)]
    behind = error.__cause__ or error.__context__
    return [error] + (leaves(behind, seen) if behind is not None else [])


def is_caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(leaf, kind) for leaf in leaves(error))


def root_cause(error: BaseException) -> BaseException:
    return leaves(error)[-1]


def describe(error: BaseException) -> str:
    return "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in leaves(error)).replace("\n", " ")[:600]


def main(sdk: Sdk) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server-url", default="http://localhost:8001/mcp")
    parser.add_argument("--open-tool", default="get_time", help="the tool that needs no further scope")
    parser.add_argument("--redirect-port", type=int, default=3030)
    parser.add_argument("--username", default="demo_user")
    parser.add_argument("--password", default="demo_password")
    parser.add_argument("--label", default="demo", help="said with every case")
    parser.add_argument("--era", choices=REVISIONS, default="handshake", help="which kind of revision is spoken")
    parser.add_argument("--hide-metadata", action="store_true", help="keep from the SDK what RFC 9728 adds")
    parser.add_argument("--report", type=Path, help="file for the token and the secrets that were used")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    # The SDK logs the exceptions that the rejecting cases provoke.
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.CRITICAL)
    run = Run(sdk, options)
    anyio.run(run.all)
    if options.report:
        options.report.write_text(json.dumps({"token": run.token, "secrets": sorted(run.secrets)}))
    sys.exit(1 if run.failed else 0)
