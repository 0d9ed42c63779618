"""An authorization server on the official Python SDK's own provider classes, for comparison.

The package has the routes and the checks; its example of a provider is not part of it, so this one is ours:
three dictionaries, which end with the process, and a consent that was given before. `/introspect` is as in the SDK's
example: open to everybody, since the SDK has none of its own.

    pip install mcp==2.3.0 && python python_sdk.py PORT
"""

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
from mcp.server.auth.routes import create_auth_routes
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CLIENT = OAuthClientInformationFull(
    client_id="bench",
    redirect_uris=[AnyUrl("http://localhost:3030/callback")],
    token_endpoint_auth_method="none",
    grant_types=["authorization_code", "refresh_token"],
    response_types=["code"],
    scope="user",
)


class Provider:
    def __init__(self) -> None:
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return CLIENT if client_id == CLIENT.client_id else None

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            client_id=client.client_id or "",
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            expires_at=time.time() + 600,
            scopes=params.scopes or ["user"],
            code_challenge=params.code_challenge,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client: OAuthClientInformationFull, code: str) -> AuthorizationCode | None:
        return self.codes.get(code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[code.code]
        return self.issue(code.client_id, code.scopes, code.resource)

    async def load_refresh_token(self, client: OAuthClientInformationFull, token: str) -> RefreshToken | None:
        return self.refresh.get(token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh[token.token]
        return self.issue(token.client_id, scopes, token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    def issue(self, client_id: str, scopes: list[str], resource: str | None) -> OAuthToken:
        expires_at = int(time.time()) + 600
        access = AccessToken(
            token=secrets.token_urlsafe(32), client_id=client_id, scopes=scopes, expires_at=expires_at, resource=resource
        )
        refresh = RefreshToken(
            token=secrets.token_urlsafe(32), client_id=client_id, scopes=scopes, resource=resource
        )
        self.access[access.token], self.refresh[refresh.token] = access, refresh
        return OAuthToken(
            access_token=access.token,
            token_type="Bearer",
            expires_in=600,
            scope=" ".join(scopes),
            refresh_token=refresh.token,
        )


def main() -> None:
    port = int(sys.argv[1])
    provider = Provider()

    async def introspect(request: Request) -> JSONResponse:
        token = await provider.load_access_token(str((await request.form()).get("token")))
        if token is None or (token.expires_at or 0) < time.time():
            return JSONResponse({"active": False})
        return JSONResponse(
            {
                "active": True,
                "client_id": token.client_id,
                "scope": " ".join(token.scopes),
                "exp": token.expires_at,
                "iat": int(time.time()),
                "token_type": "Bearer",
                "aud": token.resource,
            }
        )

    routes = create_auth_routes(provider, AnyHttpUrl(f"http://127.0.0.1:{port}"))
    routes.append(Route("/introspect", introspect, methods=["POST"]))
    said = {
        "authorization": "/authorize",
        "token": "/token",
        "introspection": "/introspect",
        "client_id": CLIENT.client_id,
        "scope": "user",
        "resource_server": None,
    }
    print(json.dumps(said), flush=True)
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
