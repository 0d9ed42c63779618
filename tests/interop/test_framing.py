"""The readers of `framing` find an answer that is not framed as it is sent."""

from __future__ import annotations

import socketserver
import threading
import unittest
from typing import Callable

from framing import misread, read_by_node, read_by_python

GET = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
HONEST = {"GET": GET + b"hello", "HEAD": GET, "OPTIONS": b"HTTP/1.1 204 No Content\r\n\r\n"}


def answers(of: dict[str, bytes]) -> type[socketserver.StreamRequestHandler]:
    """A server of one connection after another, which answers each method so."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(of[line.split()[0].decode()])

    return Handler


class Readers(unittest.TestCase):
    def reads(self, of: dict[str, bytes], why: Callable[[str | None], None]) -> None:
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), answers(of)) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            for reader in (read_by_python, read_by_node):
                with self.subTest(reader=reader.__name__, answers=of):
                    why(misread(reader, url))
            server.shutdown()

    def test_honest_answers_are_read(self) -> None:
        self.reads(HONEST, self.assertIsNone)

    def test_wrong_framing_is_found(self) -> None:
        for method, answer in (
            ("HEAD", GET + b"hello"),
            ("OPTIONS", HONEST["OPTIONS"] + b"hello"),
            ("GET", GET + b"hello, you"),
        ):
            self.reads(HONEST | {method: answer}, self.assertIsNotNone)


if __name__ == "__main__":
    unittest.main()
