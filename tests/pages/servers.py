"""What the browser visits: our authorization server, a client's redirect URI, and a site that means harm."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

START_SECS_MAX = 60
USER, PASSWORD = "alice", "correct horse battery staple"
RESOURCE = "http://localhost:8001/mcp"
# BASE64URL(SHA-256("v" * 43)): what the client proves with is never redeemed here.
CHALLENGE = "JkUaz3Ql5NK4zcwcZ1FIdGOYEs6nYNHYXe5PLXQ0kls"
SCOPES = {
    "user": "read the time for you",
    "admin": "set the clock",
    "calendar:read": "read every calendar that you can see, with the names of those who take part",
    "calendar:write": "create, move and delete appointments in your name",
    "files:read": "read your files",
    "files:write": "change and delete your files",
    "mail:send": "send mail in your name",
    "contacts": "read your address book",
}
CONFIGURATION = """\
issuer = "{issuer}"
listen = "127.0.0.1:{port}"
[limits]
registrations_per_peer_per_hour = 1000
pending_authorizations_per_peer = 1000
wrong_secrets_per_minute = 100
[log]
level = "debug"
audit = "audit.jsonl"
{tls}
[[client]]
id = "clock-radio"
name = "Clock radio"
[[resource]]
identifier = "{resource}"
name = "Clock and calendar"
token_format = "hs256"
"""


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


class AuthorizationServer:
    """`portcullis authorization-server` in a folder of its own, with one user whom the program added."""

    def __init__(
        self, program: Path, *, https: bool = False, more: str = "", files: dict[str, str] | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portcullis-pages-"))
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        port = free_port()
        self.issuer = f"{'https' if https else 'http'}://localhost:{port}"
        tls = self._certificate() if https else ""
        text = CONFIGURATION.format(issuer=self.issuer, port=port, tls=tls, resource=RESOURCE) + more
        for name, words in SCOPES.items():
            is_default = "true" if name == "user" else "false"
            text += f'[[resource.scope]]\nname = "{name}"\ndescription = "{words}"\ndefault = {is_default}\n'
        configuration = self.folder / "portcullis.toml"
        configuration.write_text(text)
        self._trust = ssl.create_default_context(cafile=str(self.folder / "certificate.pem")) if https else None
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "authorization-server", "--config", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._await_start()
            add = [program, "user", "add", USER, "--config", configuration]
            subprocess.run(add, input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def register(self, name: str | None, *redirect_uris: str) -> str:
        """The id of a client that registers itself (RFC 7591)."""
        document: dict[str, object] = {
            "redirect_uris": redirect_uris,
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "scope": " ".join(SCOPES),
        }
        if name is not None:
            document["client_name"] = name
        body = json.dumps(document).encode()
        return str(self._post("/register", body, "application/json")["client_id"])

    def authorize_url(self, client_id: str, redirect_uri: str, scope: str = "user") -> str:
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": "s-of-the-client",
            "resource": RESOURCE,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.issuer}/authorize?{urlencode(query)}"

    def device_code(self) -> str:
        """The code that a device shows (RFC 8628)."""
        form = urlencode({"client_id": "clock-radio", "resource": RESOURCE, "scope": "user admin"})
        answer = self._post("/device_authorization", form.encode(), "application/x-www-form-urlencoded")
        return str(answer["user_code"])

    def decisions(self) -> int:
        """How many consents the server took notice of."""
        return (self.folder / "audit.jsonl").read_text().count('"user decided"')

    def _post(self, path: str, body: bytes, media_type: str) -> dict[str, object]:
        request = urllib.request.Request(self.issuer + path, body, {"Content-Type": media_type})
        with urllib.request.urlopen(request, timeout=30, context=self._trust) as answer:
            return dict(json.load(answer))

    def _certificate(self) -> str:
        name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        files = ["-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem"]
        subprocess.run(["openssl", "req", "-x509", *curve, *name, *files], check=True, capture_output=True)
        (self.folder / "key.pem").chmod(0o600)
        return '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'

    def _await_start(self) -> None:
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.issuer + "/ready", timeout=5, context=self._trust):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"no start: {self.log.read_text('utf-8', 'replace')[-800:]}")


@dataclass
class Visit:
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Site:
    """A web server of somebody else. Keeps each visit; shows the pages that it was given."""

    host: str = "127.0.0.1"
    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                site.visits.append(Visit(parts.path, query, {k.lower(): v for k, v in self.headers.items()}))
                body, headers = site.pages.get(parts.path, ("<!DOCTYPE html><title>Somewhere else</title>", {}))
                data = body.encode()
                self.send_response(303 if "Location" in headers else 200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        class Ipv4(ThreadingHTTPServer):
            def handle_error(self, request: object, address: object) -> None:
                """Says nothing: a browser hangs up when it has seen enough."""

        class Ipv6(Ipv4):
            address_family = socket.AF_INET6

        kind: type[HTTPServer] = Ipv6 if self.host == "[::1]" else Ipv4
        address = "::1" if self.host == "[::1]" else "127.0.0.1"
        self._server = kind((address, 0), Handler)
        self.origin = f"http://{self.host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def callbacks(self) -> list[Visit]:
        """Visits of the redirect URI; a browser asks for other things, too."""
        return [it for it in self.visits if re.fullmatch("/callback", it.path)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
