"""Runs the unmodified official SDK clients, Python and TypeScript, against the demo and `portcullis protect`, and
our own client against these and the SDKs' servers.

Starts a demo for each way to verify tokens and one for older clients, and proxies between a server of others and an
authorization server of others or ours; takes each client through its flow on all of them, then checks what needs two demos and what their logs must not contain. Prints `ok - …` and
`not ok - …: why` lines, and a table of clients and servers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import behind_proxy
import sdk_servers
from checks import default_endpoints, foreign_token, leaks, other_resource, search_is_blind
from clients import CLIENTS, OURS, Client, Outcome, drive, install, node_modules, sdk_python
from demo import MODES, Demo, start
from others import Others
from upstream import BROKEN

RUNS_AT_ONCE = 4
PROXIES = (behind_proxy.OTHERS, behind_proxy.OURS)
# The columns of the table: a server, and whether what RFC 9728 adds is hidden from the client.
Column = tuple[str, bool]
COLUMNS: dict[Column, str] = {
    **{(mode, False): mode for mode in MODES if mode != "hidden"},
    ("hidden", True): "legacy, no RFC 9728",
    (behind_proxy.OTHERS, False): "protect, TypeScript server × oidc-provider",
    (behind_proxy.OURS, False): "protect, TypeScript server × ours on SQLite",
    (sdk_servers.PYTHON, False): "Python SDK 2.x server × its own",
    (sdk_servers.TYPESCRIPT, False): "TypeScript SDK 1.x server × its own",
}
SDK_SERVERS = (sdk_servers.PYTHON, sdk_servers.TYPESCRIPT)
# Why a client does not meet a server.
ABSENT = {
    "hidden": "nothing is between a client that is a program and the server to hide what RFC 9728 adds",
    **{mode: "the SDKs' clients and the SDKs' servers are for their makers to test" for mode in SDK_SERVERS},
}
Server = Demo | Others
Outcomes = dict[tuple[Client, Column], Outcome]

failures = 0


def report(title: str, why: str | None) -> None:
    global failures
    failures += why is not None
    print(f"ok - {title}" if why is None else f"not ok - {title}: {why}", flush=True)


def meets(client: Client, mode: str) -> bool:
    if mode in SDK_SERVERS:
        return client is OURS
    return mode != "hidden" or client.language != "program"


def drive_all(demos: dict[str, Server], commands: dict[Client, list[str]], cache: Path) -> Outcomes:
    """Takes every client through the flow at every demo, some at once; the lines of a run stay together."""
    global failures
    outcomes: Outcomes = {}
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        runs = {
            pool.submit(drive, commands[client], client, demos[mode], hidden, cache): (client, (mode, hidden))
            for client in (*CLIENTS, OURS)
            for mode, hidden in COLUMNS
            if meets(client, mode)
        }
        for run in as_completed(runs):
            outcome = outcomes[runs[run]] = run.result()
            failures += outcome.failed
            print("\n".join(outcome.lines), flush=True)
    return outcomes


def table(outcomes: Outcomes) -> str:
    """Client × server × result."""
    rows = [["", *COLUMNS.values()]]
    rows += [[str(client), *(str(outcomes.get((client, column), "-")) for column in COLUMNS)] for client in (*CLIENTS, OURS)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [f"-  {COLUMNS[column]}: {ABSENT[column[0]]}" for column in COLUMNS if column[0] in ABSENT]
    lines += [f"   {COLUMNS[mode, False]}: no further tool, for {why}" for mode, why in sdk_servers.ONE_SCOPE.items()]
    listed = [f"{broken.client}, {broken.case}: {broken.why}" for broken in BROKEN]
    return "\n".join(lines + [f"upstream  {line}" for line in listed])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    parser.add_argument("--cache", type=Path, required=True, help="where environments and logs are kept")
    options = parser.parse_args()
    program = options.program.resolve()
    options.cache.mkdir(parents=True, exist_ok=True)
    demos: dict[str, Server] = {}
    try:
        commands = install(options.cache, program)
        node, python = node_modules(options.cache), sdk_python(options.cache, "2.3.0")
        for mode in PROXIES:
            demos[mode] = behind_proxy.start(program, mode, options.cache, node)
            report(f"{demos[mode].options}: all three start", None)
        for mode in SDK_SERVERS:
            demos[mode] = sdk_servers.start(mode, options.cache, python, node)
            report(f"{demos[mode].options} starts", None)
        for mode in MODES:
            demos[mode] = start(program, mode, options.cache)
            report(f"demo {demos[mode].options} starts", None)
        outcomes = drive_all(demos, commands, options.cache)
        # What others run is theirs to judge.
        ours = [demo for mode, demo in demos.items() if mode not in SDK_SERVERS]
        for here, there in zip(ours, [*ours[1:], ours[0]]):
            token = outcomes[CLIENTS[-1], (here.mode, here.mode == "hidden")].token
            title = f"a token for demo {here.options} is refused by the one with {there.options}"
            report(title, foreign_token(here, there, token))
            report(f"demo {here.options}: no code for another resource", other_resource(here))
            report(f"demo {here.options}: endpoints at the MCP server's origin are opt-in", default_endpoints(here))
    finally:
        for demo in demos.values():
            demo.stop()
    report("the search for secrets finds a planted one", search_is_blind())
    for demo in ours:
        secrets = set[str]().union(*(outcome.secrets for (_, (mode, _)), outcome in outcomes.items() if mode == demo.mode))
        log = demo.log.read_text("utf-8", "replace")
        why = leaks(log, secrets) if secrets else "no secrets were reported"
        report(f"demo {demo.options}: {len(secrets)} secrets, none in {len(log)} characters of trace log (SEC-320)", why)
    print("\n" + table(outcomes))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        report("interop", str(error).replace("\n", " "))
        sys.exit(1)
