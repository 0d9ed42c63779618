"""A device: the firmware in QEMU, reached through a port of loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from identity import Identity
from report import Failure
from wire import Caller

EMULATOR = "qemu-system-arm"
START_SECS_MAX = 30
END_SECS_MAX = 10
SERVED = " is served at "
HALTED = "halted:"
# An instruction takes 2^5 ns, about as on a Cortex-M3 of 31 MHz. The device's time is its own then, so that what it
# computes takes the same part of a deadline on any machine, however busy.
SHIFT = 5
STEADY = f"shift={SHIFT}"
# About 8 MHz, and never ahead of the time around: where nothing long is computed. A device that waits keeps its emulator
# busy, for which this leaves more of the machine to others.
MODEST = "shift=7,align=on"
# The register of the board's lights (Arm AN385, section 4.1).
LEDS = 0x4002_8000
# What memory is filled with before the start: whatever was used since is something else.
PATTERN = b"\xa5\x5a\xc3\x3c"


class Monitor:
    """QEMU's machine protocol over a Unix socket."""

    def __init__(self, path: Path, deadline: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(END_SECS_MAX)
        while True:
            try:
                self._socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise Failure("QEMU has no monitor") from None
                time.sleep(0.02)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self.run("qmp_capabilities")

    def run(self, command: str, **arguments: Any) -> Any:
        message = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise Failure(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise Failure(f"{command}: QEMU has gone")

    def say(self, line: str) -> str:
        """A command of the monitor for people."""
        return str(self.run("human-monitor-command", **{"command-line": line}))

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@dataclass(frozen=True)
class Region:
    """A piece of the device's address space."""

    start: int
    end: int

    @property
    def len(self) -> int:
        return self.end - self.start


def symbols(firmware: Path) -> dict[str, int]:
    """The symbols of a linked image (ELF, 32 bit, little-endian)."""
    image = firmware.read_bytes()
    if image[:6] != b"\x7fELF\x01\x01":
        raise Failure(f"{firmware.name} is no 32-bit little-endian ELF")
    offset, entry_len, count = struct.unpack_from("<I", image, 32)[0], *struct.unpack_from("<HH", image, 46)
    sections = [struct.unpack_from("<10I", image, offset + at * entry_len) for at in range(count)]
    table = next(section for section in sections if section[1] == 2)
    names = sections[table[6]][4]
    found = {}
    for at in range(table[4], table[4] + table[5], 16):
        name, value = struct.unpack_from("<II", image, at)
        found[image[names + name : image.index(b"\0", names + name)].decode()] = value
    return found


def stack_region(firmware: Path) -> Region:
    """Where the stack may be, by the symbols of cortex-m-rt; it grows down from the end."""
    own = symbols(firmware)
    return Region(own["_stack_end"], own["_stack_start"])


class Device:
    """One device; a context that starts it and stops it.

    Its instructions are counted, so that its time is that of the machine around, however busy that is; without,
    it loses ticks and its deadlines come late. `document` writes what it is provisioned with, for its resource.
    The port is free because QEMU takes it before the device runs; a restart keeps port, identity and flash.
    """

    def __init__(
        self,
        firmware: Path,
        *,
        document: Callable[[str, Path], None] | None = None,
        icount: str | None = "auto",
        reaches_host: bool = False,
        network: str | None = None,
        resource: str | None = None,
    ) -> None:
        self.firmware = firmware
        self.folder = Path(tempfile.mkdtemp(prefix="device-"))
        self.log_path = self.folder / "log"
        self.provisioning = self.folder / "device.json"
        self.flash = self.folder / "flash"
        self.port = 0
        self.identity: Identity | None = None
        self._document = document
        # How its instructions are counted from the next start on.
        self.icount = icount
        # What the emulator's own environment has beside ours.
        self.environment: dict[str, str] = {}
        self._restrict = "off" if reaches_host else "on"
        # A network of its own has no port here, and the device any URL.
        self._network = network
        self._resource = resource
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None

    def __enter__(self) -> Device:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, within: float = START_SECS_MAX) -> None:
        """Starts it and waits until it serves."""
        self.power_on()
        self.wait_for(SERVED, within)

    def power_on(self) -> None:
        """Starts it, and does not wait for anything."""
        deadline = time.monotonic() + START_SECS_MAX
        stack = stack_region(self.firmware)
        pattern = self.folder / "pattern"
        pattern.write_bytes(PATTERN * (stack.len // len(PATTERN)))
        monitor = self.folder / "monitor"
        monitor.unlink(missing_ok=True)
        network = self._network or f"user,restrict={self._restrict},hostfwd=tcp:127.0.0.1:{self.port}-:80"
        command = [EMULATOR, "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "null"]
        command += ["-semihosting-config", f"enable=on,target=native,arg=provisioning={self.provisioning},arg=flash={self.flash}"]
        command += ["-nic", network, "-kernel", str(self.firmware), "-S"]
        command += ["-qmp", f"unix:{monitor},server=on,wait=off"]
        command += ["-device", f"loader,file={pattern},addr={stack.start:#x},force-raw=on"]
        if self.icount is not None:
            command += ["-icount", self.icount]
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            environment = os.environ | self.environment
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self._monitor = Monitor(monitor, deadline)
        if self._network is None:
            forwarded = re.search(r"HOST_FORWARD.*?127\.0\.0\.1 +(\d+)", self._monitor.say("info usernet"))
            if not forwarded:
                raise Failure("QEMU forwards no port")
            self.port = int(forwarded[1])
        if self.identity is None:
            self._provision()
        self._monitor.run("cont")

    def _provision(self) -> None:
        resource = self._resource or f"http://127.0.0.1:{self.port}/mcp"
        if self._document is None:
            self.identity = Identity(resource)
            self.identity.write(self.provisioning)
        else:
            self._document(resource, self.provisioning)
            self.identity = Identity.read(self.provisioning)

    def wait_for(self, text: str, within: float) -> None:
        """Waits until its log has this text."""
        deadline = time.monotonic() + within
        while text not in self.log():
            if HALTED in self.log() and text != HALTED or time.monotonic() > deadline or not self.is_running():
                raise Failure(f"{text!r} is not said: {self.log()[-300:]!r}")
            time.sleep(0.02)

    def stop(self) -> None:
        """As if the power went."""
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=END_SECS_MAX)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        """What it said since it was started last."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def whole_log(self) -> str:
        """What it said over all restarts."""
        return self.log_path.read_text("utf-8", "replace")

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """INV-1: it has neither halted nor faulted nor panicked."""
        if not self.is_running() or HALTED in self.log():
            raise Failure(f"the device has stopped: {self.log()[-300:]!r}")

    def caller(self, scope: str = "device:read") -> Caller:
        """Somebody with a good token."""
        return Caller(f"127.0.0.1:{self.port}", self.token(scope))

    def token(self, scope: str = "device:read", **changes: Any) -> str:
        if self.identity is None:
            raise Failure("the device was not started")
        return self.identity.token(scope, **changes)

    @property
    def monitor(self) -> Monitor:
        if self._monitor is None:
            raise Failure("the device is not running")
        return self._monitor

    def memory(self, region: Region) -> bytes:
        """What stands there now."""
        dump = self.folder / "memory"
        self.monitor.run("pmemsave", val=region.start, size=region.len, filename=str(dump))
        return dump.read_bytes()

    def stack_used(self) -> int:
        """Bytes of the stack that were ever written since the start."""
        region = stack_region(self.firmware)
        stack = self.memory(region)
        untouched = next((at for at in range(0, region.len, 4) if stack[at : at + 4] != PATTERN), region.len)
        return region.len - untouched

    def led(self) -> bool:
        """Whether the light is on."""
        return bool(int(self.monitor.say(f"xp /1wx {LEDS:#x}").split(":")[1], 16) & 1)
