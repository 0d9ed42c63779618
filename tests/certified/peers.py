"""The peers, pinned by their lock files, and where they are installed."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


class Peers:
    """Where the peers are installed."""

    def __init__(self, cache: Path) -> None:
        self.packages = cache / "node"
        self.environment = cache / "authlib"
        self.python = self.environment / "bin" / "python"
        self.tool = self.packages / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
        carried = f"node-linux-{ARCHITECTURES.get(platform.machine(), platform.machine())}"
        self.node = self.packages / "node_modules" / carried / "bin" / "node"

    def install(self) -> None:
        pins = [HERE / "package.json", HERE / "package-lock.json"]
        if _is_new(self.packages, pins):
            shutil.rmtree(self.packages, ignore_errors=True)
            self.packages.mkdir(parents=True)
            for pin in pins:
                shutil.copy(pin, self.packages)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=self.packages, check=True, stdin=subprocess.DEVNULL)
            _stamp(self.packages, pins)
        pins = [HERE / "requirements-authlib.txt"]
        if _is_new(self.environment, pins):
            venv.create(self.environment, clear=True, with_pip=True)
            command = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*command, "-r", str(pins[0])], check=True, stdin=subprocess.DEVNULL)
            _stamp(self.environment, pins)


def _digest(pins: list[Path]) -> str:
    return hashlib.sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()


def _is_new(home: Path, pins: list[Path]) -> bool:
    stamp = home / "pins"
    return not stamp.exists() or stamp.read_text() != _digest(pins)


def _stamp(home: Path, pins: list[Path]) -> None:
    (home / "pins").write_text(_digest(pins))
