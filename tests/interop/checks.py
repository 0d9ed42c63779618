"""What no client can see alone: tokens of another server, codes for another resource, secrets in logs.

Each check returns `None`, or why it failed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from urllib.parse import quote, urlencode, urlsplit

from columns import Column
from servers import PASSWORD, USER, Server, fetch
from user_agent import FlowStopped, RedirectListener, UserAgent

PREFIX_LEN = 6
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
DEFAULT_PATHS = ("/.well-known/oauth-authorization-server", "/authorize", "/token", "/register")


def foreign_token(servers: dict[Column, Server], here: Column, token: str) -> str | None:
    """A good token of one server must be worth nothing at any other, one of the same issuer or not."""

    def call(column: Column) -> tuple[int, str]:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": column.open_tool, "arguments": {}}}
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        headers |= {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2025-11-25"}
        status, fields, _ = fetch(servers[column].resource, json.dumps(message).encode(), headers)
        return status, fields["WWW-Authenticate"] or ""

    if not token:
        return "no token came out of the flow"
    if (answer := call(here))[0] != 200:
        return f"its own server answers {answer}"
    for there in servers:
        if there is here or there.theirs:
            continue
        status, challenge = call(there)
        # oidc-provider gives no answer about JWTs, so that nothing is known about the token.
        if there.asks_oidc_provider and token.count(".") == 2 and status == 503:
            continue
        if status != 401 or 'error="invalid_token"' not in challenge:
            return f"{there.title} answers {status} {challenge}"
    return None


def other_resource(server: Server, column: Column) -> str | None:
    """A code for a resource that this authorization server does not know must not be had (RFC 8707 §2)."""
    metadata = json.loads(fetch(server.issuer + "/.well-known/oauth-authorization-server")[2])
    listener = RedirectListener(0)
    try:
        client = {"redirect_uris": [listener.redirect_uri], "token_endpoint_auth_method": "none"}
        status, _, body = fetch(
            metadata["registration_endpoint"], json.dumps(client).encode(), {"Content-Type": "application/json"}
        )
        if status != 201:
            return f"registration answered {status}"
        challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).decode().rstrip("=")
        query = {"response_type": "code", "client_id": json.loads(body)["client_id"], "state": "s"}
        query |= {"redirect_uri": listener.redirect_uri, "code_challenge": challenge, "code_challenge_method": "S256"}

        def ask(resource: str) -> dict[str, str]:
            agent = UserAgent(listener.redirect_uri, USER, PASSWORD)
            url = f"{metadata['authorization_endpoint']}?{urlencode(query | {'resource': resource, 'scope': column.base})}"
            try:
                agent.authorize(url)
            except FlowStopped as stop:
                return {"error": f"page: {stop}"}
            return listener.callback()

        if "code" not in ask(server.resource):
            return "no code for the right resource either"
        answer = ask(server.resource.replace("/mcp", "/other"))
        return "a code was issued" if "code" in answer or "error" not in answer else None
    finally:
        listener.close()


def default_endpoints(server: Server, legacy: bool) -> str | None:
    """Only where that is wanted is the MCP server's origin an authorization server for clients that expect one there."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(server.resource))
    served = [path for path in DEFAULT_PATHS if fetch(origin + path)[0] != 404]
    expected = list(DEFAULT_PATHS) if legacy else []
    return None if served == expected else f"served: {served}"


def leaks(log: str, secrets: set[str]) -> str | None:
    """SEC-320: whether a secret stands in the log: plain, base64, hex, percent-encoded, or its beginning."""
    # The microseconds of some line look like the beginning of a secret in hex.
    log = TIME.sub("", log)
    lower = log.lower()
    for secret in secrets:
        raw = secret.encode()
        for kind, form in (
            ("plain", secret),
            ("base64", base64.b64encode(raw).decode().rstrip("=")),
            ("base64url", base64.urlsafe_b64encode(raw).decode().rstrip("=")),
            ("hex", raw.hex()),
            ("percent-encoded", quote(secret, safe="")),
        ):
            if form.lower() in lower:
                return f"a secret of {len(secret)} characters, {kind}"
        # A JWT's header is no secret and begins alike in all; its other parts are looked for.
        parts = secret.split(".")[1:] if secret.count(".") == 2 else [secret]
        for part in parts:
            prefix = part[:PREFIX_LEN]
            if len(part) >= 16 and prefix in log and re.search(rf"(?<![A-Za-z0-9_-]){re.escape(prefix)}", log):
                return f"the first {PREFIX_LEN} characters of a secret of {len(secret)}"
    return None


def search_is_blind() -> str | None:
    """The search itself must find what it is for, and nothing else."""
    secret = "q7Jx_9dPlw~4mZ2vT.bQ"
    if leaks("2026-11-28T15:27:15.183199Z accepted", {"183199" + 58 * "a"}):
        return "a time was taken for a secret"
    for form in (secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex(), quote(secret), secret[:7]):
        if leaks(f"token={form} accepted", {secret}) is None:
            return f"not found as {form}"
    return leaks("token=(..) accepted", {secret})
