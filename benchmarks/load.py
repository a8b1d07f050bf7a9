"""Load on a broker that costs little itself: packets made beforehand, QoS 1, acknowledgements only counted.

A client library would take as much of the two cores as what is measured.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence

CHUNK = 50
"""Packets per write when no rate is given."""
WINDOW = 2_000
"""Packets sent and not yet acknowledged."""
LAST_MID = 65_535
ACK_BYTES = 4


def publish_packet(topic: str, payload: bytes, mid: int) -> bytes:
    """A PUBLISH with QoS 1 (MQTT 3.1.1, 3.3); `mid` 1 to 65,535."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big") + payload
    return b"\x32" + _length(len(body)) + body


def mid_of(index: int) -> int:
    """Packet identifiers in turn."""
    return index % LAST_MID + 1


class Publisher:
    """One connection that publishes with QoS 1; not for several threads."""

    def __init__(self, port: int, client_id: str) -> None:
        name = client_id.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"\x10" + _length(len(body)) + body)
        answer = self._socket.recv(4)
        if answer[3:] != b"\x00":
            raise ConnectionError(f"the broker refused the load: {answer!r}")
        self._socket.setblocking(False)
        self.sent = 0
        self._ack_bytes = 0

    @property
    def acknowledged(self) -> int:
        """How many the broker has taken."""
        return self._ack_bytes // ACK_BYTES

    def publish(self, packets: Sequence[bytes]) -> None:
        """As fast as the broker takes them; returns when it has acknowledged all."""
        goal = self.sent + len(packets)
        for first in range(0, len(packets), CHUNK):
            chunk = packets[first : first + CHUNK]
            while self.sent - self.acknowledged > WINDOW:
                self._collect(wait_s=1.0)
            self.send(b"".join(chunk), len(chunk))
            self._collect(wait_s=0)
        while self.acknowledged < goal:
            self._collect(wait_s=1.0)

    def publish_at(self, rate: float, packets: Sequence[bytes], sending: Callable[[int], None] | None = None) -> None:
        """`rate` a second whatever happens (open loop); `sending` is told each index just before it goes out."""
        began = time.perf_counter()
        for index, packet in enumerate(packets):
            due = began + index / rate
            while (wait_s := due - time.perf_counter()) > 0:
                self._collect(wait_s=0)
                time.sleep(min(wait_s, 0.01))
            if sending is not None:
                sending(index)
            self.send(packet, 1)
        # Closed with answers unread, the connection is reset and the broker loses what it has not read yet.
        while self.acknowledged < self.sent:
            self._collect(wait_s=1.0)

    def send(self, data: bytes, count: int) -> None:
        """Write `count` packets."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                self._collect(wait_s=0.1)
        self.sent += count

    def close(self) -> None:
        """Disconnect."""
        self._socket.setblocking(True)
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()

    def _collect(self, wait_s: float) -> None:
        if select.select([self._socket], [], [], wait_s)[0]:
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionError("the broker closed the connection of the load")
            self._ack_bytes += len(data)


def _length(count: int) -> bytes:
    encoded = bytearray()
    while True:
        count, digit = divmod(count, 128)
        encoded.append(digit | (128 if count else 0))
        if not count:
            return bytes(encoded)
