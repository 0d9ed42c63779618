"""A command to the device's light that is cut off, that nobody waits for, that is sent again (SEC-523).

It is carried out whole or not at all, and what it does is a state: asked again, the answer is the same.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from identity import READ, WRITE
from qemu import LEDS, Device
from report import Failure, Report, expect
from wire import Answer, Connection, ask

SEED = 20_261_128
PREFIXES = 60
GONE_ROUNDS = 20
REPEATS = 3
# How often a client that is turned away comes back.
TRIES = 20
# How a client goes away.
CLOSED, RESET, HALF_CLOSED = "closed", "reset", "closed in one direction"


class Light:
    """The light, and those who may switch it."""

    def __init__(self, device: Device, report: Report) -> None:
        self.device, self.report = device, report
        self.caller = device.caller(f"{READ} {WRITE}")
        self.on, self.off = self.caller.set_led(True), self.caller.set_led(False)
        self.random = random.Random(SEED)

    def register(self) -> int:
        """All lights of the board; more than this one are never on."""
        value = int(self.device.monitor.say(f"xp /1wx {LEDS:#x}").split(":")[1], 16)
        if value not in (0, 1):
            raise Failure(f"the lights are {value:#x}")
        return value

    def ask(self, data: bytes) -> Answer:
        answer = ask(self.device.port, data)
        expect(answer.status, 200, "status")
        return answer

    def switched(self, on: bool) -> None:
        """An honest request, carried out."""
        result = self.ask(self.on if on else self.off).json()["result"]
        expect((result.get("isError", False), result["structuredContent"]), (False, {"on": on}), "error, result")
        expect(self.register(), int(on), "the light")

    def sends(self, data: bytes, end: str) -> list[int]:
        """Sends this and goes away; the statuses that were seen, where somebody still looks.

        None are also seen where the device had no room for the connection.
        """
        with Connection(self.device.port) as connection:
            connection.send_while_open(data)
            if end == RESET:
                connection.reset()
            elif end == HALF_CLOSED:
                try:
                    connection.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                return connection.statuses(2)[0]
        return []

    def prefixes(self) -> None:
        head, body = self.on.split(b"\r\n\r\n", 1)
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        chunked = b"\r\n".join(lines + [b"Transfer-Encoding: chunked"]) + b"\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        for title, whole in (("with a length", self.on), ("in chunks", chunked)):
            head_len = whole.index(b"\r\n\r\n") + 4
            # The ends first: whatever is acted on too early is complete but for this.
            lengths = {len(whole) - missing for missing in range(1, 9)} | {head_len - 1, head_len, head_len + 1}
            lengths |= {whole.rindex(b"}") + 1, 1} - {len(whole)}
            lengths |= set(self.random.sample(range(1, len(whole)), PREFIXES - len(lengths)))
            for end in (CLOSED, RESET, HALF_CLOSED):
                with self.report.case(f"SEC-523: a command {title}, broken off after {len(lengths)} different lengths and {end}: the light stays off") as remarks:
                    seen: dict[int, int] = {}
                    for length in sorted(lengths):
                        for status in self.sends(whole[:length], end):
                            seen[status] = seen.get(status, 0) + 1
                            if status < 400:
                                raise Failure(f"status {status} for {length} of {len(whole)} bytes")
                        # Whoever turned it on would leave it so: this is also about those before.
                        expect(self.register(), 0, f"the light after {length} of {len(whole)} bytes")
                    self.ask(self.caller.tools_list())
                    expect(self.register(), 0, "the light")
                    remarks += [f"{count} times status {status}" for status, count in sorted(seen.items())]
            with self.report.case(f"SEC-523: the whole of the command {title}: the light is on"):
                self.ask(whole)
                expect(self.register(), 1, "the light")
                self.switched(False)

    def gone(self) -> None:
        for end in (CLOSED, RESET, HALF_CLOSED):
            with self.report.case(f"SEC-523: the client is gone before the answer ({end}), {GONE_ROUNDS} times: carried out or not, and others are served") as remarks:
                done = 0
                for at in range(GONE_ROUNDS):
                    # To the state that it is not in.
                    on = at % 2 == 0
                    self.switched(not on)
                    command = self.on if on else self.off
                    statuses = self.sends(command, end)
                    for _ in range(TRIES):
                        if end == HALF_CLOSED and not statuses and self.register() != int(on):
                            statuses = self.sends(command, end)
                    self.ask(self.caller.tools_list())
                    carried_out = self.register() == int(on)
                    done += carried_out
                    # The next one is what counts, and it stays so.
                    self.switched(not on)
                    self.ask(self.caller.tools_list())
                    expect(self.register(), int(not on), "the light after the next request")
                    if end == HALF_CLOSED:
                        # Who still reads has an answer, and that is true.
                        expect((statuses, carried_out), ([200], True), "statuses, carried out")
                remarks.append(f"{done} times carried out")

    def repeated(self) -> None:
        caller = self.caller
        for on in (True, False):
            with self.report.case(f"SEC-523: the light is turned {'on' if on else 'off'} again and again, with the id of before and with others: each time the same result"):
                calls = [self.on if on else self.off, caller.handshake("tools/call", {"name": "set_led", "arguments": {"on": on}})]
                for call in calls:
                    first = self.ask(call).json()
                    ids = [1] * REPEATS + list(range(2, 2 + REPEATS))
                    again = [call.replace(b'"id":1,', b'"id":%d,' % at, 1) for at in ids]
                    with Connection(self.device.port) as connection:
                        connection.send(b"".join(again))
                        here = [connection.answer() for _ in again]
                    elsewhere = [self.ask(data) for data in again]
                    for at, answer in zip(ids * 2, here + elsewhere):
                        expect(answer and answer.json(), first | {"id": at}, "the answer")
                    expect(self.register(), int(on), "the light")


def actuator(report: Report, firmware: Path) -> None:
    with Device(firmware) as device:
        light = Light(device, report)
        light.prefixes()
        light.gone()
        light.repeated()
        with report.case("INV-1: the device runs after all of this"):
            device.check()
