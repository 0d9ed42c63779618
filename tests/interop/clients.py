"""The clients: how each is installed from its pins, and taken through the flow at a server."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import threading
import venv
from dataclasses import dataclass, field
from pathlib import Path

from browsers import ASKED, Browsers
from columns import Column
from servers import Server
from upstream import BROKEN

HERE = Path(__file__).resolve().parent
RUN_SECS_MAX = 600
NODE_MIN = 20
# How cases end in which the tool runs that needs a further scope.
FURTHER_RAN = ": the tool runs"
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Client:
    """One SDK version, speaking one protocol era."""

    name: str
    """As its driver calls itself."""
    version: str
    language: str
    """What its driver has to be: `python` and `typescript` use an SDK, `program` runs a command."""
    era: str
    """`handshake` (2025-11-25), `stateless` (2026-07-28), or `either`, as the server has it."""
    driver: str

    def __str__(self) -> str:
        return f"{self.name.split()[0]} {self.version}, {self.era}"


CLIENTS = (
    Client("python 1.x", "1.30.0", "python", "handshake", "drive_1_x.py"),
    Client("python 2.x", "2.3.0", "python", "handshake", "drive_2_x.py"),
    Client("python 2.x", "2.3.0", "python", "stateless", "drive_2_x.py"),
    Client("fastmcp", "4.2.3", "python", "handshake", "drive_fastmcp.py"),
    Client("fastmcp", "4.2.3", "python", "stateless", "drive_fastmcp.py"),
    Client("inspector", "2.12.0", "program", "handshake", "drive_inspector.py"),
    Client("inspector", "2.12.0", "program", "stateless", "drive_inspector.py"),
    Client("rmcp", "3.11.0", "program", "handshake", "drive_rmcp.py"),
    Client("rmcp", "3.11.0", "program", "stateless", "drive_rmcp.py"),
    Client("typescript 1.x", "1.32.2", "typescript", "handshake", "drive_1_x.mjs"),
    Client("typescript 2.x", "2.4.0", "typescript", "handshake", "drive_2_x.mjs"),
    Client("typescript 2.x", "2.4.0", "typescript", "stateless", "drive_2_x.mjs"),
)
# The first gives a token to a script, which speaks as one of 2025-11-25 does.
OURS = (
    Client("portcullis", "login", "program", "handshake", "drive_portcullis.py"),
    Client("portcullis desktop_client", "desktop_client", "program", "stateless", "drive_examples.py"),
    Client("portcullis rmcp_client", "rmcp_client", "program", "either", "drive_examples.py"),
)


@dataclass
class Outcome:
    """What became of one client in one column."""

    lines: list[str] = field(default_factory=list)
    """What is said of each case, and what else the driver said."""
    passed: int = 0
    failed: int = 0
    upstream: int = 0
    """Cases that fail because of the client, as listed."""
    further: bool = False
    """Whether the tool ran that needs a further scope."""
    token: str = ""
    secrets: set[str] = field(default_factory=set)

    def add(self, title: str, why: str | None) -> None:
        self.passed += why is None
        self.failed += why is not None
        self.lines.append(f"ok - {title}" if why is None else f"not ok - {title}: {why}")

    def add_listed(self, title: str, as_listed: bool, remark: str) -> None:
        self.upstream += as_listed
        self.failed += not as_listed
        self.lines.append(f"ok - {title} ({remark})" if as_listed else f"not ok - {title}: {remark}")

    def __str__(self) -> str:
        cases = f"{self.passed}/{self.passed + self.failed + self.upstream}"
        return cases + (f" {self.failed} FAILED" if self.failed else "") + (f" {self.upstream} upstream" if self.upstream else "")


def install(cache: Path, program: Path, examples: Path) -> dict[Client, list[str]]:
    """Makes what the clients run in, when it is missing or its pins changed; the command that runs each one."""
    drivers = node_modules(cache)
    programs = {"portcullis": [program], "inspector": inspector(drivers), "rmcp": [examples / "interop_rmcp"]}
    programs |= {f"portcullis {name}": [examples / name] for name in ("desktop_client", "rmcp_client")}

    def command(client: Client) -> list[str]:
        if client.language == "typescript":
            return ["node", str(drivers / client.driver)]
        if client.language == "python":
            return [str(sdk_python(cache, client.version)), str(HERE / client.driver)]
        return [sys.executable, str(HERE / client.driver), "--program", *map(str, programs[client.name])]

    return {client: command(client) for client in (*CLIENTS, *OURS)}


def inspector(drivers: Path) -> list[Path]:
    """The Inspector, and the Node that its pins bring, for it needs a newer one than the SDKs do."""
    modules = drivers / "node_modules"
    carried = f"node-linux-{ARCHITECTURES.get(platform.machine(), platform.machine())}"
    launcher = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    return [modules / carried / "bin" / "node", modules / launcher]


def sdk_python(cache: Path, version: str) -> Path:
    """The interpreter of the SDK's own environment."""
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


