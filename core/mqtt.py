"""The only file that imports the MQTT library: a client with callbacks on its own network thread."""

import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from core.errors import BrokerError
from core.logs import RepeatedTrouble

logger = logging.getLogger(__name__)

KEEPALIVE_S = 30
FAILURE_CODE = 128
"""From this value on, an MQTT reason code says that something failed (MQTT 5, 2.4)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message received: `mid` and `connection` identify it for `MqttClient.acknowledge`."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    connection: int


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes (retained, QoS 1) when the client disappears, and what it says while it is there."""

    topic: str
    offline: bytes = b"offline"
    online: bytes = b"online"


class MqttClient:
    """One connection to the broker, kept up by itself; callbacks run on its network thread and must not block.

    Args:
        url: `mqtt://[user:password@]host[:port]` or `mqtts://...`.
        client_id: name of the session; two clients of one name throw each other out.
        filters: subscribed to (QoS 1) whenever the connection is made.
        on_message: called with each message.
        persistent: the broker keeps the session, with its unacknowledged messages, while we are away.
        manual_ack: QoS 1 messages are acknowledged by `acknowledge`, not by having been delivered.
        will: retained status of this client.
        ca_file: certificate authority for mqtts; default: the system's.
        on_connection: told True and False as the connection comes and goes.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        *,
        filters: Sequence[str] = (),
        on_message: Callable[[Message], None] | None = None,
        persistent: bool = False,
        manual_ack: bool = False,
        will: Will | None = None,
        ca_file: Path | None = None,
        on_connection: Callable[[bool], None] | None = None,
    ) -> None:
        parts = urlsplit(url)
        tls = parts.scheme == "mqtts"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (8883 if tls else 1883)
        self._filters = list(filters)
        self._on_message = on_message
        self._on_connection = on_connection
        self._manual_ack = manual_ack
        self._will = will
        self._connection = 0
        self._connected = threading.Event()
        self._trouble = RepeatedTrouble(logger, f"MQTT broker {self._host}:{self._port}")
        self.last_error = "not connected yet"
        self.reconnects = 0
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not persistent, manual_ack=manual_ack
        )
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if tls:
            client.tls_set(ca_certs=str(ca_file) if ca_file else None, cert_reqs=ssl.CERT_REQUIRED)
        if will:
            client.will_set(will.topic, will.offline, qos=1, retain=True)
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(min_delay=1, max_delay=15)
        client.on_socket_open = _send_at_once
        client.on_connect = self._connect_answered
        client.on_disconnect = self._disconnected
        client.on_connect_fail = self._connect_failed
        client.on_subscribe = self._subscribed
        client.on_message = self._message_received
        self._client = client

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection stands."""
        return self._connected.is_set()

    def start(self) -> None:
        """Begin to connect, in the background and again whenever the connection breaks."""
        self._client.connect_async(self._host, self._port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def wait_connected(self, timeout_s: float) -> None:
        """Wait for the connection.

        Raises:
            BrokerError: not within `timeout_s`; says why not.
        """
        if not self._connected.wait(timeout_s):
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: {self.last_error}")

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Send a message, now or, with QoS 1, when the connection is back. Never waits."""
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def publish_confirmed(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float = 5.0) -> None:
        """Send with QoS 1 and wait until the broker has acknowledged.

        Raises:
            BrokerError: no acknowledgement within `timeout_s`.
        """
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        try:
            info.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: message not taken: {error}") from error
        if not info.is_published():
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: no acknowledgement within {timeout_s:g} s")

    def publish_all(
        self, messages: Iterable[tuple[str, bytes]], *, in_flight: int = 200, timeout_s: float = 30.0
    ) -> Iterator[int]:
        """Send topics with payloads in order with QoS 1, never more than `in_flight` unacknowledged.

        Yields how many the broker has acknowledged so far, at least after each that is sent. A broken connection is
        waited for; what was in flight is sent again.

        Raises:
            BrokerError: no connection or no acknowledgement within `timeout_s`; says how many are safe.
        """
        waiting: deque[paho.MQTTMessageInfo] = deque()
        acknowledged = 0
        try:
            for topic, payload in messages:
                self.wait_connected(timeout_s)
                info = self._client.publish(topic, payload, qos=1)
                if (
                    info.rc == paho.MQTT_ERR_NO_CONN
                ):  # lost just now: it is queued, and sent when the connection is back
                    info.rc = paho.MQTT_ERR_SUCCESS
                waiting.append(info)
                while len(waiting) >= in_flight or (waiting and waiting[0].is_published()):
                    self._wait_published(waiting[0], timeout_s)
                    waiting.popleft()
                    acknowledged += 1
                yield acknowledged
            while waiting:
                self._wait_published(waiting[0], timeout_s)
                waiting.popleft()
                acknowledged += 1
                yield acknowledged
        except (BrokerError, RuntimeError, ValueError) as error:
            raise BrokerError(f"after {acknowledged} acknowledged messages: {error}") from error

    def _wait_published(self, info: paho.MQTTMessageInfo, timeout_s: float) -> None:
        info.wait_for_publish(timeout_s)
        if not info.is_published():
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: no acknowledgement within {timeout_s:g} s")

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a QoS 1 message is safe with us (with `manual_ack`).

        A message of an earlier connection is left alone: the broker sends it again, and its number may by now
        belong to another message.
        """
        if self._manual_ack and message.qos and message.connection == self._connection:
            self._client.ack(message.mid, message.qos)

    def stop(self) -> None:
        """Say goodbye: the status becomes offline, waiting messages are given a second, the connection is closed."""
        if self.connected and self._will:
            info = self._client.publish(self._will.topic, self._will.offline, qos=1, retain=True)
            try:
                info.wait_for_publish(1.0)
            except (RuntimeError, ValueError):
                logger.debug("offline status not delivered")
        self._client.disconnect()
        self._client.loop_stop()
        self._connected.clear()

    def _connect_answered(
        self,
        client: paho.Client,
        _data: Any,
        _flags: paho.ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self.last_error = f"refused the connection: {code}"
            self._trouble.happened(self.last_error)
            return
        self._trouble.over()
        self.reconnects += self._connection > 0
        self._connection += 1
        if self._filters:
            client.subscribe([(filter_, 1) for filter_ in self._filters])
        if self._will:
            client.publish(self._will.topic, self._will.online, qos=1, retain=True)
        self._connected.set()
        if self._on_connection:
            self._on_connection(True)

    def _disconnected(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Properties | None
    ) -> None:
        was_connected = self._connected.is_set()
        self._connected.clear()
        if code.is_failure and was_connected:  # after a refusal the reason of the refusal stays
            self.last_error = f"connection lost: {code}"
            self._trouble.happened(self.last_error)
        if self._on_connection:
            self._on_connection(False)

    def _connect_failed(self, _client: paho.Client, _data: Any) -> None:
        self.last_error = "nothing answers there"
        self._trouble.happened(self.last_error)

    def _subscribed(
        self, _client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for filter_, code in zip(self._filters, codes, strict=False):
            if code.value >= FAILURE_CODE:
                self.last_error = f"subscription to {filter_} refused: {code}"
                logger.error("MQTT broker %s:%s: %s", self._host, self._port, self.last_error)

    def _message_received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if self._on_message is None:
            return
        received = Message(
            message.topic, bytes(message.payload), message.qos, message.retain, message.mid, self._connection
        )
        try:
            self._on_message(received)
        except Exception:
            # An exception here would end the network thread: the stream must go on.
            logger.exception("handling a message on %s failed", message.topic)


def _send_at_once(_client: paho.Client, _data: Any, opened: Any) -> None:
    """Without Nagle's algorithm: it holds a command back until the broker's delayed TCP answer, 40 ms on Linux."""
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
