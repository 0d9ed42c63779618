"""Where the commands of one file are run: an empty folder, a home of its own, the program in PATH, a scripted user
in place of the browser. What keeps running is ended with its block.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol, TypeVar

HERE = Path(__file__).resolve().parent
SECS_MAX = 120
# A program that is to serve says so within this time, also on a busy machine.
START_SECS_MAX = 60
P = TypeVar("P", bound="Peer")
PAGE = re.compile(r"(https?://\S+/authorize\?\S+)")


class Untrue(Exception):
    """Something that the text says is not so."""


def expect(holds: object, what: object) -> None:
    """Stays in force under `python -O`, unlike `assert`."""
    if not holds:
        raise Untrue(str(what))


@dataclass
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return (self.out + self.err)[-800:]


class Peer(Protocol):
    def close(self) -> None: ...


@dataclass
class Stage:
    """The folder of one file, and all that runs in it."""

    root: Path
    programs: dict[str, Path]
    """By the name that the texts use."""
    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="portcullis-readme-")))
    notes: dict[str, str] = field(default_factory=dict)
    """What one command leaves for a later one of the same block."""
    _running: list[tuple[str, subprocess.Popen[bytes], int]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    """Servers of the tests' own, until the block ends."""

    def __post_init__(self) -> None:
        self.work, bin = self.folder / "work", self.folder / "bin"
        for folder in (self.work, bin, self.folder / "home"):
            folder.mkdir(mode=0o700)
        for name, program in self.programs.items():
            (bin / name).symlink_to(program)
        opener = bin / "xdg-open"
        opener.write_text(f"#!/bin/sh\nexec {sys.executable} {HERE / 'browser.py'} \"$@\"\n")
        opener.chmod(0o755)
        left = ("XDG_", "DBUS_", "RUST_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(left)}
        # No keyring of whoever runs this: logins are files.
        self.environment = kept | {
            "PATH": f"{bin}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, command: str, typed: str = "", status: int | None = 0) -> Ended:
        """Runs it as typed; a part of a pipeline that fails counts. With `status` it must end so."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.work,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECS_MAX,
        )
        ended = Ended(done.returncode, done.stdout, done.stderr)
        if status is not None:
            expect(ended.status == status, f"status {ended.status} instead of {status}: {ended.said}")
        return ended

    def serve(
        self, command: str, ready: str, says: str = "", trust: ssl.SSLContext | None = None, ends: int = 0
    ) -> None:
        """Starts what keeps running, and waits until something answers at `ready` and it has said so. Told to end,
        it ends with this status.
        """
        log = self.folder / f"log-{len(self._running)}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._running.append((command, process, ends))
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if says in log.read_text("utf-8", "replace") and fetch(ready, trust=trust):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        said = log.read_text("utf-8", "replace")[-800:]
        raise Untrue(f"nothing answers at {ready}, or {says!r} is not said: {said}")

    def login_of(self, command: str) -> Ended:
        """Runs a command that prints a page for its user, who opens it and logs in."""
        files = [self.folder / name for name in ("stdout", "stderr")]
        with files[0].open("wb") as out, files[1].open("wb") as err:
            process = subprocess.Popen(
                ["bash", "-c", command], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        opened: set[str] = set()
        deadline = time.monotonic() + SECS_MAX
        while process.poll() is None and time.monotonic() < deadline:
            # A page's address is whole when its line is.
            lines = "\n".join(file.read_text("utf-8", "replace").rpartition("\n")[0] for file in files)
            for page in set(PAGE.findall(lines)) - opened:
                opened.add(page)
                subprocess.run([sys.executable, HERE / "browser.py", page], check=True, timeout=SECS_MAX)
            time.sleep(0.05)
        process.kill()
        process.wait()
        ended = Ended(process.returncode, *(file.read_text("utf-8", "replace") for file in files))
        expect(opened, f"no page was printed: {ended.said}")
        return ended

    def keep(self, peer: P) -> P:
        self.peers.append(peer)
        return peer

    def is_running(self, command: str) -> bool:
        return any(command in running for running, _, _ in self._running)

    def stop(self, count: int | None = None) -> None:
        """Ends what was started last, or all; each must end as it should when it is told to."""
        for _ in range(len(self._running) if count is None else count):
            command, process, ends = self._running.pop()
            process.send_signal(signal.SIGINT if "demo" in command else signal.SIGTERM)
            try:
                status: int | None = process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
            expect(status == ends, f"when told to end, with status {status} instead of {ends}: {command}")

    def end_block(self) -> None:
        try:
            self.stop()
        finally:
            for _, process, _ in self._running:
                process.kill()
                process.wait()
            for peer in self.peers:
                peer.close()
            self._running, self.peers, self.notes = [], [], {}

    def close(self) -> None:
        self.end_block()
        shutil.rmtree(self.folder, ignore_errors=True)

    def mode(self, name: str, expected: int) -> None:
        """Who may read a file or a folder."""
        found = stat.S_IMODE((self.work / name).stat().st_mode)
        expect(found == expected, f"{name} has mode {found:o} instead of {expected:o}")

    def never_overwritten(self, command: str, name: str) -> None:
        """The file is its owner's alone, and the same command leaves it as it is."""
        self.mode(name, 0o600)
        before = (self.work / name).read_bytes()
        again = self.run(command, status=None)
        expect(again.status != 0, f"a second run ends with {again.status}")
        expect((self.work / name).read_bytes() == before, f"{name} was overwritten")


def fetch(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, trust: ssl.SSLContext | None = None
) -> tuple[int, Message, bytes]:
    """Status, fields and body, whatever the status is."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()
