"""A device under hostile peers: afterwards an honest request succeeds, and nothing was used up.

Requests that are no requests, sizes at every limit, slow and silent and broken connections, random bytes, and
many requests in a row. The cases are named by the ids of the threat catalogue.
"""

from __future__ import annotations

import argparse
import random
import re
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import corpus
from crowd import Crowd
from qemu import Device, stack_region
from report import Failure, Report, expect
from wire import Answer, Connection, Caller, ask, request

SOURCE = Path(__file__).resolve().parents[2] / "examples/microcontroller/src"
# The limits of a microcontroller (LIM-*), where the firmware's own memory is not smaller.
LINE_LEN_MAX = 1024
SECTION_LEN_MAX = 6 * 1024
BODY_DEPTH_MAX = 16
HEAD_SECS_MAX, BODY_SECS_MAX, IDLE_SECS_MAX = 5, 10, 5
# What a busy machine may add to a deadline.
SLACK_SECS = 1.5
# SEC-441: an honest client is served within this time, whatever others do.
HONEST_SECS_MAX = 1.0
SEED = 20_260_728
GARBAGE_ROUNDS = 200
BROKEN_ROUNDS = 60
REQUESTS = 20_000
FRESH_EVERY = 20
# After how long a crowd comes back that was turned away: one that is idle, and one that has requests.
IDLE_BACK_SECS, BUSY_BACK_SECS = 0.2, 3.0
# Connections that the tests themselves have open at a time, where that is not what they are about.
BESIDE = 2


@dataclass(frozen=True)
class Limits:
    """What the firmware has for one connection, by its own source."""

    head: int
    fields: int
    body: int
    scratch: int

    @classmethod
    def read(cls) -> Limits:
        found = re.search(r"ConnectionMemory = Memory<(\d+), (\d+), (\d+), (\d+)>", (SOURCE / "application.rs").read_text())
        if not found:
            raise Failure("the application does not say how large a connection's memory is")
        return cls(*map(int, found.groups()))


