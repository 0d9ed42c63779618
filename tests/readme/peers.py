"""Who is at the other end of a command: a client of an authorization server, MCP servers of others."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

from browser import DEMO_PASSWORD, DEMO_USER, open_page
from stage import expect, fetch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from user_agent import RedirectListener  # noqa: E402

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def token(issuer: str, resource: str, scope: str, user: str = DEMO_USER, password: str = DEMO_PASSWORD) -> str:
    """An access token that the user granted: registration, code with PKCE, and no library."""
    metadata = json.loads(fetch(f"{issuer}/.well-known/oauth-authorization-server")[2])
    with closing(RedirectListener(0)) as listener:
        client = {"redirect_uris": [listener.redirect_uri], "token_endpoint_auth_method": "none"}
        body = json.dumps(client).encode()
        status, _, answer = fetch(metadata["registration_endpoint"], body, {"Content-Type": "application/json"})
        expect(status == 201, f"registration: {status}")
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        grant = {"client_id": json.loads(answer)["client_id"], "redirect_uri": listener.redirect_uri}
        query = grant | {"response_type": "code", "resource": resource, "scope": scope, "state": "s"}
        query |= {"code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("=")}
        query |= {"code_challenge_method": "S256"}
        open_page(f"{metadata['authorization_endpoint']}?{urlencode(query)}", user, password)
        code = listener.callback().get("code", "")
    form = grant | {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "resource": resource}
    status, _, answer = fetch(metadata["token_endpoint"], urlencode(form).encode(), FORM)
    expect(status == 200, f"token: {status} {answer!r}")
    return str(json.loads(answer)["access_token"])


def call(
    url: str, access_token: str | None, method: str = "tools/list", trust: ssl.SSLContext | None = None, **params: object
) -> tuple[int, str, str]:
    """Status, challenge and body of an MCP request, as a client of 2025-11-25 sends it."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers |= {"MCP-Protocol-Version": "2025-11-25"}
    headers |= {} if access_token is None else {"Authorization": f"Bearer {access_token}"}
    status, fields, body = fetch(url, json.dumps(message).encode(), headers, trust)
    return status, fields["WWW-Authenticate"] or "", body.decode("utf-8", "replace")


class McpServer:
    """An MCP server that answers every request with an empty result, and remembers the fields of each."""

    def __init__(self, port: int, documents: dict[str, object] | None = None, challenge: str = "") -> None:
        seen = self.seen = list[dict[str, str]]()
        pages = {} if documents is None else documents

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or "{}")
                seen.append({name.lower(): value for name, value in self.headers.items()})
                if challenge:
                    # A token that nobody issued is told from none, as everywhere.
                    error = 'error="invalid_token", ' if self.headers["Authorization"] else ""
                    return self._answer(401, {}, {"WWW-Authenticate": f"Bearer {error}{challenge}"})
                self._answer(200, {"jsonrpc": "2.0", "id": body.get("id"), "result": {"tools": []}})

            def do_GET(self) -> None:
                page = pages.get(self.path)
                public = {"Cache-Control": "max-age=60", "Access-Control-Allow-Origin": "*"}
                self._answer(404 if page is None else 200, page or {}, public)

            do_HEAD = do_GET

            def do_OPTIONS(self) -> None:
                self._answer(405, {})

            def _answer(self, status: int, document: object, fields: dict[str, str] | None = None) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(fields or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
