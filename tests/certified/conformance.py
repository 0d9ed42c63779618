"""The scenarios of the official conformance tool for authorization servers."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from pathlib import Path

from browser import UserAgent
from report import case, expect
from server import PASSWORD, USER, Site

SECS_MAX = 120
# In this order: the grant begins with what the first one found.
SCENARIOS = ("authorization-server-metadata-endpoint", "authorization-code-grant")


def run(node: Path, tool: Path, site: Site, results: Path) -> None:
    callback = f"http://127.0.0.1:{site.callback_port}/callback"
    command = [str(node), str(tool), "authorization", "--url", site.issuer, "--client-id", "conformance"]
    command += ["-p", str(site.callback_port), "--resource", site.opaque, "-o", str(results)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    ends = threading.Timer(SECS_MAX, process.kill)
    ends.start()
    said = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            # It waits for a person with a browser.
            if re.match(rf"{re.escape(site.issuer)}\S*response_type=code", line):
                UserAgent(callback, USER, PASSWORD).authorize(line.strip())
    finally:
        status = process.wait()
        ends.cancel()
    with case("conformance: the tool ends well"):
        expect(status == 0, f"status {status}: {said[-400:]}")
    found = {path.parent.name: json.loads(path.read_text()) for path in results.glob("*/checks.json")}
    with case("conformance: these are all the scenarios that the tool has for authorization servers"):
        known = listed(node, tool)
        expect(known == set(SCENARIOS), sorted(known))
    for scenario in SCENARIOS:
        with case(f"conformance: {scenario}"):
            checks = [each for name, checks in found.items() if scenario in name for each in checks]
            expect(bool(checks), f"no result: {said[-400:]}")
            bad = [check for check in checks if check["status"] not in ("SUCCESS", "INFO")]
            expect(not bad, "; ".join(f"{check['id']} {check['status']} {check.get('errorMessage')}" for check in bad))


def listed(node: Path, tool: Path) -> set[str]:
    done = subprocess.run([str(node), str(tool), "list"], capture_output=True, text=True, timeout=SECS_MAX, check=True)
    _, _, own = done.stdout.partition("Authorization server scenarios")
    return set(re.findall(r"^ +- (\S+)", own, re.MULTILINE))
