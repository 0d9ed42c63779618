"""Runs certified client libraries and the official conformance tool against the authorization server.

`--install` fetches the peers, pinned by their lock files; the run itself needs no network but loopback.
Prints `ok - …` and `not ok - …: why` lines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import conformance
import report
from browser import Browser, RedirectListener
from checks import leaks
from peers import Peers
from server import PASSWORD, Site

HERE = Path(__file__).resolve().parent
SECS_MAX = 300


def drive_node(peers: Peers, described: Path, browser: Browser, secrets: Path) -> None:
    """The library in Node; it asks for what a person does by lines that begin with a >."""
    # A module is looked for beside the file that imports it.
    scripts = peers.packages / "drive"
    shutil.copytree(HERE / "oauth4webapi", scripts, dirs_exist_ok=True)
    process = subprocess.Popen(
        [str(peers.node), str(scripts / "drive.mjs"), str(described), str(secrets)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        for line in process.stdout:
            if not line.startswith("> "):
                report.failures += line.startswith("not ok")
                print(line, end="", flush=True)
                continue
            process.stdin.write(json.dumps(_act(browser, json.loads(line[2:]))) + "\n")
            process.stdin.flush()
        status = process.wait(timeout=SECS_MAX)
    finally:
        process.kill()
    if status not in (0, 1):
        report.line("oauth4webapi", f"the driver ended with status {status}")


def _act(browser: Browser, question: dict[str, str]) -> dict[str, str]:
    try:
        approve = bool(question.get("approve", True))
        if "device" in question:
            browser.connect_device(question["device"], question["user_code"], approve)
            return {}
        return {"callback": browser.authorize(question["authorize"], approve)}
    except Exception as error:  # noqa: BLE001 - the case that asked fails with it
        return {"error": f"{type(error).__name__}: {error}"}


def drive_authlib(peers: Peers, described: Path, secrets: Path) -> None:
    command = [str(peers.python), str(HERE / "drive_authlib.py"), str(described), str(secrets)]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=SECS_MAX).returncode
    report.failures += status == 1
    if status not in (0, 1):
        report.line("authlib", f"the driver ended with status {status}")


def run(peers: Peers, program: Path, folder: Path, with_conformance: bool) -> None:
    key = subprocess.run(
        [str(peers.node), str(HERE / "oauth4webapi" / "key.mjs")], capture_output=True, text=True, check=True, timeout=60
    )
    service_key = json.loads(key.stdout)
    public = {name: value for name, value in service_key.items() if name != "d"}
    (folder / "service.jwks").write_text(json.dumps({"keys": [public]}))
    secrets = {name: os.urandom(20).hex() for name in ("clock-server", "service-secret")}
    site = Site(program, folder, secrets)
    site.prepare()
    site.start()
    listener = RedirectListener(0)
    try:
        described = folder / "site.json"
        described.write_text(json.dumps({
            "issuer": site.issuer, "opaque": site.opaque, "jwt": site.jwt, "secrets": secrets,
            "service_key": service_key, "redirect_uri": listener.redirect_uri,
        }))
        browser = Browser(listener)
        noted = [folder / "node.secrets", folder / "authlib.secrets"]
        drive_node(peers, described, browser, noted[0])
        drive_authlib(peers, described, noted[1])
        if with_conformance:
            conformance.run(peers.node, peers.tool, site, folder / "results")
    finally:
        listener.close()
        site.stop()
    known = [{PASSWORD, service_key["d"], *secrets.values()}, browser.secrets, *(set(json.loads(each.read_text())) for each in noted)]
    everything, log = set[str]().union(*known), site.log.read_text("utf-8", "replace")
    title = f"{len(everything)} secrets, none in {len(log)} characters of trace log (SEC-320)"
    report.line(title, leaks(log, everything) if all(known) else "a peer noted no secrets")
    complaints = site.complaints()
    report.line("the server logged no error of its own", "; ".join(complaints[:3]) if complaints else None)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True, help="where the peers are installed")
    parser.add_argument("--install", action="store_true", help="install them, and nothing else")
    parser.add_argument("--program", type=Path, help="the portcullis program")
    parser.add_argument("--conformance", action="store_true", help="the conformance tool, too, which listens on all interfaces")
    options = parser.parse_args()
    peers = Peers(options.cache.resolve())
    if options.install:
        peers.install()
        return
    with tempfile.TemporaryDirectory(prefix="certified-") as folder:
        run(peers, options.program.resolve(), Path(folder), options.conformance)
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        report.line("certified", str(error))
        sys.exit(1)
