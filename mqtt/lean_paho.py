"""paho with lean reading and writing of packets (decision 0011); what `mqtt.client` is built on."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

READ_BYTES: Final = 65_536
"""Read from the socket at once: some hundred messages of devices."""
WRITE_BYTES: Final = 65_536
"""Written to the socket at once, unless a single packet is larger."""
_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40
_SUCCESS: Final = ReasonCode(PacketTypes.PUBACK)
_NO_PROPERTIES: Final = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]
_MAX_LENGTH_SHIFT: Final = 21
"""The remaining length of a packet has at most four bytes of seven bits (MQTT 3.1.1, 2.2.3)."""


class LeanPaho(paho.Client):
    """paho's client with lean reading and writing: many packets with one system call each way.

    paho reads a packet with three system calls or more and hands it over through several objects and locks; that
    is most of what ingest's network thread would do (docs/performance.md). Connecting, sessions, keep-alive,
    sending again and TLS stay paho's. The overridden methods are private to it: the tests of mqtt.client pin them.

    Args:
        client_id: name of the session.
        persistent: the broker keeps the session.
        acknowledge: messages with QoS 1 are acknowledged once delivered.
        deliver: called with topic, payload, QoS, retain, packet identifier and DUP flag of each message.
        renew: called before each attempt to connect, when nothing of the earlier connection is left to be sent.
    """

    def __init__(
        self,
        client_id: str,
        *,
        persistent: bool,
        acknowledge: bool,
        deliver: Callable[[str, bytes, int, bool, int, bool], None],
        renew: Callable[[], None],
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not persistent, manual_ack=not acknowledge
        )
        self._acknowledge = acknowledge
        self._deliver = deliver
        self._renew = renew
        self.expiring: dict[int, tuple[float, paho.MQTTMessageInfo]] = {}
        """Of messages that are not to be sent for ever: until when (monotonic seconds); an answered one is gone."""
        self._held_back = False
        self._unread = bytearray()
        self._needed = 2

    def queue_acknowledgements(self, mids: Sequence[int]) -> None:
        """Acknowledge messages with QoS 1; from any thread."""
        packets = b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids])
        self._packet_queue(_PUBACK, packets, mids[-1], 1)

    def hold_back(self) -> None:
        """What is published from now on waits for `let_go` (or goes out with something else): one waking for many."""
        self._held_back = True

    def let_go(self) -> None:
        """Have the network thread write what was held back."""
        self._held_back = False
        if self._sockpairW is not None:
            with contextlib.suppress(BlockingIOError):  # full of wakings: it is awake
                self._sockpairW.send(b"0")

    def reconnect(self) -> MQTTErrorCode:
        """Connect, now or again; see `paho.Client.reconnect`."""
        self._unread.clear()
        self._needed = 2
        self._renew()
        return super().reconnect()

    def _packet_queue(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: paho.MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        if threading.current_thread() is not self._thread and not self._held_back:
            return super()._packet_queue(command, packet, mid, qos, info)
        # The network thread itself writes before it waits again: nobody has to be woken. Or `let_go` will do it.
        self._out_packet.append(_out_packet(command, packet, mid, qos, info))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _packet_read(self) -> MQTTErrorCode:
        try:
            chunk = self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if not chunk:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        if self._unread:
            self._unread += chunk
            if len(self._unread) < self._needed:
                return MQTTErrorCode.MQTT_ERR_AGAIN
            chunk = bytes(self._unread)
        result, done = self._handle_packets(chunk)
        self._unread[:] = chunk[done:]
        return result if result > 0 else MQTTErrorCode.MQTT_ERR_AGAIN  # again: whether there is more, `select` says

    def _handle_packets(self, data: bytes) -> tuple[MQTTErrorCode, int]:
        """Handle the whole packets in `data`; how it went and how many bytes they were."""
        end, start = len(data), 0
        delivered: list[int] = []
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        self._needed = 2
        while end - start >= 2 and result <= 0 and self._sock is not None:  # noqa: PLR2004 - the shortest packet
            first, length, at = data[start], data[start + 1], start + 2
            if length > 127:  # noqa: PLR2004 - the length goes on
                length, at = _long_length(data, length, at)
                if length < 0:
                    return MQTTErrorCode.MQTT_ERR_PROTOCOL, start
            stop = at + length
            if stop > end:
                self._needed = stop - start
                break
            if first & 0xF4 == _PUBLISH:  # QoS 0 or 1
                result = self._handle_message(first, data, at, stop, delivered)
            elif first == _PUBACK and length == 2:  # noqa: PLR2004 - an identifier and nothing else
                result = self._handle_taken(data[at] << 8 | data[at + 1])
            else:
                result = self._handle_other(first, data[at:stop])
            start = stop
        if delivered and result <= 0:
            self.queue_acknowledgements(delivered)
        return result, start

    def _handle_message(self, first: int, data: bytes, at: int, stop: int, delivered: list[int]) -> MQTTErrorCode:
        """A PUBLISH with QoS 0 or 1, its body from `at` to `stop` (MQTT 3.1.1, 3.3)."""
        topic_end = at + 2 + (data[at] << 8 | data[at + 1]) if stop - at > 1 else stop + 1
        payload_at = topic_end + (first & 2)
        if payload_at > stop:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        mid = data[topic_end] << 8 | data[topic_end + 1] if first & 2 else 0
        topic = data[at + 2 : topic_end].decode("utf-8", "replace")  # replaced: no topic of ours, so it is rejected
        self._deliver(topic, data[payload_at:stop], first >> 1 & 1, bool(first & 1), mid, bool(first & 8))
        if mid and self._acknowledge:
            delivered.append(mid)
        # What the message caused goes out before the next one is looked at.
        return self._packet_write() if self._out_packet else MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_taken(self, mid: int) -> MQTTErrorCode:
        """The broker has taken a message of ours."""
        self.expiring.pop(mid, None)
        with self._out_message_mutex:
            if mid in self._out_messages:
                return self._do_on_publish(mid, _SUCCESS, _NO_PROPERTIES)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_other(self, first: int, body: bytes) -> MQTTErrorCode:
        """Any packet but a message: paho's part."""
        self._in_packet["command"] = first
        self._in_packet["packet"] = bytearray(body)
        self._in_packet["remaining_length"] = len(body)
        self._in_packet["pos"] = 0
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _packet_write(self) -> MQTTErrorCode:
        waiting = self._out_packet
        if len(waiting) > 1:
            self._join_packets()
        return super()._packet_write()

    def _join_packets(self) -> None:
        """Make one of the acknowledgements and QoS 1 messages that wait at the front: one system call, one TLS record.

        paho follows them by identifier in other places; here they are only bytes.
        """
        waiting = self._out_packet
        joined: list[bytes | bytearray] = []
        size = 0
        while waiting and size < WRITE_BYTES:
            packet = waiting[0]
            kind = packet["command"] & 0xF0
            if kind != _PUBACK and not (kind == _PUBLISH and packet["qos"]):
                break
            waiting.popleft()
            joined.append(packet["packet"][packet["pos"] :])
            size += packet["to_process"]
        if joined:
            waiting.appendleft(_out_packet(_PUBACK, b"".join(joined), 0, 1, None))


def _long_length(data: bytes, length: int, at: int) -> tuple[int, int]:
    """A remaining length of several bytes whose first is before `at`, and where it ends; (-1, 0): it is none.

    As long as bytes are missing it is larger than what is there.
    """
    length &= 127
    for shift in range(7, _MAX_LENGTH_SHIFT + 1, 7):
        if at == len(data):
            return 1, at
        part = data[at]
        at += 1
        length |= (part & 127) << shift
        if part < 128:  # noqa: PLR2004 - the last byte
            return length, at
    return -1, 0


def _out_packet(
    command: int, packet: bytes | bytearray, mid: int, qos: int, info: paho.MQTTMessageInfo | None
) -> "paho._OutPacket":
    return {
        "command": command,
        "mid": mid,
        "qos": qos,
        "pos": 0,
        "to_process": len(packet),
        "packet": packet,
        "info": info,
    }
