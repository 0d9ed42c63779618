"""A device among many peers, and packets as no well-behaved stack sends them.

What goes through QEMU's own network has one sender and tidy packets. Here every peer has an address of its own,
so that the limits between peers are seen (LIM-15), and segments come in any order, twice, or never.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from abuse import BODY_SECS_MAX, HEAD_SECS_MAX, HONEST_SECS_MAX, IDLE_SECS_MAX, SEED, SLACK_SECS, SOURCE
from ethernet import ACK, FIN, PSH, RST, SYN, Network, Stream, ask, ipv4, tcp
from qemu import Device
from report import Failure, Report, expect
from wire import Caller

RESOURCE, HOST = "https://device.example/mcp", "device.example"
HONEST_PEER = 250
CONNECTIONS = 4
# SEC-514: how often an honest request is served at least, whatever others do.
SERVED_EVERY_SECS = 5
GARBAGE_ROUNDS = 3_000


def connections_per_peer() -> int:
    """LIM-15, unless the application says otherwise."""
    return CONNECTIONS if ".with_per_peer_max(crate::CONNECTIONS)" in (SOURCE / "application.rs").read_text() else 2


class Packets:
    def __init__(self, network: Network, device: Device, report: Report) -> None:
        self.network, self.device, self.report = network, device, report
        self.request = Caller(HOST, device.token()).tools_list()
        self.random = random.Random(SEED)

    def honest(self, within: float = HONEST_SECS_MAX) -> float:
        """An honest peer, whom nobody else has anything to do with, is served; how long it took."""
        started = time.monotonic()
        expect(ask(self.network, HONEST_PEER, self.request, within).status(), 200, "an honest request")
        self.device.check()
        return time.monotonic() - started

    def opened(self, host: int, **options: object) -> Stream:
        stream = self.network.stream(host, **options)
        if not stream.open():
            raise Failure(f"the connection of peer {host} is refused")
        return stream

    def rest(self) -> None:
        """Lets the device come to itself."""
        for stream in list(self.network.streams.values()):
            stream.reset()
        time.sleep(0.3)

    # SEC-515: one stream of bytes, however its segments come

    def segments(self) -> None:
        whole = self.request
        third = len(whole) // 3
        pieces = [(at, whole[at : at + third]) for at in range(0, len(whole), third)]
        lies = [(at, b"\0" * len(data)) for at, data in pieces]
        for title, order in (
            ("backwards", pieces[::-1]),
            ("twice", [piece for piece in pieces for _ in range(2)]),
            ("backwards and twice", (pieces * 2)[::-1]),
            ("overlapping", [(max(at - 40, 0), whole[max(at - 40, 0) : at + third + 40]) for at, _ in pieces]),
            ("with what was said before said otherwise", [each for pair in zip(pieces, lies) for each in pair]),
            ("beyond the window first", [(100_000, b"x" * 100), *pieces]),
        ):
            with self.report.case(f"SEC-515: segments {title}: as in one piece"):
                stream = self.opened(20)
                for at, data in order:
                    stream.send(ACK | PSH, at, data)
                    time.sleep(0.01)
                # What the device had no room to keep comes again, as TCP has it.
                stream.write(whole[stream.taken :], stream.taken)
                stream.wait("answered", 3)
                expect(stream.status(), 200, "status")
                stream.reset()
                self.honest()
        with self.report.case("SEC-515: segments of one byte: as in one piece"):
            stream = self.opened(20)
            for at in range(len(whole)):
                stream.send(ACK | PSH, at, whole[at : at + 1])
                time.sleep(0.001)
            stream.write(whole[stream.taken :], stream.taken)
            stream.wait("answered", 3)
            expect(stream.status(), 200, "status")
            stream.reset()

    # SEC-514: connections that are none

    def half_open(self) -> None:
        with self.report.case(f"SEC-514: 200 connections that are only begun: served every {SERVED_EVERY_SECS} s") as remarks:
            over = threading.Event()

            def knock() -> None:
                while not over.wait(0.02):
                    host = self.random.randrange(2, 200)
                    self.network.send(tcp(f"203.0.113.{host}", self.random.randrange(1024, 65536), SYN, 1, 0, 1000))

            with ThreadPoolExecutor(1) as pool:
                pool.submit(knock)
                try:
                    time.sleep(1)
                    took = [self.honest(SERVED_EVERY_SECS) for _ in range(3)]
                finally:
                    over.set()
            remarks.append(f"at most {max(took):.1f} s")
        with self.report.case("SEC-514: and soon after they have ended, as ever"):
            time.sleep(3)
            self.honest()

    def closing(self) -> None:
        for title, window, acknowledges in (
            ("a window of zero: the answer is never taken", 0, True),
            ("no byte of the answer is acknowledged", 16_384, False),
        ):
            with self.report.case(f"SEC-514 SEC-440: {title}, by {CONNECTIONS * 2} peers: over in time, and others are served") as remarks:
                streams = []
                for host in range(30, 30 + CONNECTIONS * 2):
                    stream = self.network.stream(host, window=window, acknowledges=acknowledges)
                    if stream.open(0.3):
                        stream.write(self.request, within=0.5)
                        streams.append(stream)
                took = self.honest(BODY_SECS_MAX + SLACK_SECS + 2)
                remarks.append(f"{len(streams)} in the way, another one served after {took:.1f} s")
                self.rest()
                time.sleep(BODY_SECS_MAX - min(took, BODY_SECS_MAX) + SLACK_SECS)
                self.honest()
        with self.report.case("SEC-514: the end of a connection is never acknowledged: it is over all the same") as remarks:
            ended = self.request.replace(b"\r\nAccept", b"\r\nConnection: close\r\nAccept", 1)
            for host in range(40, 40 + CONNECTIONS):
                stream = self.opened(host)
                stream.write(ended)
                stream.wait("answered", 2)
                stream.acknowledges = False
            remarks.append(f"another one served after {self.honest(SERVED_EVERY_SECS):.1f} s")
            self.rest()
        with self.report.case("SEC-514: segments of connections that never were, and their ends: nothing happens"):
            for flags in (ACK, FIN | ACK, RST, RST | ACK, PSH | ACK, SYN | FIN, SYN | RST, 0, 0xFF, SYN | ACK):
                for _ in range(20):
                    source = f"203.0.113.{self.random.randrange(2, 200)}"
                    self.network.send(tcp(source, self.random.randrange(1, 65536), flags, self.random.getrandbits(32),
                                          self.random.getrandbits(32), 1000, self.random.randbytes(self.random.randrange(50))))
            self.honest()

    # SEC-441, LIM-15: who is connected

    def peers(self) -> None:
        for count in (CONNECTIONS - 1, CONNECTIONS, CONNECTIONS + 1, 32):
            with self.report.case(f"SEC-441: {count} silent peers: another one is served within {HONEST_SECS_MAX} s") as remarks:
                streams = [self.network.stream(50 + at) for at in range(count)]
                opened = sum(stream.open(0.3) for stream in streams)
                remarks += [f"{opened} were connected", f"{self.honest():.3f} s"]
                self.rest()
        with self.report.case("LIM-15: the connection that waited longest is the one that ends"):
            streams = []
            for host in range(60, 60 + CONNECTIONS - 1):
                stream = self.opened(host)
                stream.write(self.request)
                stream.wait("answered", 2)
                streams.append(stream)
                time.sleep(0.2)
            self.honest()
            time.sleep(0.2)
            expect([stream.is_ended or stream.is_reset for stream in streams], [True] + [False] * (CONNECTIONS - 2), "ended")
            self.rest()
        per_peer = connections_per_peer()
        # The last free task is kept free, whoever takes it.
        most = min(per_peer, CONNECTIONS - 1)
        with self.report.case(f"LIM-15: one peer keeps {most} connections, and a further one ends the oldest that waits"):
            streams = []
            for _ in range(most + 1):
                stream = self.opened(70)
                stream.write(self.request)
                stream.wait("answered", 2)
                streams.append(stream)
                time.sleep(0.2)
            expect([stream.status() for stream in streams], [200] * (most + 1), "statuses")
            expect([stream.is_ended or stream.is_reset for stream in streams], [True] + [False] * most, "ended")
            self.rest()
        for title, first, secs in (
            ("slow heads", self.request[:60], HEAD_SECS_MAX),
            ("slow bodies", self.request[:-5], BODY_SECS_MAX),
        ):
            within = HONEST_SECS_MAX if per_peer < CONNECTIONS else secs + SLACK_SECS
            with self.report.case(f"SEC-514: one peer takes all that it can have by {title}: another one is served within {within} s") as remarks:
                streams = [self.network.stream(80) for _ in range(8)]
                held = sum(stream.open(0.3) and stream.write(first, within=0.3) for stream in streams)
                remarks += [f"{held} connections held", f"{self.honest(within):.3f} s"]
                self.rest()
                time.sleep(within - HONEST_SECS_MAX)
            with self.report.case(f"SEC-514 SEC-440: {CONNECTIONS * 2} peers with {title}: another one is served after "
                                  f"their {secs} s at the latest") as remarks:
                streams = [self.network.stream(90 + at) for at in range(CONNECTIONS * 2)]
                held = sum(stream.open(0.3) and stream.write(first, within=0.3) for stream in streams)
                remarks += [f"{held} connections held", f"{self.honest(secs + SLACK_SECS):.3f} s"]
                self.rest()
                time.sleep(secs)
        with self.report.case(f"LIM-14: silent peers are gone after {IDLE_SECS_MAX} s"):
            stream = self.opened(110)
            if not stream.wait("over", IDLE_SECS_MAX + SLACK_SECS):
                raise Failure("still connected")

    # INV-1: what comes from the wire

    def garbage(self) -> None:
        def ethernet() -> bytes:
            kind = self.random.choice([0x0800, 0x0806, 0x86DD, self.random.getrandbits(16)])
            return kind.to_bytes(2, "big") + self.random.randbytes(self.random.randrange(0, 1500))

        def datagram() -> bytes:
            protocol = self.random.choice([1, 6, 17, 2, self.random.getrandbits(8)])
            payload = bytearray(self.random.randbytes(self.random.randrange(0, 600)))
            if protocol == 6:
                payload[2:4] = (80).to_bytes(2, "big")
            elif protocol == 17:
                payload[:4] = self.random.choice([b"\0\x43\0\x44", b"\0\x35\x04\0"])
            return b"\x08\0" + ipv4(f"203.0.113.{self.random.randrange(256)}", "10.0.2.15", protocol, bytes(payload))

        def segment() -> bytes:
            options = self.random.randbytes(4 * self.random.randrange(0, 10))
            data = self.random.randbytes(self.random.randrange(0, 100))
            packet = bytearray(tcp(f"203.0.113.{self.random.randrange(2, 200)}", self.random.getrandbits(16), self.random.getrandbits(8),
                                   self.random.getrandbits(32), self.random.getrandbits(32), self.random.getrandbits(16), data, options))
            if self.random.random() < 0.3:
                packet[self.random.randrange(len(packet))] = self.random.getrandbits(8)
            return b"\x08\0" + bytes(packet)

        for title, make in (("frames of random bytes", ethernet), ("IP packets with random contents", datagram),
                            ("TCP segments with random fields", segment)):
            with self.report.case(f"INV-1 INV-7: {GARBAGE_ROUNDS} {title}, seed {SEED}"):
                for at in range(GARBAGE_ROUNDS):
                    self.network.send_to_device(make())
                    if at % 20 == 19:
                        time.sleep(0.01)
                        self.device.check()
                time.sleep(3)
                self.honest(SERVED_EVERY_SECS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    parser.add_argument("parts", nargs="*", help="segments, half_open, closing, peers, garbage")
    options = parser.parse_args()
    report = Report()
    network = Network()
    with Device(options.firmware, network=network.option, resource=RESOURCE) as device:
        packets = Packets(network, device, report)
        for part in options.parts or ("segments", "half_open", "closing", "peers", "garbage"):
            started = time.monotonic()
            with report.case(f"packets, {part}: the device runs afterwards") as remarks:
                getattr(packets, part)()
                packets.rest()
                device.check()
                remarks.append(f"{time.monotonic() - started:.0f} s")
            device.restart()
    network.close()
    report.end()


if __name__ == "__main__":
    main()
