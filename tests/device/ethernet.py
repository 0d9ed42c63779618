"""A network of Python's own around one device: any number of peers, and every packet as it should not be.

QEMU hands over each Ethernet frame as a datagram. Here are an address for the device (DHCP, RFC 2131), answers
to who has an address (ARP), and peers that speak just as much TCP (RFC 9293) as a test wants them to.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from report import Failure

DEVICE, ROUTER = "10.0.2.15", "10.0.2.2"
# Peers are behind the router: the device has to know one Ethernet address (RFC 5737 names such networks).
PEERS = "203.0.113."
PORT = 80
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
RESEND_SECS = 0.25
WINDOW = 16_384
# What fits one frame of 1514 bytes.
SEGMENT_LEN_MAX = 1_400


def raw_ip(address: str) -> bytes:
    return socket.inet_aton(address)


ROUTER_MAC = b"\x02\0" + raw_ip(ROUTER)


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0, raw_ip(source), raw_ip(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def with_checksum(source: str, target: str, protocol: int, payload: bytes, at: int) -> bytes:
    pseudo = raw_ip(source) + raw_ip(target) + struct.pack("!BBH", 0, protocol, len(payload))
    return payload[:at] + struct.pack("!H", checksum(pseudo + payload)) + payload[at + 2 :]


def tcp(source: str, port: int, flags: int, seq: int, ack: int, window: int, data: bytes = b"", options: bytes = b"") -> bytes:
    head = struct.pack("!HHIIBBHHH", port, PORT, seq % 2**32, ack % 2**32, (20 + len(options)) // 4 << 4, flags, window, 0, 0)
    return ipv4(source, DEVICE, 6, with_checksum(source, DEVICE, 6, head + options + data, 16))


@dataclass
class Stream:
    """One TCP connection of a peer; does nothing by itself but to acknowledge, unless it is told not to."""

    network: Network
    address: str
    port: int
    window: int = WINDOW
    acknowledges: bool = True
    start: int = field(default_factory=lambda: random.getrandbits(31))
    peer_start: int | None = None
    taken: int = 0
    """Bytes that the device has acknowledged."""
    received: bytes = b""
    is_ended: bool = False
    is_reset: bool = False

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.network.streams[self.address, self.port] = self

    def send(self, flags: int, at: int = 0, data: bytes = b"", options: bytes = b"") -> None:
        """One segment; its data is that from `at` on."""
        seq = self.start if flags & SYN else self.start + 1 + at
        ack = (self.peer_start or 0) + 1 + len(self.received) + self.is_ended if flags & ACK else 0
        self.network.send(tcp(self.address, self.port, flags, seq, ack, self.window, data, options))

    def take(self, segment: bytes) -> None:
        """A segment of the device."""
        seq, ack, offset, flags = struct.unpack("!4xIIBB", segment[:14])
        data = segment[(offset >> 4) * 4 :]
        with self.changed:
            if flags & RST:
                self.is_reset = True
            if flags & SYN and self.peer_start is None:
                self.peer_start = seq
            elif self.peer_start is not None:
                if flags & ACK:
                    self.taken = max(self.taken, (ack - self.start - 1) % 2**32 if ack != self.start else 0)
                expected = (self.peer_start + 1 + len(self.received)) % 2**32
                if seq == expected and not self.is_ended and self.acknowledges:
                    self.received += data
                    self.is_ended = bool(flags & FIN)
                if (data or flags & FIN) and self.acknowledges:
                    self.send(ACK, self.taken)
            self.changed.notify_all()

    def wait(self, ready: str, within: float) -> bool:
        """Waits until one of its conditions holds: `open`, `reset`, `over`, `answered`."""
        conditions = {
            "open": lambda: self.peer_start is not None or self.is_reset,
            "over": lambda: self.is_ended or self.is_reset,
            "answered": lambda: self.is_answered() or self.is_ended or self.is_reset,
        }
        with self.changed:
            return self.changed.wait_for(conditions[ready], within)

    def open(self, within: float = 1.0) -> bool:
        """The handshake; false when the device refuses, or does not answer."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and not self.is_reset:
            self.send(SYN, options=struct.pack("!BBH", 2, 4, SEGMENT_LEN_MAX))
            if self.wait("open", RESEND_SECS):
                break
        if self.peer_start is None or self.is_reset:
            return False
        self.send(ACK)
        return True

    def write(self, data: bytes, at: int = 0, within: float = 5.0) -> bool:
        """Sends data in order, and again until it is acknowledged."""
        deadline = time.monotonic() + within
        end = at + len(data)
        while self.taken < end and not self.is_reset and time.monotonic() < deadline:
            here = max(self.taken, at)
            piece = data[here - at : here - at + SEGMENT_LEN_MAX]
            self.send(ACK | PSH, here, piece)
            with self.changed:
                self.changed.wait_for(lambda: self.taken >= here + len(piece) or self.is_reset, RESEND_SECS)
        return self.taken >= end

    def is_answered(self) -> bool:
        """Whether the first answer is there, whole."""
        head, _, content = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return length is not None and len(content) >= int(length[1])

    def status(self) -> int | None:
        """The status of the first answer."""
        return int(self.received[9:12]) if self.received.startswith(b"HTTP/1.1 ") else None

    def reset(self) -> None:
        self.send(RST | ACK, self.taken)
        self.network.streams.pop((self.address, self.port), None)