def node_modules(cache: Path) -> Path:
    """A folder with the drivers beside the packages, where Node looks for them."""
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_MIN:
        raise RuntimeError(f"the clients in TypeScript need Node {NODE_MIN} or newer, and this is {version}")
    source, home = HERE / "typescript", cache / "typescript"
    home.mkdir(exist_ok=True)
    for file in filter(Path.is_file, source.iterdir()):
        shutil.copy(file, home)
    stamp, digest = home / "pins", hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        stamp.unlink(missing_ok=True)
        subprocess.run(
            ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"],
            check=True,
            cwd=home,
            stdin=subprocess.DEVNULL,
        )
        stamp.write_text(digest)
    return home


def drive(command: list[str], client: Client, column: Column, server: Server, cache: Path) -> Outcome:
    """Takes one client through the flow."""
    label = f"{column.title}, {client.era}"
    report = cache / f"report-{client.name.replace(' ', '-')}-{client.era}-{column.name}.json"
    report.unlink(missing_ok=True)
    browsers = Browsers()
    command = command + ["--server-url", server.resource, "--era", client.era, f"--label={label}"]
    command += ["--open-tool", column.open_tool, "--report", str(report)]
    command += ["--hide-metadata"] if column.hidden else []
    # Those in Python are the browser, too; programs have a listener of their own.
    redirect = {"python": ["--redirect-port", "0"], "typescript": ["--redirect-uri", browsers.listener.redirect_uri]}
    command += redirect.get(client.language, [])
    command += ["--one-scope"] if column.one_scope else []
    status, lines = _converse(command, browsers)
    browsers.close()
    outcome = judge(client, label, lines)
    if status not in (0, 1) or not report.exists() or (status == 1) != (outcome.failed + outcome.upstream > 0):
        outcome.add(f"{client.name}, {label}", f"the driver ended with status {status}")
    else:
        told = json.loads(report.read_text())
        outcome.token, outcome.secrets = told["token"], set(told["secrets"]) | browsers.secrets
    server.when_left(outcome, f"{client.name}, {label}")
    return outcome


def _converse(command: list[str], browsers: Browsers) -> tuple[int, list[str]]:
    """Runs a driver and answers what it asks of the user; its status and its other lines."""
    lines = []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        deadline = threading.Timer(RUN_SECS_MAX, process.kill)
        deadline.start()
        try:
            for line in process.stdout or ():
                if process.stdin and line.startswith(ASKED):
                    process.stdin.write(browsers.answer(line))
                    process.stdin.flush()
                else:
                    lines.append(line.rstrip("\n"))
        finally:
            deadline.cancel()
    return process.returncode, lines


def judge(client: Client, label: str, lines: list[str]) -> Outcome:
    """Counts a driver's cases; those that are listed as broken must fail, and as listed."""
    outcome = Outcome()
    prefix = f"{client.name}, {label}: "
    listed = {broken.case: broken for broken in BROKEN if broken.client == client.name}
    for line in lines:
        kind, _, said = line.partition(f" - {prefix}")
        if kind not in ("ok", "not ok"):
            outcome.lines.append(line)
            continue
        passed = kind == "ok"
        outcome.further |= passed and FURTHER_RAN in said
        case = next((case for case in listed if said == case or said.startswith((f"{case}: ", f"{case} ("))), None)
        if case is None:
            outcome.passed += passed
            outcome.failed += not passed
            outcome.lines.append(line)
        else:
            outcome.add_listed(prefix + case, *listed.pop(case).judge(passed, said.removeprefix(f"{case}: ")))
    for case in listed:
        outcome.add(prefix + case, "listed as broken in the client, but it was not run")
    return outcome
