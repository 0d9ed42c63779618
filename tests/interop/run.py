"""Takes every client through its flow in every column of the matrix, and prints the matrix.

Starts the authorization servers of others and ours and the servers of all columns; then checks what needs two servers
and what their logs must not contain. Prints `ok - …` and `not ok - …: why` lines, and the table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import diagnose
import framing
from authorization import OURS as OURS_ON_SQLITE, OTHERS, AuthorizationServer
from checks import default_endpoints, foreign_token, leaks, other_resource, search_is_blind
from clients import CLIENTS, OURS, Client, drive, install, node_modules, sdk_python
from columns import Column, Means
from matrix import COLUMNS, Cells, Columns, absent, table
from servers import Programs, Server, free_ports
from upstream import BROKEN

RUNS_AT_ONCE = 4

failures = 0
_saying = threading.Lock()


def say(lines: list[str], failed: int) -> None:
    """Lines that stay whole, and together, whoever else has some."""
    global failures
    with _saying:
        failures += failed
        print("\n".join(lines), flush=True)


def report(title: str, why: str | None) -> None:
    say([f"ok - {title}" if why is None else f"not ok - {title}: {why}"], why is not None)


def start_all(columns: Columns, means: Means, running: list[Programs]) -> dict[Column, Server]:
    """All that clients meet; what has started is in `running`, whatever happens."""
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:

        def issuer(kind: str) -> None:
            served = [column for column in columns if column.issuer == kind]
            means.issuers[kind] = AuthorizationServer(kind, means, served)
            running.append(means.issuers[kind])

        def server(column: Column) -> Server:
            running.append(column.start(means, column))
            return running[-1]

        list(pool.map(issuer, (OURS_ON_SQLITE, OTHERS)))
        return dict(zip(columns, pool.map(server, columns)))


def drive_all(servers: dict[Column, Server], commands: dict[Client, list[str]], cache: Path) -> Cells:
    """Takes every client through the flow in every column, some at once; the lines of a run stay together."""
    cells: Cells = {}

    def drive_some(clients: list[Client], column: Column) -> None:
        for client in clients:
            outcome = cells[client, column] = drive(commands[client], client, column, servers[column], cache)
            say(outcome.lines, outcome.failed)

    # What goes one after another takes longest, and has a thread that nobody waits for.
    patient = [column for column in servers if column.one_at_a_time]
    with ThreadPoolExecutor(RUNS_AT_ONCE + len(patient)) as pool:
        clients = {column: [it for it in (*CLIENTS, *OURS) if not absent(it, column)] for column in servers}
        runs = [pool.submit(drive_some, clients[column], column) for column in patient]
        for client in (*CLIENTS, *OURS):
            columns = [column for column in servers if client in clients[column] and not column.one_at_a_time]
            runs += [pool.submit(drive_some, [client], column) for column in columns]
        for run in as_completed(runs):
            run.result()
    return cells


def token_of(cells: Cells, column: Column) -> str:
    """One that a client still has, of the youngest; ours has logged out."""
    tokens = (cells[client, column].token for client in reversed(CLIENTS) if (client, column) in cells)
    return next(filter(None, tokens), "")


def check_servers(servers: dict[Column, Server], cells: Cells) -> None:
    """What no client can see alone."""
    # What others run is theirs to judge.
    ours = [column for column in servers if not column.theirs]
    for here in ours:
        report(f"a token for {here.title} is refused by every other", foreign_token(servers, here, token_of(cells, here)))
        report(f"{here.title}: no code for another resource", other_resource(servers[here], here))
        title = f"{here.title}: endpoints at the MCP server's origin are opt-in"
        report(title, default_endpoints(servers[here], here.legacy))
        if not here.issuer:
            title = f"{here.title}: others read answers without content as they are sent (SEC-419)"
            report(title, framing.read_alike(servers[here]))
        for title, why in servers[here].own_checks():
            report(f"{here.title}: {title}", why)


def check_logs(servers: dict[Column, Server], means: Means, cells: Cells) -> None:
    """SEC-320, when everything has ended."""
    report("the search for secrets finds a planted one", search_is_blind())
    for column in servers:
        if column.theirs:
            continue
        secrets = set[str]().union(*(outcome.secrets for (_, where), outcome in cells.items() if where == column))
        log = servers[column].said() + (means.issuers[column.issuer].said() if column.issuer else "")
        why = leaks(log, secrets) if secrets else "no secrets were reported"
        report(f"{column.title}: {len(secrets)} secrets, none in {len(log)} characters of trace log (SEC-320)", why)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    parser.add_argument("--cache", type=Path, required=True, help="where environments and logs are kept")
    parser.add_argument("--examples", type=Path, required=True, help="the folder with the programs of examples, and interop_rmcp")
    parser.add_argument("--images", type=Path, help="where the firmware is; without it its columns are left out")
    options = parser.parse_args()
    program, cache, examples = options.program.resolve(), options.cache.resolve(), options.examples.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    commands = install(cache, program, examples)
    columns = tuple(column for column in COLUMNS if options.images or not column.image)
    ports = dict(zip((column.name for column in columns), free_ports(len(columns))))
    means = Means(program, cache, examples, node_modules(cache), sdk_python(cache, "2.3.0"), options.images, ports)
    running: list[Programs] = []
    try:
        servers = start_all(columns, means, running)
        report(f"all {len(running)} servers and authorization servers start", None)
        for case in diagnose.check(means, servers):
            report(*case)
        cells = drive_all(servers, commands, cache)
        check_servers(servers, cells)
    finally:
        for programs in running:
            programs.stop()
    check_logs(servers, means, cells)
    print("\n" + "\n".join(table(cells, columns)))
    for broken in BROKEN:
        print(f"upstream  {broken.client}, {broken.case}: {broken.why}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        report("interop", str(error).replace("\n", " "))
        sys.exit(1)