class Network:
    """The wire, and who is on it besides the device."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self._device = ("127.0.0.1", probe.getsockname()[1])
        self.streams: dict[tuple[str, int], Stream] = {}
        self._device_mac = b"\xff" * 6
        self._ports = iter(range(1024, 65536))
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def option(self) -> str:
        """QEMU's option for the network."""
        here = self._socket.getsockname()[1]
        return f"socket,udp=127.0.0.1:{here},localaddr=127.0.0.1:{self._device[1]}"

    def close(self) -> None:
        self._socket.close()

    def stream(self, host: int, **options: object) -> Stream:
        """A connection to be, of the peer with this number."""
        return Stream(self, f"{PEERS}{host}", next(self._ports), **options)  # type: ignore[arg-type]

    def send(self, packet: bytes, kind: int = 0x0800) -> None:
        self.send_to_device(struct.pack("!H", kind) + packet)

    def send_to_device(self, data: bytes) -> None:
        """What stands behind the addresses of a frame."""
        self.send_frame(self._device_mac + ROUTER_MAC + data)

    def send_frame(self, frame: bytes) -> None:
        self._socket.sendto(frame.ljust(60, b"\0"), self._device)

    def _run(self) -> None:
        while True:
            try:
                frame = self._socket.recv(65536)
            except OSError:
                return
            self._device_mac = frame[6:12]
            kind = struct.unpack("!H", frame[12:14])[0]
            if kind == 0x0806:
                self._resolve(frame[14:42])
            elif kind == 0x0800:
                length = struct.unpack("!H", frame[16:18])[0]
                self._take(frame[14 : 14 + length])

    def _resolve(self, query: bytes) -> None:
        if query[6:8] == b"\0\x01" and query[24:28] == raw_ip(ROUTER):
            self.send(query[:6] + b"\0\x02" + ROUTER_MAC + raw_ip(ROUTER) + query[8:18], 0x0806)

    def _take(self, packet: bytes) -> None:
        payload = packet[(packet[0] & 15) * 4 :]
        if packet[9] == 6:
            stream = self.streams.get((socket.inet_ntoa(packet[16:20]), struct.unpack("!H", payload[2:4])[0]))
            if stream is not None:
                stream.take(payload)
        elif packet[9] == 17 and payload[2:4] == b"\0\x43":
            self._lend_address(payload[8:])

    def _lend_address(self, query: bytes) -> None:
        kind = query[query.index(b"\x35\x01", 240) + 2]
        options = b"\x63\x82\x53\x63\x35\x01" + (b"\x02" if kind == 1 else b"\x05") + b"\x36\x04" + raw_ip(ROUTER)
        options += b"\x33\x04\0\x01\x51\x80\x01\x04\xff\xff\xff\0\x03\x04" + raw_ip(ROUTER) + b"\xff"
        answer = b"\x02" + query[1:4] + query[4:8] + b"\0\0" + query[10:12] + b"\0" * 4 + raw_ip(DEVICE)
        answer += raw_ip(ROUTER) + b"\0" * 4 + query[28:44] + b"\0" * 192 + options
        udp = struct.pack("!HHHH", 67, 68, 8 + len(answer), 0) + answer
        target = "255.255.255.255"
        self.send_frame(b"\xff" * 6 + ROUTER_MAC + b"\x08\0" + ipv4(ROUTER, target, 17, with_checksum(ROUTER, target, 17, udp, 6)))


def ask(network: Network, host: int, data: bytes, within: float) -> Stream:
    """An honest peer: one connection, one request, and again while it is turned away."""
    deadline = time.monotonic() + within
    while True:
        stream = network.stream(host)
        left = max(deadline - time.monotonic(), 0.1)
        if stream.open(left) and stream.write(data, within=left) and stream.wait("answered", left) and stream.status():
            stream.reset()
            return stream
        stream.reset()
        if time.monotonic() >= deadline:
            raise Failure(f"not served within {within} s")
        time.sleep(0.02)
