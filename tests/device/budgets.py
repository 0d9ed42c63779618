"""What the firmware takes of flash, RAM and time, beside what `budgets.toml` allows, and where it goes.

Flash: every instruction is charged to the source it was inlined from last, by the line tables, and constants
to what refers to them. RAM: what the linker placed, and how deep the stack was while four connections had the
largest legal requests at once. Time: instructions counted by the emulator.
"""

from __future__ import annotations

import argparse
import bisect
import re
import subprocess
import time
import tomllib
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from abuse import Limits
from image import BUILT_IN, UNKNOWN, Image, owner
from qemu import EMULATOR, Device, stack_region
from report import Failure, Report
from wire import Caller, Connection

BUDGETS = Path(__file__).with_name("budgets.toml")
FLASH = (".vector_table", ".text", ".rodata", ".data", ".gnu.sgstubs")
RAM = (".data", ".bss", ".uninit")
OWN = ("portcullis-core", "portcullis-embassy")
# Where the adapter keeps keys.
KEYS = "adapters/embassy/src/keys/"
CONNECTIONS = 4
MEASURE_SECS_MAX = 60
# So often are all connections busy at once; rounds in which one was turned away do not count, and may be so many.
BUSY_ROUNDS = 25
INCOMPLETE_MAX = 50
CLOSING_SECS = 0.5
# What the measuring image counts, and how far apart counts are that are the same: its timer counts by 40 instructions.
COUNTED = {"decide", "largest", "wrong_first", "wrong_last", "hmac", "key_zeros", "key_mixed", "base64"}
SAME = 8
# The processor of the board, and how long the shortest deadline of a peer is (LIM-14).
INSTRUCTIONS_PER_MS, PATIENCE_MS = 25_000, 5_000


@dataclass
class Parts:
    """Bytes of flash by crate: by the innermost source, and with Rust's library charged to who wrote it."""

    innermost: Counter[str]
    charged: Counter[str]
    constants: Counter[str]
    of_keys: int

    @classmethod
    def of(cls, image: Image) -> Parts:
        frames = image.frames((line.address for line in image.lines), with_functions=False)
        innermost: Counter[str] = Counter()
        charged: Counter[str] = Counter()
        of_keys = 0
        for line in image.lines:
            own = frames[line.address]
            innermost[own[0].crate if own else UNKNOWN] += line.len
            charged[owner(own)] += line.len
            if own and KEYS in own[0].file:
                of_keys += line.len
        if sum(charged.values()) != image.sections[".text"].len:
            raise Failure("not every byte of the code was looked at")
        return cls(innermost, charged, cls._constants(image, {at: owner(own) for at, own in frames.items()}), of_keys)

    @staticmethod
    def _constants(image: Image, owners: dict[int, str]) -> Counter[str]:
        """A constant begins where something points, and ends where the next begins.

        It belongs to the code that points there, or to the constant that does; to ours, where several do.
        """
        section = image.sections[".rodata"]
        pointers: dict[int, set[str]] = defaultdict(set)
        for at, value in _loaded(image):
            if section.address <= value < section.end:
                pointers[value].add(owners.get(at, UNKNOWN))
        inner = {at: value for at in range(section.address, section.end - 3, 4)
                 if section.address <= (value := image.word(at) or 0) < section.end}
        starts = sorted({*pointers, *inner.values(), section.address})
        for _ in range(3):
            for at, value in inner.items():
                holder = starts[bisect.bisect_right(starts, at) - 1]
                pointers[value] |= pointers.get(holder, set())
        found: Counter[str] = Counter()
        for start, end in zip(starts, [*starts[1:], section.end]):
            names = pointers.get(start) or {UNKNOWN}
            own = sorted(name for name in names if name in OWN)
            others = sorted(name for name in names if name not in (*BUILT_IN, UNKNOWN))
            found[(own or others or sorted(names))[0]] += end - start
        return found


def _loaded(image: Image) -> list[tuple[int, int]]:
    """Constants that instructions load: from between the instructions, or in two halves."""
    found, halves = [], {}
    for line in image.lines:
        if (value := image.loaded(line)) is not None:
            found.append((line.address, value))
        elif half := re.match(r"(\w+), #(\d+)", line.arguments):
            if line.code == "movw":
                halves[half[1]] = int(half[2])
            elif line.code == "movt" and half[1] in halves:
                found.append((line.address, int(half[2]) << 16 | halves.pop(half[1])))
    return found


def busy_stack(device: Device, report: Report) -> int:
    """SEC-516: how deep the stack gets while all connections have the largest legal requests.

    The largest head with the longest token that is accepted, the largest body, and the longest answer.
    """
    limits = Limits.read()
    if device.identity is None:
        raise Failure("the device was not started")
    host = f"127.0.0.1:{device.port}"

    def largest(token_len: int, body_len: int) -> bytes:
        caller = Caller(host, device.identity.token_of_len(token_len) if device.identity else "")
        plain = caller.tools_list()
        body = len(plain) - plain.index(b"\r\n\r\n") - 4
        padded = caller.modern("tools/list", pad=body_len - body)
        room = limits.head - (padded.index(b"\r\n\r\n") + 4)
        return padded.replace(b"\r\nAccept", b"\r\nX: " + b"y" * (room - 5) + b"\r\nAccept", 1)

    longest = next((length for length in range(limits.head - 300, 280, -1)
                    if accepts(device, largest(length, limits.body))), 0)
    if not longest:
        raise Failure("no largest request is accepted")
    request = largest(longest, limits.body)
    with report.case(f"SEC-516: {CONNECTIONS} connections at once with heads of {limits.head}, "
                     f"tokens of {longest}, bodies of {limits.body} bytes are served") as remarks:
        incomplete = 0
        for done in range(BUSY_ROUNDS):
            while (statuses := all_at_once(device.port, request)) != [200] * CONNECTIONS:
                # Without a queue, whoever comes while a socket of the round before is still closing is turned away.
                if not set(statuses) <= {200, 0} or (incomplete := incomplete + 1) > INCOMPLETE_MAX:
                    raise Failure(f"{statuses} after {done} complete rounds and {incomplete} incomplete ones")
                time.sleep(CLOSING_SECS)
        device.check()
        remarks.append(f"{BUSY_ROUNDS} complete rounds, {incomplete} incomplete ones")
    return device.stack_used()


