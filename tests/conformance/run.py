"""Runs the official conformance tool against the protected server and the client, one process for each scenario.

The tool alone would run a suite at once, and would not look at the client's exit status. Here a scenario holds
when all its checks do, without a warning, and the tool ends with status 0, which it does when the client does
or when the scenario allows the client an error. Prints a line for each
scenario, then a table. What is listed in `expected_failures.toml` may fail, and must.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "certified"))

import report  # noqa: E402
from peers import Peers  # noqa: E402

REVISIONS = ("2025-11-25", "2026-07-28")
# How the tool is told that a scenario is for no revision of these two.
EXTENSION, BEFORE = "extension", "2025-03-26"
SCENARIO_SECS_MAX = 60
# Extensions that are not about authorization, which nothing here claims to have: tasks, and skills (SEP-2640).
NOT_CLAIMED = re.compile("tasks-|sep-2640-")


@dataclass(frozen=True)
class Scenario:
    leg: str
    suite: str
    name: str

    @property
    def title(self) -> str:
        return f"{self.leg}, {self.suite}: {self.name}"


class Tool:
    def __init__(self, peers: Peers, results: Path) -> None:
        self.command = [str(peers.node), str(peers.tool)]
        self.results = results

    def scenarios(self) -> list[Scenario]:
        listed = subprocess.run([*self.command, "list"], capture_output=True, text=True, timeout=60, check=True).stdout
        servers, rest = listed.split("Client scenarios", 1)
        clients, _ = rest.split("Authorization server scenarios", 1)
        return [*_of("server", servers), *_of("client", clients)]

    def run(self, scenario: Scenario, target: list[str]) -> str | None:
        """`None` if it holds, else why not."""
        revision = [] if scenario.suite not in REVISIONS else ["--spec-version", scenario.suite]
        command = [*self.command, scenario.leg, *target, "--scenario", scenario.name, *revision]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SCENARIO_SECS_MAX)
        except subprocess.TimeoutExpired:
            return f"no end within {SCENARIO_SECS_MAX} s"
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        (self.results / re.sub("[^a-z0-9.-]", "-", scenario.title)).write_text(said)
        counts = re.search(r"Passed: (\d+)/(\d+), (\d+) failed, (\d+) warnings", said)
        if counts is None:
            return f"no checks, status {done.returncode}: {said[-300:]}"
        passed, _, failed, warnings = map(int, counts.groups())
        if done.returncode == 0 and passed and not failed and not warnings:
            return None
        errors = re.findall(r"^ +(?:Error|Warning): (.*)", said, re.MULTILINE) + re.findall("^conformance-client: (.*)", said, re.MULTILINE)
        return f"status {done.returncode}, {passed} checks pass, {failed} fail, {warnings} warn: {'; '.join(errors)}"


def _of(leg: str, listed: str) -> list[Scenario]:
    found = []
    for name, where in re.findall(r"^ +- (\S+) \[(.*)\]", listed, re.MULTILINE):
        if NOT_CLAIMED.match(name):
            print(f"skip - {leg}: {name}: of an extension that is not about authorization and is not claimed")
            continue
        revisions = where.split(",")
        found += [Scenario(leg, revision, name) for revision in REVISIONS if revision in revisions]
        if revisions in ([EXTENSION], [BEFORE]):
            found.append(Scenario(leg, "extensions, back-compatibility", name))
    return sorted(found, key=lambda scenario: scenario.suite)


class ExpectedFailures:
    """Those that are known, each with its reason; one that is listed and holds is a failure."""

    def __init__(self, path: Path) -> None:
        entries = tomllib.loads(path.read_text()).get("failure", [])
        self.reasons = {(each["leg"], each["suite"], each["scenario"]): (each["reason"], each["evidence"]) for each in entries}
        self.met: set[tuple[str, str, str]] = set()

    def judge(self, scenario: Scenario, why: str | None) -> None:
        key = (scenario.leg, scenario.suite, scenario.name)
        listed = self.reasons.get(key)
        if listed is None:
            report.line(scenario.title, why)
            return
        self.met.add(key)
        report.line(f"{scenario.title} fails as listed", "it holds: take it off the list" if why is None else None)
        print(f"   {listed[0]} ({listed[1]})")

    def judge_list(self) -> None:
        stale = [" ".join(key) for key in self.reasons if key not in self.met]
        report.line("each listed failure is a scenario", f"no such scenario: {stale}" if stale else None)


def table(outcomes: list[tuple[Scenario, bool]]) -> None:
    print(f"\n{'leg':8}{'suite':34}{'hold':>5}{'of':>5}")
    for leg, suite in dict.fromkeys((scenario.leg, scenario.suite) for scenario, _ in outcomes):
        of_suite = [held for scenario, held in outcomes if (scenario.leg, scenario.suite) == (leg, suite)]
        print(f"{leg:8}{suite:34}{sum(of_suite):5}{len(of_suite):5}")


def run(peers: Peers, programs: Path, folder: Path, wanted: str) -> None:
    tool, expected = Tool(peers, folder), ExpectedFailures(HERE / "expected_failures.toml")
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([str(programs / "conformance-server")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        targets = {"server": ["--url", url], "client": ["--command", str(programs / "conformance-client")]}
        outcomes = []
        for scenario in tool.scenarios():
            if not re.search(wanted, scenario.title):
                continue
            why = tool.run(scenario, targets[scenario.leg])
            outcomes.append((scenario, why is None))
            expected.judge(scenario, why)
        report.line("the server still runs", None if server.poll() is None else f"status {server.returncode}")
    finally:
        server.kill()
        server.wait()
    if not wanted:
        expected.judge_list()
        # What cannot fail proves nothing: a client that does nothing holds no scenario.
        idle = tool.run(Scenario("client", REVISIONS[-1], "tools_call"), ["--command", "true"])
        report.line("a client that does nothing does not hold", "it does" if idle is None else None)
    table(outcomes)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True, help="where the tool is installed")
    parser.add_argument("--programs", type=Path, required=True, help="the folder of the server and the client")
    parser.add_argument("--results", type=Path, help="keep there what the tool says")
    parser.add_argument("wanted", nargs="?", default="", help="only scenarios whose title this pattern finds")
    options = parser.parse_args()
    peers = Peers(options.cache.resolve())
    os.environ.pop("MCP_CONFORMANCE_CONTEXT", None)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = options.results or Path(folder)
        results.mkdir(parents=True, exist_ok=True)
        run(peers, options.programs.resolve(), results, options.wanted)
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        report.line("conformance", str(error))
        sys.exit(1)
