"""Peers that only take room."""

from __future__ import annotations

import threading
import time

from wire import Connection


class Crowd:
    """Many connections that only take room; those that are turned away come back, after so many seconds."""

    def __init__(self, port: int, count: int, first: bytes, drip: bytes, back_secs: float) -> None:
        self._port, self._first, self._drip, self._back_secs = port, first, drip, back_secs
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._hold, daemon=True) for _ in range(count)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _hold(self) -> None:
        while not self._ends.is_set():
            try:
                with Connection(self._port, timeout=1, receive_len=4096) as connection:
                    self._fill(connection)
            except OSError:
                pass
            self._ends.wait(self._back_secs)

    def _fill(self, connection: Connection) -> None:
        try:
            connection.send(self._first)
        except TimeoutError:
            # Nothing more is taken: the answers stand in the way.
            self._ends.wait(30)
            return
        if len(self._first) > 100_000:
            self._ends.wait(30)
            return
        while not self._ends.wait(1.0):
            if connection.readable(0) and not connection._more():
                return
            if self._drip:
                connection.send(self._drip)