def all_at_once(port: int, data: bytes) -> list[int]:
    """The statuses of requests of which each is begun before one of them is ended."""
    with ExitStack() as stack:
        connections = []
        for _ in range(CONNECTIONS):
            connections.append(stack.enter_context(Connection(port)))
            connections[-1].send_while_open(data[:-10])
            time.sleep(0.02)
        for connection in connections:
            connection.send_while_open(data[-10:])
        answers = [connection.answer() for connection in connections]
    # The sockets listen again.
    time.sleep(0.1)
    return [answer.status if answer else 0 for answer in answers]


def accepts(device: Device, data: bytes) -> bool:
    with Connection(device.port) as connection:
        connection.send(data)
        answer = connection.answer()
        return answer is not None and answer.status == 200


def instructions(measure: Path) -> dict[str, int]:
    """What the measuring image counts."""
    command = [EMULATOR, "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "null", "-net", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=0", "-kernel", str(measure)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MEASURE_SECS_MAX)
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) (\d+)$", done.stdout, re.MULTILINE)}
    if done.returncode != 0 or set(counts) != COUNTED:
        raise Failure(f"the measuring image says {done.stdout[-200:]!r}")
    return counts


def evenly(report: Report, counts: dict[str, int]) -> None:
    """SEC-525, SEC-519: neither a secret nor a token makes the device think for long."""
    for what, one, other in (
        ("refusing takes the same, whichever end of a signature is wrong", "wrong_first", "wrong_last"),
        ("a signature's check takes the same with any key", "key_zeros", "key_mixed"),
    ):
        apart = abs(counts[one] - counts[other])
        report.line(f"SEC-525: {what}: {counts[one]} and {counts[other]} instructions", f"{apart} apart" if apart > SAME else None)
    millis = counts["largest"] / INSTRUCTIONS_PER_MS
    report.line(f"SEC-519: the longest decision takes {millis:.0f} ms, of {PATIENCE_MS} ms that a peer waits at least",
                "too long" if millis > PATIENCE_MS / 10 else None)
    # The comparison must be able to fail.
    differ = abs(counts["decide"] - counts["wrong_first"]) > SAME
    report.line("a token that is admitted does not take the same", None if differ else "it does")


def over(measured: int, most: int) -> str | None:
    return f"{measured - most} over" if measured > most else None


def table(parts: Parts, counts: dict[str, int]) -> None:
    print("\nwhere the flash goes, in bytes; Rust's library as such, or charged to the code it was inlined into")
    print(f"{'':28} {'code':>7} {'charged':>7} {'constants':>9}")
    for crate in sorted(set(parts.charged) | set(parts.innermost) | set(parts.constants),
                        key=lambda crate: -parts.charged[crate] - parts.constants[crate]):
        print(f"{crate:28} {parts.innermost[crate]:7} {parts.charged[crate]:7} {parts.constants[crate]:9}")
    rest = counts["decide"] - counts["hmac"] - counts["base64"]
    print("\nwhere the instructions of a decision go")
    print(f"{'HMAC-SHA-256 of the token':28} {counts['hmac']:7}\n{'decoding its three parts':28} {counts['base64']:7}")
    print(f"{'JSON, claims, everything else':28} {rest:7}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    parser.add_argument("--measure", type=Path, required=True, help="the image that counts instructions")
    options = parser.parse_args()
    report = Report()
    budgets = tomllib.loads(BUDGETS.read_text())
    image = Image(options.firmware)
    with report.case("flash, RAM and instructions are measured"):
        parts, counts = Parts.of(image), instructions(options.measure)
        flash = sum(image.sections[name].len for name in FLASH if name in image.sections)
        static = sum(image.sections[name].len for name in RAM if name in image.sections)
        with Device(options.firmware) as device:
            stack = busy_stack(device, report)
        own = sum(parts.innermost[crate] + parts.constants[crate] for crate in OWN)
        with_library = sum(parts.charged[crate] + parts.constants[crate] for crate in OWN)
        table(parts, counts)
        print(f"static RAM {static}, stack {stack} of {stack_region(options.firmware).len} bytes reserved")
        print(f"core and adapter {own} bytes, with what of Rust's library was inlined into them {with_library}")
        keys = parts.of_keys
        evenly(report, counts)
        measured = {"flash": flash, "ram": static + stack, "own": own, "request_path": own - keys}
        measured |= {name: counts[name] for name in ("decide", "largest")}
        for name, row in budgets.items():
            most = int(str(row["max"]))
            title = f"{row['what']}: {measured[name]} of {most} {row['unit']}"
            if "aim" in row:
                aim = int(str(row["aim"]))
                title += f"; the aim of {aim} is missed"
                if over(measured[name], aim) is None:
                    report.line(title, "it is reached: make it the budget")
                    continue
            report.line(title, over(measured[name], most))
        # The comparison must be able to fail.
        missed = [name for name in budgets if over(measured[name], measured[name] - 1) is None]
        report.line("every budget that is one too small is exceeded", ", ".join(missed) or None)
    report.end()


if __name__ == "__main__":
    main()
