"""Runs the unmodified official Python SDK clients against the demo, in both verification modes.

Starts one demo that verifies tokens offline and one that introspects them, takes each SDK version
through `flow.py` on both, then checks what needs both demos and what their logs must not contain.
Prints `ok - …`, `not ok - …: why` and `skip - …: why` lines.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from user_agent import FlowStopped, RedirectListener, UserAgent

HERE = Path(__file__).resolve().parent
SDKS = (("1.30.0", "drive_1_x.py"), ("2.3.0", "drive_2_x.py"))
MODES = ("offline", "introspection")
START_SECS_MAX = 30
PREFIX_LEN = 6

failures = 0


def report(title: str, why: str | None) -> None:
    global failures
    failures += why is not None
    print(f"ok - {title}" if why is None else f"not ok - {title}: {why}", flush=True)


@dataclass
class Demo:
    """One running demo and its log."""

    mode: str
    process: subprocess.Popen[bytes]
    log: Path
    issuer: str
    resource: str

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(program: Path, mode: str, cache: Path) -> Demo:
    """Starts a demo on free ports and waits until its servers answer."""
    log = cache / f"demo-{mode}.log"
    command = [str(program), "demo", "--verify", mode]
    command += ["--authorization-server-port", "0", "--server-port", "0", "--redirect-port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"RUST_LOG": "trace"}
        )
    deadline = time.monotonic() + START_SECS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        # What the demo calls its servers is what a user would type.
        said = log.read_text("utf-8", "replace")
        issuer = re.search(r"^authorization server  (\S+)$", said, re.MULTILINE)
        resource = re.search(r"^protected MCP server  (\S+)$", said, re.MULTILINE)
        if issuer and resource:
            demo = Demo(mode, process, log, issuer[1], resource[1])
            try:
                well_known = demo.issuer + "/.well-known/oauth-authorization-server"
                if fetch(metadata_url(demo.resource))[0] == fetch(well_known)[0] == 200:
                    return demo
            except OSError:
                pass
        time.sleep(0.1)
    process.kill()
    process.wait()
    raise RuntimeError(f"no start within {START_SECS_MAX} s: {log.read_text('utf-8', 'replace')[-800:]}")


def metadata_url(resource: str) -> str:
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"


def fetch(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, object, bytes]:
    """Status, headers and body, whatever the status is."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def sdk_python(cache: Path, version: str) -> Path:
    """The interpreter of the SDK's own environment, made when it is missing or its pins changed."""
    pins = HERE / f"requirements-{version}.txt"
    home = cache / f"python-mcp-{version}"
    stamp, digest = home / "pins", hashlib.sha256(pins.read_bytes()).hexdigest()
    python = home / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != digest:
        venv.create(home, clear=True, with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        stamp.write_text(digest)
    return python


def drive(cache: Path, version: str, script: str, demo: Demo) -> dict[str, object]:
    """Takes one SDK through the flow; its lines go to standard output as they come."""
    global failures
    result = cache / f"report-{version}-{demo.mode}.json"
    result.unlink(missing_ok=True)
    command = [str(sdk_python(cache, version)), str(HERE / script), "--server-url", demo.resource]
    command += ["--redirect-port", "0", "--label", f"--verify {demo.mode}", "--report", str(result)]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=300).returncode
    if status == 1:
        failures += 1
    elif status != 0:
        report(f"mcp {version}, --verify {demo.mode}", f"the driver ended with status {status}")
    return json.loads(result.read_text()) if result.exists() else {"token": "", "secrets": []}


def foreign_token(here: Demo, there: Demo, token: str) -> str | None:
    """A good token of one demo must be worth nothing at the other."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_time", "arguments": {}}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers |= {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2025-11-25"}
    if not token:
        return "no token came out of the flow"
    if (status := fetch(here.resource, json.dumps(message).encode(), headers)[0]) in (401, 403):
        return f"its own server refuses it: {status}"
    status, fields, _ = fetch(there.resource, json.dumps(message).encode(), headers)
    challenge = fields["WWW-Authenticate"] or ""
    if status != 401 or 'error="invalid_token"' not in challenge:
        return f"{status} {challenge}"
    return None


def other_resource(demo: Demo) -> str | None:
    """A code for a resource that this authorization server does not know must not be had (RFC 8707 §2)."""
    metadata = json.loads(fetch(demo.issuer + "/.well-known/oauth-authorization-server")[2])
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
            agent = UserAgent(listener.redirect_uri, "demo_user", "demo_password")
            url = f"{metadata['authorization_endpoint']}?{urlencode(query | {'resource': resource, 'scope': 'user'})}"
            try:
                agent.authorize(url)
            except FlowStopped as stop:
                return {"error": f"page: {stop}"}
            return listener.callback()

        if "code" not in ask(demo.resource):
            return "no code for the right resource either"
        answer = ask(demo.resource.replace("/mcp", "/other"))
        return "a code was issued" if "code" in answer or "error" not in answer else None
    finally:
        listener.close()


def leaks(log: str, secrets: list[str]) -> str | None:
    """SEC-320: whether a secret stands in the log: plain, base64, hex, percent-encoded, or its beginning."""
    for secret in secrets:
        raw = secret.encode()
        for kind, form in (
            ("plain", secret),
            ("base64", base64.b64encode(raw).decode().rstrip("=")),
            ("base64url", base64.urlsafe_b64encode(raw).decode().rstrip("=")),
            ("hex", raw.hex()),
            ("percent-encoded", quote(secret, safe="")),
        ):
            if form.lower() in log.lower():
                return f"a secret of {len(secret)} characters, {kind}"
        # A JWT's header is no secret and begins alike in all; its other parts are looked for.
        parts = secret.split(".")[1:] if secret.count(".") == 2 else [secret]
        for part in parts:
            if len(part) >= 16 and re.search(rf"(?<![A-Za-z0-9_-]){re.escape(part[:PREFIX_LEN])}", log):
                return f"the first {PREFIX_LEN} characters of a secret of {len(secret)}"
    return None


def check_leaks() -> None:
    """The search itself must find what it is for."""
    secret = "q7Jx_9dPlw~4mZ2vT.bQ"
    for form in (secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex(), quote(secret), secret[:7]):
        if leaks(f"token={form} accepted", [secret]) is None:
            report("the search for secrets finds a planted one", form)
            return
    report("the search for secrets finds a planted one", leaks("token=(..) accepted", [secret]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    parser.add_argument("--cache", type=Path, required=True, help="where environments and logs are kept")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    demos: list[Demo] = []
    try:
        for mode in MODES:
            demos.append(start(options.program, mode, options.cache))
            report(f"demo --verify {mode} starts", None)
        reports = {
            (version, demo.mode): drive(options.cache, version, script, demo)
            for version, script in SDKS
            for demo in demos
        }
        newest = SDKS[-1][0]
        for here, there in (demos, demos[::-1]):
            title = f"a token for the demo with --verify {here.mode} is refused by the one with --verify {there.mode}"
            report(title, foreign_token(here, there, str(reports[newest, here.mode]["token"])))
            report(f"--verify {here.mode}: no code for another resource", other_resource(here))
    finally:
        for demo in demos:
            demo.stop()
    check_leaks()
    for demo in demos:
        secrets = [secret for version, _ in SDKS for secret in reports[version, demo.mode]["secrets"]]
        log = demo.log.read_text("utf-8", "replace")
        why = leaks(log, secrets) if secrets else "no secrets were reported"
        report(f"--verify {demo.mode}: {len(secrets)} secrets, none in {len(log)} characters of trace log (SEC-320)", why)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        report("interop", str(error).replace("\n", " "))
        sys.exit(1)