class Abuse:
    def __init__(self, device: Device, report: Report) -> None:
        self.device = device
        self.report = report
        self.caller = device.caller()
        self.honest_request = self.caller.tools_list()
        self.limits = Limits.read()
        self.random = random.Random(SEED)
        # How many connections one peer can have when there is nobody else.
        self.alone = self.at_once()
        if not self.alone:
            raise Failure("not one connection can be had")

    def honest(self, within: float = HONEST_SECS_MAX) -> float:
        """INV-7: an honest request on a fresh connection succeeds; how long it took."""
        started = time.monotonic()
        answer = ask(self.device.port, self.honest_request, within)
        expect(answer.status, 200, "an honest request")
        expect(answer.json()["result"]["tools"][0]["name"], "read_temperature", "the first tool")
        return time.monotonic() - started

    def at_once(self) -> int:
        """How many connections one peer can have answered while all of them stay open."""
        with ExitStack() as stack:
            open_connections: list[Connection] = []
            for _ in range(8):
                try:
                    connection = stack.enter_context(Connection(self.device.port))
                    connection.send(self.honest_request)
                    answer = connection.answer()
                except OSError:
                    break
                if answer is None or answer.status != 200:
                    break
                open_connections.append(connection)
                if any(other.is_closed(0.05) for other in open_connections[:-1]):
                    return len(open_connections) - 1
            return len(open_connections)

    def settle(self, within: float = BODY_SECS_MAX + SLACK_SECS) -> int:
        """How many connections there can be once what was left behind half done is over."""
        deadline = time.monotonic() + within
        while (now := self.at_once()) < self.alone and time.monotonic() < deadline:
            time.sleep(0.5)
        return now

    def sends(self, data: bytes, *statuses: int) -> None:
        """One request on a connection of its own, with one of these statuses."""
        answer = ask(self.device.port, data, HONEST_SECS_MAX)
        if answer.status not in statuses:
            raise Failure(f"{answer.status} instead of {' or '.join(map(str, statuses))}")

    # Requests that are no requests

    def framing(self) -> None:
        # One after the other: where there are more, a connection may end to make room.
        for case in corpus.cases(self.caller):
            self._framing_case(case)

    def _framing_case(self, case: corpus.Case) -> None:
        with self.report.case(f"{case.ids}: {case.title}"):
            deadline = time.monotonic() + HONEST_SECS_MAX
            statuses: list[int] = []
            # Without an answer it was not this request that was refused: there was no room.
            while not statuses and time.monotonic() < deadline:
                with self._connect() as connection:
                    connection.send_while_open(case.data + self.honest_request)
                    statuses, closed = connection.statuses(len(case.statuses))
            if len(statuses) != len(case.statuses) or any(own not in may for own, may in zip(statuses, case.statuses)):
                raise Failure(f"statuses {statuses} instead of {case.statuses}")
            if case.closes is not None:
                expect(closed, case.closes, "the connection ends")
            self.honest()
            self.device.check()

    def _connect(self) -> Connection:
        """A connection that the device accepted; one that has no room yet is tried again."""
        deadline = time.monotonic() + HONEST_SECS_MAX
        while True:
            connection = Connection(self.device.port)
            if not connection.readable(0.005) or time.monotonic() > deadline:
                return connection
            connection.socket.close()

    def _begin(self, data: bytes, turned_away: list[int]) -> tuple[Connection, Answer | None]:
        """A connection, and the answer to its first request.

        Without one there was no socket: on a busy machine that is not always known when the connection is made.
        """
        deadline = time.monotonic() + HONEST_SECS_MAX
        while True:
            connection = self._connect()
            connection.send_while_open(data)
            answer = connection.answer()
            if answer is not None or time.monotonic() > deadline:
                return connection, answer
            connection.socket.close()
            turned_away.append(1)

    # Sizes

    def sizes(self) -> None:
        limits, host = self.limits, self.caller.host
        tools_list = self.honest_request
        line_len = tools_list.index(b"\r\n") + 2
        head_len = tools_list.index(b"\r\n\r\n") + 4

        def line(length: int) -> bytes:
            target = "/mcp?" + "x" * (length - len("POST /mcp? HTTP/1.1\r\n"))
            return request("", target=target, host=host)

        def head(length: int) -> bytes:
            pad = length - head_len - len("X: \r\n")
            return tools_list.replace(b"\r\nAccept", b"\r\nX: " + b"y" * pad + b"\r\nAccept", 1)

        def fields(count: int) -> bytes:
            have = tools_list[line_len : head_len - 2].count(b"\r\n")
            return tools_list.replace(b"\r\nAccept", b"\r\nX: y" * (count - have) + b"\r\nAccept", 1)

        def body(length: int) -> bytes:
            return self.caller.modern("tools/list", pad=length - (len(tools_list) - head_len))

        def depth(count: int) -> bytes:
            # The message, its parameters and the extension's own member are around it.
            nested: object = 0
            for _ in range(count - 2):
                nested = [nested]
            return self.caller.modern("tools/list", {"x": nested})

        section_max = min(limits.head, SECTION_LEN_MAX)
        for ids, what, make, largest, ok, beyond in (
            ("LIM-1", "request line", line, LINE_LEN_MAX, 401, 414),
            ("LIM-2", "head", head, section_max, 200, 431),
            ("LIM-3", "fields", fields, limits.fields, 200, 431),
            ("LIM-10", "body", body, limits.body, 200, 413),
            ("LIM-6 SEC-025", "nesting", depth, BODY_DEPTH_MAX, 200, 400),
        ):
            for size in (largest - 1, largest, largest + 1):
                expected = ok if size <= largest else beyond
                with self.report.case(f"{ids}: {what} of {size}: {expected}"):
                    self.sends(make(size), expected)
                    self.honest()
        with self.report.case("SEC-025: 1 000 levels in a body that is too long for them: 413"):
            self.sends(request(f"Authorization: Bearer {self.caller.token}\r\nContent-Type: application/json\r\n"
                               "Accept: application/json, text/event-stream\r\n", "[" * 2000, host=host), 413)
        with self.report.case("SEC-025: a body of nothing but brackets, as long as may be: 400"):
            self.sends(request(f"Authorization: Bearer {self.caller.token}\r\nContent-Type: application/json\r\n"
                               "Accept: application/json, text/event-stream\r\n", "[" * limits.body, host=host), 400)
        with self.report.case("LIM-4: tokens of growing length: accepted up to one, refused from there") as remarks:
            largest, refused = 0, 0
            for length in range(280, limits.head, 16):
                token = self.device.identity.token_of_len(length) if self.device.identity else ""
                status = ask(self.device.port, Caller(host, token).modern("tools/list"), HONEST_SECS_MAX).status
                if status == 200 and not refused:
                    largest = length
                elif status in (401, 431):
                    refused = refused or status
                else:
                    raise Failure(f"{status} for a token of {length}, after {largest} were accepted")
            if not largest or not refused:
                raise Failure(f"accepted up to {largest}, refused with {refused or 'nothing'}")
            remarks.append(f"{largest} bytes accepted, then {refused}")
            self.honest()

    # Ways to send

    def splits(self) -> None:
        data = self.honest_request
        chunked = next(case.data for case in corpus.cases(self.caller) if case.title == "chunks alone")
        for name, whole in (("a length", data), ("chunks", chunked)):
            with self.report.case(f"SEC-416 SEC-515: one byte per segment, {name}"):
                with self._connect() as connection:
                    for at in range(len(whole)):
                        connection.send(whole[at : at + 1])
                        time.sleep(0.001)
                    self._is_served(connection)
            with self.report.case(f"SEC-416 SEC-515: every way to split a request in two, {name}") as remarks:
                with self._connect() as connection:
                    for at in range(1, len(whole)):
                        connection.send(whole[:at])
                        time.sleep(0.002)
                        connection.send(whole[at:])
                        self._is_served(connection)
                remarks.append(f"{len(whole) - 1} ways")

    def _is_served(self, connection: Connection) -> None:
        answer = connection.answer()
        expect(answer.status if answer else None, 200, "status")

    def garbage(self) -> None:
        calls = [self.caller.set_led(True), self.caller.tools_list()]
        answers: dict[str, int] = {}

        def talk(data: bytes) -> None:
            with self._connect() as connection:
                connection.send_while_open(data)
                try:
                    connection.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                statuses, _ = connection.statuses(20)
            for status in [str(status) for status in statuses] or ["none"]:
                answers[status] = answers.get(status, 0) + 1

        rounds = [self.random.randbytes(self.random.randrange(1, 2000)) for _ in range(GARBAGE_ROUNDS)]
        mutants = [self._mutant(self.random.choice(calls)) for _ in range(GARBAGE_ROUNDS)]
        for title, all_data in (("random bytes", rounds), ("requests with some bytes changed", mutants)):
            with self.report.case(f"INV-1 INV-7: {len(all_data)} times {title}, seed {SEED}") as remarks:
                answers.clear()
                with ThreadPoolExecutor(BESIDE) as pool:
                    list(pool.map(talk, all_data))
                self.device.check()
                self.honest()
                expect(self.device.led(), False, "the light that nobody may turn on")
                remarks.append("answers " + ", ".join(f"{status}: {n}" for status, n in sorted(answers.items())))

    def _mutant(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.randrange(1, 6)):
            at = self.random.randrange(len(changed))
            match self.random.randrange(5):
                case 0:
                    changed[at] = self.random.randrange(256)
                case 1:
                    del changed[at : at + self.random.randrange(1, 40)]
                case 2:
                    changed[at:at] = self.random.randbytes(self.random.randrange(1, 8))
                case 3:
                    changed[at:at] = changed[at : at + self.random.randrange(1, 80)]
                case _:
                    changed[at:at] = self.random.choice([b"\r\n", b"\r\n\r\n", b"\0", b": ", b",", b"\"", b"{", b"]"])
        return bytes(changed)

    # Ways to connect

    def broken(self) -> None:
        """SEC-514, as far as the emulator's network hands it on."""
        half = self.honest_request[: len(self.honest_request) // 2]

        def reset(data: bytes) -> Callable[[], None]:
            def run() -> None:
                connection = self._connect()
                connection.send_while_open(data)
                connection.reset()
            return run

        def half_closed(data: bytes, statuses: list[int]) -> Callable[[], None]:
            def run() -> None:
                with self._connect() as connection:
                    connection.send(data)
                    connection.socket.shutdown(socket.SHUT_WR)
                    seen, closed = connection.statuses(2)
                    expect((seen, closed), (statuses, True), "statuses, and the end")
            return run

        for title, run in (
            ("a connection reset at once", reset(b"")),
            ("reset inside of a head", reset(half)),
            ("reset behind a request, before its answer", reset(self.honest_request)),
            ("closed in one direction at once", half_closed(b"", [])),
            ("closed in one direction inside of a head", half_closed(half, [])),
            ("closed in one direction behind a request", half_closed(self.honest_request, [200])),
            ("the peer ends inside of a body", half_closed(self.honest_request[:-3], [400])),
        ):
            with self.report.case(f"SEC-514 SEC-391: {title}, {BROKEN_ROUNDS} times"):
                for _ in range(BROKEN_ROUNDS):
                    run()
                self.honest()
                self.device.check()

    def deadlines(self) -> None:
        """SEC-440, LIM-13, LIM-14: absolute, however the bytes are spread."""
        head_len = self.honest_request.index(b"\r\n\r\n") + 4
        cases = [
            ("LIM-14: silent from the start", b"", b"", IDLE_SECS_MAX, ()),
            ("LIM-14: silent after a request", self.honest_request, b"", IDLE_SECS_MAX, (200,)),
            ("SEC-440 LIM-13: a head of one byte per second", b"P", b"O", HEAD_SECS_MAX, (408,)),
            ("LIM-13: half of a head", self.honest_request[:100], b"", HEAD_SECS_MAX, (408,)),
            ("SEC-440 LIM-14: a body of one byte per second", self.honest_request[:head_len], b" ", BODY_SECS_MAX, (408,)),
            ("SEC-443 LIM-14: a body that never comes", self.honest_request[:head_len], b"", BODY_SECS_MAX, (408,)),
        ]
        with ThreadPoolExecutor(BESIDE) as pool:
            list(pool.map(lambda case: self._deadline_case(*case), cases))

    def _deadline_case(self, title: str, first: bytes, drip: bytes, secs: float, statuses: tuple[int, ...]) -> None:
        with self.report.case(f"{title}: over after {secs} s") as remarks:
            with self._connect() as connection:
                connection.send(first)
                started = time.monotonic()
                while not connection.readable(1.0) or len(statuses) == 1 and statuses[0] == 200:
                    if statuses == (200,):
                        break
                    if drip:
                        connection.send_while_open(drip)
                    if time.monotonic() - started > secs + SLACK_SECS:
                        raise Failure(f"still open after {time.monotonic() - started:.1f} s")
                seen = []
                while (answer := connection.answer()) is not None:
                    seen.append(answer.status)
                took = time.monotonic() - started
            expect(tuple(seen), statuses, "statuses")
            if not secs - SLACK_SECS < took < secs + SLACK_SECS:
                raise Failure(f"over after {took:.1f} s")
            remarks.append(f"{took:.1f} s")

    def crowds(self) -> None:
        """SEC-440, SEC-441, SEC-514: others hold connections of every kind, and an honest client is served."""
        alone = statistics.quantiles([self.honest() for _ in range(50)], n=100)[98]
        head_len = self.honest_request.index(b"\r\n\r\n") + 4
        # More than all buffers on the way hold.
        unread = self.honest_request * 2000
        # Who waits for a request makes room at once. A request is never cut off: it may take its time, and
        # here all come from one peer, the emulator's gateway. Other peers are in packets.py. When some have had
        # their time it would be chance who comes first, the honest client or the crowd that was turned away: so the
        # crowd does not come back at the deadlines, but between them.
        kinds: list[tuple[str, bytes, bytes, float]] = [
            ("silent connections", b"", b"", 0),
            ("connections silent after a request", self.honest_request, b"", 0),
            ("slow heads", b"P", b"O", HEAD_SECS_MAX),
            ("slow bodies", self.honest_request[:head_len], b" ", BODY_SECS_MAX),
            ("answers that nobody reads", unread, b"", BODY_SECS_MAX),
        ]
        for title, first, drip, secs in kinds:
            for count in (2, 4, 32):
                within = secs + SLACK_SECS if secs and count > BESIDE else HONEST_SECS_MAX
                with self.report.case(f"SEC-441 SEC-514: {count} {title}: an honest client is served within {within} s") as remarks:
                    with Crowd(self.device.port, count, first, drip, BUSY_BACK_SECS if secs else IDLE_BACK_SECS):
                        took = []
                        for _ in range(2 if within > HONEST_SECS_MAX else 6):
                            took.append(self.honest(within))
                            time.sleep(0.3)
                    remarks.append(f"at most {max(took):.3f} s, alone 99 of 100 within {alone:.3f} s")
                    self.device.check()
                time.sleep(0.2)

    # Many

    def many(self) -> None:
        host = self.caller.host
        stranger, liar = Caller(host, None), Caller(host, (self.caller.token or "")[:-6] + "AAAAAA")
        metadata = request("", method="GET", target="/.well-known/oauth-protected-resource/mcp", host=host)
        kinds = [
            (self.caller.tools_list(), 200), (stranger.tools_list(), 401), (liar.tools_list(), 401),
            (self.caller.modern("tools/call", {"name": "read_temperature", "arguments": {}}), 200),
            (self.caller.set_led(True), 403), (metadata, 200), (self.caller.handshake("tools/list"), 200),
            (self.caller.modern("no/such"), 404),
        ]
        self.settle()
        with self.report.case(f"INV-7 SEC-391: {REQUESTS} requests in a row, one in {FRESH_EVERY} on a connection of its own") as remarks:
            started, used = time.monotonic(), self.device.stack_used()
            turned_away: list[int] = []
            made_room: list[int] = []

            def run(worker: int) -> None:
                for done in range(0, REQUESTS // BESIDE, FRESH_EVERY):
                    with ExitStack() as connections:
                        connection: Connection | None = None
                        for at in range(FRESH_EVERY):
                            data, status = kinds[(worker + done + at) % len(kinds)]
                            answer = connection.reply(data) if connection else None
                            if answer is None:
                                # One that ended between two requests made room for whoever came then.
                                made_room.extend([1] * (connection is not None))
                                connection, answer = self._begin(data, turned_away)
                                connections.enter_context(connection)
                            expect(answer.status if answer else None, status, f"request {done + at}")

            with ThreadPoolExecutor(BESIDE) as pool:
                list(pool.map(run, range(BESIDE)))
            self.device.check()
            expect(self.device.led(), False, "the light that nobody may turn on")
            secs = time.monotonic() - started
            remarks += [f"{secs:.0f} s", f"stack {used} before, {self.device.stack_used()} bytes after"]
            connections = REQUESTS // FRESH_EVERY
            remarks.append(f"of {connections} connections {len(turned_away)} were tried again, {len(made_room)} made room")
            # A socket that is still closing costs nobody a connection more than now and then.
            if len(turned_away) + len(made_room) > connections // 50:
                raise Failure(f"{len(turned_away)} connections were turned away, {len(made_room)} ended to make room")
            self.honest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    parser.add_argument("parts", nargs="*", help="framing, sizes, splits, garbage, broken, deadlines, crowds, many")
    options = parser.parse_args()
    report = Report()
    with Device(options.firmware) as device:
        abuse = Abuse(device, report)
        with report.case("before: an honest request succeeds") as remarks:
            abuse.honest()
            remarks.append(f"{abuse.alone} connections of one peer at once")
        for part in options.parts or ("framing", "sizes", "splits", "garbage", "broken", "deadlines", "crowds", "many"):
            started = time.monotonic()
            getattr(abuse, part)()
            with report.case(f"INV-1: the device runs after {part}") as remarks:
                remarks.append(f"{time.monotonic() - started:.0f} s")
                device.check()
            if not device.is_running():
                # The other parts are to be seen as well.
                device.restart()
        with report.case("INV-1 INV-7: afterwards an honest request succeeds, in both eras"):
            abuse.honest()
            expect(ask(device.port, abuse.caller.handshake("tools/list")).status, 200, "status")
            device.check()
        with report.case("afterwards all connections can be used as before"):
            expect(abuse.settle(), abuse.alone, "connections at once")
        with report.case("SEC-516: the stack never came near its end") as remarks:
            used, region = device.stack_used(), stack_region(options.firmware)
            remarks.append(f"{used} of {region.len} bytes")
            if used > region.len * 9 // 10:
                raise Failure(f"{used} of {region.len} bytes")
    report.end()


if __name__ == "__main__":
    main()
