"""An MCP server on the official Python SDK 2.x that is its own authorization server, as the SDK's example is.

Arguments: its port, the scope, the user's name, the password. The SDK has every endpoint; here are the pages of
the user, and what is granted, in memory.
"""

from __future__ import annotations

import json
import secrets
import sys
import time

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver.server import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_SECS = 600
CODE_SECS = 60
LOGIN = '<form method="post"><input name="username"><input type="password" name="password"><button>Sign in</button></form>'
CONSENT = (
    '<form method="post"><button name="decision" value="approve">Approve</button>'
    '<button name="decision" value="deny">Deny</button></form>'
)


class Provider:
    """What the SDK asks of an authorization server."""

    def __init__(self, base: str, scope: str) -> None:
        self.base, self.scope = base, scope
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.asked: dict[str, tuple[OAuthClientInformationFull, AuthorizationParams]] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[str(client_info.client_id)] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        number = secrets.token_urlsafe(8)
        self.asked[number] = client, params
        return f"{self.base}/interaction/{number}"

    def decide(self, number: str, approved: bool) -> str:
        """Where the browser goes with the user's answer."""
        client, params = self.asked.pop(number)
        if not approved:
            return construct_redirect_uri(str(params.redirect_uri), error="access_denied", state=params.state)
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            scopes=params.scopes or [self.scope],
            expires_at=time.time() + CODE_SECS,
            client_id=str(client.client_id),
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(authorization_code, authorization_code.scopes)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self._issue(refresh_token, scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        for known in (self.access, self.refresh):
            for other in [one for one in known.values() if one.client_id == token.client_id]:
                del known[other.token]

    def _issue(self, grant: AuthorizationCode | RefreshToken, scopes: list[str]) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        binding = {"client_id": grant.client_id, "scopes": scopes, "resource": grant.resource}
        self.access[access] = AccessToken(token=access, expires_at=int(time.time()) + TOKEN_SECS, **binding)
        self.refresh[refresh] = RefreshToken(token=refresh, **binding)
        return OAuthToken(
            access_token=access, expires_in=TOKEN_SECS, refresh_token=refresh, scope=" ".join(scopes)
        )


def logged(app: ASGIApp) -> ASGIApp:
    """Prints what `portcullis doctor` asks, and nothing of other clients."""

    async def look_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if request.headers.get("user-agent", "").startswith("portcullis-doctor/"):
                credentials = {name: request.headers.get(name) for name in ("authorization", "cookie")}
                print("asked", json.dumps({"method": request.method, "url": str(request.url), **credentials}), flush=True)
        await app(scope, receive, send)

    return look_on


def main(port: int, scope: str, user: str, password: str) -> None:
    base = f"http://localhost:{port}"
    provider = Provider(base, scope)
    settings = AuthSettings(
        issuer_url=base,  # type: ignore[arg-type]
        resource_server_url=f"{base}/mcp",  # type: ignore[arg-type]
        required_scopes=[scope],
        validate_token_resource=True,
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=[scope], default_scopes=[scope]),
        revocation_options=RevocationOptions(enabled=True),
    )
    server = MCPServer("clock", auth_server_provider=provider, auth=settings)

    @server.tool()
    def get_time() -> str:
        """Seconds since 1970."""
        return str(int(time.time()))

    @server.custom_route("/interaction/{number}", methods=["GET", "POST"])
    async def interaction(request: Request) -> Response:
        if request.method == "GET":
            return HTMLResponse(LOGIN)
        form = await request.form()
        if decision := form.get("decision"):
            target = provider.decide(request.path_params["number"], decision == "approve")
            return RedirectResponse(target, status_code=303)
        known = (form.get("username"), form.get("password")) == (user, password)
        return HTMLResponse(CONSENT) if known else HTMLResponse(LOGIN, status_code=401)

    app = logged(server.streamable_http_app(stateless_http=True))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
