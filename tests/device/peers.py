"""A device and its authorization server: what the device answers to the letter, and what it does while nobody answers it.

The authorization server is `portcullis demo --device` on the machine around: with the master key from which the device's
was derived, or asked over TLS. The clients of others meet the same firmware in `tests/interop`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from checks import leaks
from servers import PASSWORD, USER, fetch
from user_agent import RedirectListener, UserAgent

from identity import READ, WRITE, base64url
from qemu import STEADY, Device
from report import Failure, Report, expect
from wire import Answer, Caller, ask, request

FURTHER_TOOL = "set_led"
START_SECS_MAX = 30
# What the device may take to find that nobody answers, and a connection of its own: 5 s of its own time.
OUTAGE_SECS_MAX = 60


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AuthorizationServer:
    """The demo's authorization server for one device; a context that starts it and stops it."""

    def __init__(self, program: Path, device: Device, port: int, options: list[str], log: Path) -> None:
        self.issuer = f"http://localhost:{port}"
        # Of the users and clients that were played here.
        self.secrets: set[str] = set()
        self._log = log
        self._command = [str(program), "demo", "--device", str(device.provisioning)]
        self._command += ["--authorization-server-port", str(port), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> AuthorizationServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"RUST_LOG": "trace"}
            )
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if fetch(self.issuer + "/.well-known/oauth-authorization-server")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise Failure(f"no authorization server: {self.log()[-400:]!r}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def hang(self, hangs: bool) -> None:
        """Stops answering, and forgets nothing; or goes on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if hangs else signal.SIGCONT)

    def token(self, resource: str, scope: str) -> str:
        """A token that was given to a client by its user, and that nobody has used."""
        metadata = json.loads(fetch(self.issuer + "/.well-known/oauth-authorization-server")[2])
        listener = RedirectListener(0)
        try:
            client = {"redirect_uris": [listener.redirect_uri], "token_endpoint_auth_method": "none"}
            kind = {"Content-Type": "application/json"}
            body = fetch(metadata["registration_endpoint"], json.dumps(client).encode(), kind)[2]
            verifier = secrets.token_urlsafe(48)
            own = {"client_id": json.loads(body)["client_id"], "redirect_uri": listener.redirect_uri, "resource": resource}
            challenge = base64url(hashlib.sha256(verifier.encode()).digest())
            query = own | {"response_type": "code", "scope": scope, "state": "s"}
            query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
            agent = UserAgent(listener.redirect_uri, USER, PASSWORD)
            agent.authorize(f"{metadata['authorization_endpoint']}?{urlencode(query)}")
            form = own | {"grant_type": "authorization_code", "code": listener.callback()["code"], "code_verifier": verifier}
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            status, _, body = fetch(metadata["token_endpoint"], urlencode(form).encode(), kind)
            expect(status, 200, "the token endpoint")
            token = str(json.loads(body)["access_token"])
            self.secrets |= {token, verifier} | agent.secrets
            return token
        finally:
            listener.close()

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")


def tool(program: Path, *arguments: str) -> str:
    done = subprocess.run([str(program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Failure(f"portcullis {' '.join(arguments[:2])}: {done.stderr.strip()[:300]}")
    return done.stdout


def challenges(report: Report, device: Device) -> None:
    """What the device itself answers, to the letter."""
    host, resource = f"127.0.0.1:{device.port}", f"http://127.0.0.1:{device.port}/mcp"
    metadata = f"http://127.0.0.1:{device.port}/.well-known/oauth-protected-resource/mcp"
    with report.case("without a token: 401, the scope to ask for and the way to the metadata"):
        answer = ask(device.port, Caller(host, None).tools_list())
        expect(answer.status, 401, "status")
        expect(answer.field("www-authenticate"), f'Bearer scope="{READ}", resource_metadata="{metadata}"', "challenge")
    with report.case("the metadata is the device's, and names its authorization server"):
        answer = ask(device.port, request("", method="GET", target="/.well-known/oauth-protected-resource/mcp", host=host))
        document = answer.json()
        expect((answer.status, document["resource"]), (200, resource), "resource")
        if device.identity is not None:
            expect(document["authorization_servers"], [device.identity.issuer], "authorization servers")
    for era in ("modern", "handshake"):
        call = {"name": FURTHER_TOOL, "arguments": {"on": True}}
        with report.case(f"SEC-343 SEC-344: {FURTHER_TOOL} with the first scope only, {era}: 403 with exactly the scopes that are needed"):
            answer = ask(device.port, getattr(device.caller(READ), era)("tools/call", call))
            expect(answer.status, 403, "status")
            description = 'error_description="The access token lacks a required scope"'
            expected = f'Bearer error="insufficient_scope", {description}, scope="{READ} {WRITE}", resource_metadata="{metadata}"'
            expect(answer.field("www-authenticate"), expected, "challenge")
            expect(device.led(), False, "the light")
        with report.case(f"{FURTHER_TOOL} with both scopes, {era}: the light goes on"):
            for on in (True, False):
                call["arguments"] = {"on": on}
                answer = ask(device.port, getattr(device.caller(f"{READ} {WRITE}"), era)("tools/call", call))
                expect((answer.status, answer.json()["result"].get("isError", False)), (200, False), "status, error")
                expect(device.led(), on, "the light")


def tokens(report: Report, device: Device, server: AuthorizationServer, label: str) -> None:
    """What a token opens that a user let the demo give away; afterwards no log has a secret of it."""
    host, resource = f"127.0.0.1:{device.port}", f"http://127.0.0.1:{device.port}/mcp"
    with report.case(f"device, {label}: with the demo's token for the first scope, tools are listed and {FURTHER_TOOL} is refused"):
        caller = Caller(host, server.token(resource, READ))
        expect(ask(device.port, caller.tools_list()).status, 200, "status of tools/list")
        expect(ask(device.port, caller.set_led(True)).status, 403, f"status of {FURTHER_TOOL}")
        expect(device.led(), False, "the light")
    with report.case(f"device, {label}: with the one for both, the light goes on; after a restart it is off, and the token still good"):
        caller = Caller(host, server.token(resource, f"{READ} {WRITE}"))
        expect(ask(device.port, caller.set_led(True)).status, 200, f"status of {FURTHER_TOOL}")
        expect(device.led(), True, "the light")
        device.check()
        device.restart()
        expect(device.led(), False, "the light after a restart")
        expect(ask(device.port, caller.tools_list()).status, 200, "status after a restart")
    said, used = device.whole_log() + server.log(), server.secrets
    why = leaks(said, used) if used else "no secrets were used"
    report.line(f"device, {label}: {len(used)} secrets, none in {len(said)} characters of log (SEC-320)", why)


def offline(report: Report, options: argparse.Namespace) -> None:
    """Tokens that the device verifies with its own key."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        master, log = Path(folder) / "master", Path(folder) / "log"
        tool(options.program, "key", "new", "--out", str(master))

        def document(resource: str, path: Path) -> None:
            tool(options.program, "key", "derive", "--master-key", str(master), "--resource", resource, "--provisioning",
                 "--issuer", f"http://localhost:{port}", "--out", str(path))

        with Device(options.firmware, document=document) as device:
            challenges(report, device)
            with AuthorizationServer(options.program, device, port, ["--master-key", str(master)], log) as server:
                tokens(report, device, server, "offline")


def introspection(report: Report, options: argparse.Namespace) -> None:
    """Tokens that the device asks about, over TLS; the one whom it asks goes away and comes back (SEC-360)."""
    port, endpoint = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder, log = Path(name), Path(name) / "log"
        tool(options.program, "key", "certificate", "--host", "localhost", "--out", str(folder / "tls"))

        def document(resource: str, path: Path) -> None:
            tool(options.program, "key", "derive", "--resource", resource, "--provisioning",
                 "--issuer", f"http://localhost:{port}", "--introspection", f"https://localhost:{endpoint}/introspect",
                 "--address", f"10.0.2.2:{endpoint}", "--certificate", str(folder / "tls/authority.der"), "--out", str(path))

        tls = ["--tls-certificate", str(folder / "tls/server.pem"), "--tls-key", str(folder / "tls/server.key")]
        with Device(options.introspecting, document=document, reaches_host=True, icount=STEADY) as device:
            with AuthorizationServer(options.program, device, port, tls, log) as server:
                comes_and_goes(report, device, server)
                tokens(report, device, server, "introspection")


def comes_and_goes(report: Report, device: Device, server: AuthorizationServer) -> None:
    host, resource = f"127.0.0.1:{device.port}", f"http://127.0.0.1:{device.port}/mcp"

    def call(token: str) -> Answer:
        return ask(device.port, Caller(host, token).tools_list(), OUTAGE_SECS_MAX)

    def refused(token: str) -> None:
        answer = call(token)
        expect(answer.status, 503, "status")
        if not (answer.field("retry-after") or "").isdigit():
            raise Failure(f"Retry-After: {answer.field('retry-after')}")
        expect(answer.field("www-authenticate"), None, "a challenge")

    known, fresh = server.token(resource, READ), server.token(resource, READ)
    with report.case("introspection: a token that the authorization server knows, and one it does not know"):
        expect(call(known).status, 200, "status")
        answer = call("x" * len(fresh))
        expect(answer.status, 401, "status")
        if 'error="invalid_token"' not in (answer.field("www-authenticate") or ""):
            raise Failure(f"challenge {answer.field('www-authenticate')}")
    with report.case("SEC-360: the authorization server hangs: 503 with Retry-After, and no word about the token"):
        server.hang(True)
        refused(fresh)
        device.check()
    with report.case("SEC-360: it goes on: the same token is accepted, no verdict was kept"):
        server.hang(False)
        expect(call(fresh).status, 200, "status")
    fresh = server.token(resource, READ)
    with report.case("SEC-360: the authorization server is gone: 503 with Retry-After, again and again"):
        server.stop()
        for _ in range(3):
            refused(fresh)
        device.check()
    with report.case("SEC-360: it is back: new tokens are accepted, and those that it has forgotten are refused"):
        server.start()
        expect(call(server.token(resource, READ)).status, 200, "status")
        expect(call(fresh).status, 401, "status")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    parser.add_argument("--introspecting", type=Path, required=True, help="the firmware with the feature introspection")
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    options = parser.parse_args()
    report = Report()
    with report.case("callers of a device that verifies tokens by itself"):
        offline(report, options)
    with report.case("callers of a device that asks about tokens"):
        introspection(report, options)
    report.end()


if __name__ == "__main__":
    main()
