"""Programs of others that run for a while: servers on an SDK, authorization servers, proxies before them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo import START_SECS_MAX, fetch

BASE, FURTHER = "user", "time:write"


@dataclass
class Others:
    """What runs; it has what the drivers and checks ask of a `Demo`."""

    mode: str
    log: Path
    issuer: str
    resource: str
    options: str
    """How the drivers and checks call it."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: list[str], folder: Path | None = None, ours: bool = False) -> None:
        """The log is that of our programs alone: what others write about their own secrets is theirs to judge."""
        environment = os.environ | {"RUST_LOG": "trace"}
        with (self.log if ours else self._said).open("ab") as out:
            self.processes.append(
                subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
            )

    @property
    def _said(self) -> Path:
        return self.log.with_suffix(".others.log")

    def answers(self, url: str) -> None:
        """Waits until something answers there."""
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and all(process.poll() is None for process in self.processes):
            try:
                fetch(url)
                return
            except OSError:
                time.sleep(0.1)
        said = [log.read_text("utf-8", "replace")[-800:] for log in (self.log, self._said) if log.exists()]
        raise RuntimeError(f"nothing answers at {url}: {' '.join(said)}")

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
