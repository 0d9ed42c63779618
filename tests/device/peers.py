"""The unmodified official Python SDK clients go through the whole flow against a device.

The device publishes its metadata and verifies tokens by itself; the authorization server is `portcullis demo
--device` on the machine around, with the master key from which the device's was derived. Each SDK version is
driven as `tests/interop` drives it against a desktop server: the same code, another server URL.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

import run as interop

from identity import READ, WRITE
from qemu import Device
from report import Failure, Report, expect
from wire import Caller, ask, request

OPEN_TOOL, FURTHER_TOOL = "read_temperature", "set_led"
START_SECS_MAX = 30
FLOW_SECS_MAX = 300


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AuthorizationServer:
    """The demo's authorization server for one device; a context that starts it and stops it."""

    def __init__(self, program: Path, device: Device, port: int, options: list[str], log: Path) -> None:
        self.issuer = f"http://localhost:{port}"
        self._log = log
        self._command = [str(program), "demo", "--device", str(device.provisioning)]
        self._command += ["--authorization-server-port", str(port), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> AuthorizationServer:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"RUST_LOG": "trace"}
            )
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if interop.fetch(self.issuer + "/.well-known/oauth-authorization-server")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise Failure(f"no authorization server: {self.log()[-400:]!r}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

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


def flow(report: Report, device: Device, version: str, script: str, label: str, cache: Path) -> list[str]:
    """One SDK through the whole flow; gives the secrets that were used."""
    result = cache / f"report-{version}-{label}.json"
    result.unlink(missing_ok=True)
    command = [str(interop.sdk_python(cache, version)), str(interop.HERE / script), "--redirect-port", "0"]
    command += ["--server-url", f"http://127.0.0.1:{device.port}/mcp", "--open-tool", OPEN_TOOL]
    command += ["--label", f"device, {label}", "--report", str(result)]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=FLOW_SECS_MAX).returncode
    if status == 1:
        report.failed += 1
    elif status != 0:
        report.line(f"mcp {version}, device, {label}", f"the driver ended with status {status}")
    with report.case(f"mcp {version}, device, {label}: {FURTHER_TOOL} was allowed, and the device runs"):
        device.check()
        expect(device.led(), True, "the light")
    ask(device.port, device.caller(f"{READ} {WRITE}").set_led(False))
    return list(interop.json.loads(result.read_text())["secrets"]) if result.exists() else []


def offline(report: Report, options: argparse.Namespace) -> None:
    """Tokens that the device verifies with its own key."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        master, log = Path(folder) / "master", options.cache / "device-offline.log"
        log.unlink(missing_ok=True)
        tool(options.program, "key", "new", "--out", str(master))

        def document(resource: str, path: Path) -> None:
            path.unlink(missing_ok=True)
            tool(options.program, "key", "derive", "--master-key", str(master), "--resource", resource, "--provisioning",
                 "--issuer", f"http://localhost:{port}", "--out", str(path))

        with Device(options.firmware, document=document) as device:
            challenges(report, device)
            with AuthorizationServer(options.program, device, port, ["--master-key", str(master)], log) as server:
                secrets = [
                    secret
                    for version, script in interop.SDKS
                    for secret in flow(report, device, version, script, "offline", options.cache)
                ]
            said = device.log() + server.log()
        why = interop.leaks(said, secrets) if secrets else "no secrets were reported"
        report.line(f"device, offline: {len(secrets)} secrets, none in {len(said)} characters of log (SEC-320)", why)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    parser.add_argument("--cache", type=Path, required=True, help="where tests/interop keeps environments and logs")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    report = Report()
    with report.case("clients against a device that verifies tokens by itself"):
        offline(report, options)
    report.end()


if __name__ == "__main__":
    main()
