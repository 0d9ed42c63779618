"""Runs the unmodified official SDK clients, Python and TypeScript, against the demo and `portcullis protect`.

Starts a demo for each way to verify tokens and one for older clients, and a proxy between a server and an
authorization server of others; takes each client through its flow on all of them, then checks what needs two demos and what their logs must not contain. Prints `ok - …` and
`not ok - …: why` lines, and a table of clients and servers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import behind_proxy
from behind_proxy import BehindProxy
from checks import default_endpoints, foreign_token, leaks, other_resource, search_is_blind
from clients import CLIENTS, Client, Outcome, drive, install, node_modules
from demo import MODES, Demo, start

RUNS_AT_ONCE = 4
PROXY = "proxy"
# The columns of the table: a server, and whether what RFC 9728 adds is hidden from the client.
Column = tuple[str, bool]
COLUMNS: dict[Column, str] = {
    **{(mode, False): mode for mode in MODES if mode != "hidden"},
    ("hidden", True): "legacy, no RFC 9728",
    (PROXY, False): "protect, TypeScript server × oidc-provider",
}
Server = Demo | BehindProxy
Outcomes = dict[tuple[Client, Column], Outcome]

failures = 0


def report(title: str, why: str | None) -> None:
    global failures
    failures += why is not None
    print(f"ok - {title}" if why is None else f"not ok - {title}: {why}", flush=True)


def drive_all(demos: dict[str, Server], cache: Path) -> Outcomes:
    """Takes every client through the flow at every demo, some at once; the lines of a run stay together."""
    global failures
    commands = install(cache)
    outcomes: Outcomes = {}
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        runs = {
            pool.submit(drive, commands[client], client, demos[mode], hidden, cache): (client, (mode, hidden))
            for client in CLIENTS
            for mode, hidden in COLUMNS
        }
        for run in as_completed(runs):
            outcome = outcomes[runs[run]] = run.result()
            failures += outcome.failed
            print("\n".join(outcome.lines), flush=True)
    return outcomes


def table(outcomes: Outcomes) -> str:
    """Client × server × result."""
    rows = [["", *COLUMNS.values()]]
    rows += [[str(client), *(str(outcomes[client, column]) for column in COLUMNS)] for client in CLIENTS]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    parser.add_argument("--cache", type=Path, required=True, help="where environments and logs are kept")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    demos: dict[str, Server] = {}
    try:
        demos[PROXY] = behind_proxy.start(options.program, PROXY, options.cache, node_modules(options.cache))
        report(f"{demos[PROXY].options}: all three start", None)
        for mode in MODES:
            demos[mode] = start(options.program, mode, options.cache)
            report(f"demo {demos[mode].options} starts", None)
        outcomes = drive_all(demos, options.cache)
        for here, there in zip(demos.values(), [*list(demos.values())[1:], *list(demos.values())[:1]]):
            token = outcomes[CLIENTS[-1], (here.mode, here.mode == "hidden")].token
            title = f"a token for demo {here.options} is refused by the one with {there.options}"
            report(title, foreign_token(here, there, token))
            report(f"demo {here.options}: no code for another resource", other_resource(here))
            report(f"demo {here.options}: endpoints at the MCP server's origin are opt-in", default_endpoints(here))
    finally:
        for demo in demos.values():
            demo.stop()
    report("the search for secrets finds a planted one", search_is_blind())
    for demo in demos.values():
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
