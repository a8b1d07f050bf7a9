"""The MQTT library's only door: a client with callbacks on its own network thread."""

import itertools
import logging
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from core.errors import BrokerError
from core.logs import RepeatedTrouble
from mqtt.lean_paho import LeanPaho

logger = logging.getLogger(__name__)

_Codes = list[ReasonCode]
KEEPALIVE_S = 30
FAILURE_CODE = 128
"""From this value on, an MQTT reason code says that something failed (MQTT 5, 2.4)."""
_connection_numbers = itertools.count(1)
"""Numbers the connections of all clients in the process: each message belongs to one, and to one client."""


MAX_EXPIRING: Final = 10_000
"""Messages with an expiry that may wait for the connection: far below the 65,535 that MQTT can number."""


_NOWHERE: Final = "kreispuls/flush"
"""A filter that nobody subscribes to: ending that subscription changes nothing and is answered."""


class Message(NamedTuple):
    """A message received: `mid` and `connection` identify it for `MqttClient.acknowledge`.

    `repeated`: the broker has sent it before, in the session of the client id `session` under the same `mid`.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    connection: int
    repeated: bool = False
    session: str = ""


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
        on_subscribed: told when the broker has granted all `filters` of a connection.
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
        on_subscribed: Callable[[], None] | None = None,
    ) -> None:
        parts = urlsplit(url)
        tls = parts.scheme == "mqtts"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (8883 if tls else 1883)
        self._session = client_id
        self._filters = list(filters)
        self._on_message = on_message
        self._on_connection = on_connection
        self._on_subscribed = on_subscribed
        self._subscribing: int | None = None
        self._manual_ack = manual_ack
        self._will = will
        self._connection = 0
        self._paused = False
        self._delivering = False
        self._accepted = False
        self._connected = threading.Event()
        self._answered = threading.Condition()
        self._asked: set[int] = set()
        self._answers: dict[int, _Codes] = {}
        self._trouble = RepeatedTrouble(logger, f"MQTT broker {self._host}:{self._port}")
        self.last_error = "not connected yet"
        self.reconnects = 0
        self._acknowledging = threading.Lock()
        client = LeanPaho(
            client_id, persistent=persistent, acknowledge=not manual_ack, deliver=self._deliver, renew=self._renew
        )
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if tls:
            client.tls_set(ca_certs=str(ca_file) if ca_file else None, cert_reqs=ssl.CERT_REQUIRED)
        if will:
            client.will_set(will.topic, will.offline, qos=1, retain=True)
        client.max_inflight_messages_set(0)  # no limit: with one, paho walks through all in flight at every answer
        client.reconnect_delay_set(min_delay=1, max_delay=15)
        client.on_socket_open = _send_at_once
        client.on_connect = self._connect_answered
        client.on_disconnect = self._disconnected
        client.on_connect_fail = self._connect_failed
        client.on_subscribe = self._subscribed
        client.on_unsubscribe = self._unsubscribed
        self._client = client
        self._expiring = client.expiring

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

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expires_s: float | None = None
    ) -> None:
        """Send a message, now or, with QoS 1, when the connection is back. Never waits.

        With `expires_s` a connection that comes later than that sends it no more, neither first nor again. Of these no
        more than MAX_EXPIRING wait: then the older half is forgotten.
        """
        if expires_s is not None and len(self._expiring) >= MAX_EXPIRING:
            self._forget_expired(keep=MAX_EXPIRING // 2)
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc == paho.MQTT_ERR_QUEUE_SIZE:  # the identifier is still another message's: paho takes the next one
            info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if expires_s is not None:
            self._expiring[info.mid] = (time.monotonic() + expires_s, info)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is published within goes out together at the end: the network thread is disturbed once."""
        self._client.hold_back()
        try:
            yield
        finally:
            self._client.let_go()

    def publish_confirmed(
        self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float = 5.0, expires: bool = False
    ) -> None:
        """Send with QoS 1 and wait until the broker has acknowledged.

        Raises:
            BrokerError: no acknowledgement within `timeout_s`. The message is sent once the connection is back; with
                `expires` it is not.
        """
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if expires:
            self._expiring[info.mid] = (0.0, info)  # sent with this connection or never
        try:
            info.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: message not taken: {error}") from error
        if not info.is_published():
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: no acknowledgement within {timeout_s:g} s")

    def publish_all(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        in_flight: int = 200,
        timeout_s: float = 30.0,
        expires: bool = False,
    ) -> Iterator[int]:
        """Send topics with payloads in order with QoS 1, never more than `in_flight` unacknowledged.

        Yields how many the broker has acknowledged so far, at least after each that is sent. A broken connection is
        waited for; what was in flight is sent again; with `expires` it is not, and ends in an error.

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
                if expires:
                    self._expiring[info.mid] = (0.0, info)  # sent with this connection or never
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
        if message.qos:
            self.acknowledge_all(((message.connection, message.mid),))

    def acknowledge_all(self, deliveries: Iterable[tuple[int, int]]) -> None:
        """`acknowledge` for many QoS 1 messages, each (connection, mid), with one write to the network."""
        if not self._manual_ack:
            return
        with self._acknowledging:  # no new connection may begin between the comparison and the queue
            current = self._connection
            mids = [mid for connection, mid in deliveries if connection == current]
            if mids:
                self._client.queue_acknowledgements(mids)

    def subscribe(self, filters: Sequence[str], timeout_s: float = 5.0) -> None:
        """Subscribe to more (QoS 1), now and whenever the connection is made; returns when the broker has granted it.

        Raises:
            BrokerError: not connected, refused or no answer within `timeout_s`; nothing is to be taken as subscribed.
        """
        codes = self._ask(filters, lambda: self._client.subscribe([(filter_, 1) for filter_ in filters])[1], timeout_s)
        refused = [filter_ for filter_, code in zip(filters, codes, strict=False) if code.value >= FAILURE_CODE]
        if refused:
            raise BrokerError(f"MQTT broker {self._host}:{self._port}: subscription to {', '.join(refused)} refused")
        self._filters += [filter_ for filter_ in filters if filter_ not in self._filters]

    def unsubscribe(self, filters: Sequence[str], timeout_s: float = 5.0) -> None:
        """End subscriptions, here and in the session; returns when the broker has confirmed.

        Raises:
            BrokerError: not connected or no answer within `timeout_s`.
        """
        self._filters = [filter_ for filter_ in self._filters if filter_ not in filters]
        self._ask(filters, lambda: self._client.unsubscribe(list(filters))[1], timeout_s)

    def _ask(self, filters: Sequence[str], send: Callable[[], int | None], timeout_s: float) -> _Codes:
        """Ask the broker about subscriptions and wait for its answer."""
        with self._answered:  # the answer waits until its number is known here
            mid = send()
            if mid is not None:
                self._asked.add(mid)
                self._answered.wait_for(lambda: mid in self._answers or mid not in self._asked, timeout_s)
                self._asked.discard(mid)
                if mid in self._answers:
                    return self._answers.pop(mid)
        raise BrokerError(
            f"MQTT broker {self._host}:{self._port}: no answer about {', '.join(filters)} within {timeout_s:g} s"
        )

    def _answer(self, mid: int, codes: _Codes) -> None:
        with self._answered:
            if mid in self._asked:
                self._answers[mid] = codes
                self._answered.notify_all()

    def pause(self, timeout_s: float = 1.0) -> None:
        """Hand over no more messages (with `manual_ack`): the session keeps them, and who connects next gets them.

        Returns when no message is being handled, or after `timeout_s` of handling one.
        """
        self._paused = True
        deadline = time.monotonic() + timeout_s
        while self._delivering and time.monotonic() < deadline:
            time.sleep(0.001)

    def flush(self, timeout_s: float = 5.0) -> None:
        """Return when the broker has read all that was sent before, acknowledgements too.

        Raises:
            BrokerError: not connected or no answer within `timeout_s`.
        """
        self._ask([_NOWHERE], lambda: self._client.unsubscribe(_NOWHERE)[1], timeout_s)

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
        self.reconnects += self._accepted
        self._accepted = True
        self._forget_expired()
        if self._filters:
            self._subscribing = client.subscribe([(filter_, 1) for filter_ in self._filters])[1]
        if self._will:
            client.publish(self._will.topic, self._will.online, qos=1, retain=True)
        self._connected.set()
        if self._on_connection:
            self._on_connection(True)

    def _disconnected(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._answered:  # answers of this connection come no more
            self._asked.clear()
            self._answers.clear()
            self._answered.notify_all()
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

    def _forget_expired(self, keep: int = MAX_EXPIRING) -> None:
        """Take what has expired out of paho's queue, just before paho sends again what is in it (3.1.1, 4.4).

        The oldest go with it if more than `keep` are left; what is on its way cannot be taken back.

        paho has no public way; `tests/mqtt/test_expiry.py` holds this to what its version does.
        """
        now = time.monotonic()
        waiting = self._client._out_messages  # noqa: SLF001
        with self._client._out_message_mutex:  # noqa: SLF001
            for mid, (deadline, info) in list(self._expiring.items()):
                message = waiting.get(mid)
                if message is None or message.info is not info:
                    self._expiring.pop(mid, None)  # acknowledged; the number may be another message's by now
                elif deadline <= now and message.state in (paho.mqtt_ms_publish, paho.mqtt_ms_queued):
                    del waiting[mid]
                    self._expiring.pop(mid, None)
            for mid in list(self._expiring)[: max(0, len(self._expiring) - keep)]:
                message = waiting.get(mid)
                if message is not None and message.state in (paho.mqtt_ms_publish, paho.mqtt_ms_queued):
                    del waiting[mid]
                self._expiring.pop(mid, None)

    def _unsubscribed(
        self, _client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._answer(mid, codes)

    def _subscribed(
        self, _client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._answer(mid, codes)
        if mid == self._subscribing and self._on_subscribed and all(code.value < FAILURE_CODE for code in codes):
            self._on_subscribed()
        for filter_, code in zip(self._filters, codes, strict=False):
            if code.value >= FAILURE_CODE:
                self.last_error = f"subscription to {filter_} refused: {code}"
                logger.error("MQTT broker %s:%s: %s", self._host, self._port, self.last_error)

    def _renew(self) -> None:
        """A connection is about to be made: acknowledgements of earlier ones must not get into it."""
        with self._acknowledging:
            self._connection = next(_connection_numbers)

    def _deliver(  # noqa: PLR0917 - positional: this runs for every message
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,  # noqa: FBT001
        mid: int,
        repeated: bool,  # noqa: FBT001
    ) -> None:
        if self._on_message is None:
            return
        self._delivering = True  # before the look at `_paused`, as `pause` sets that before its look at this
        try:
            if not self._paused:
                self._on_message(Message(topic, payload, qos, retain, mid, self._connection, repeated, self._session))
        except Exception:
            # An exception here would end the network thread: the stream must go on.
            logger.exception("handling a message on %s failed", topic)
        finally:
            self._delivering = False


def _send_at_once(_client: paho.Client, _data: Any, opened: Any) -> None:
    """Without Nagle's algorithm: it holds a command back until the broker's delayed TCP answer, 40 ms on Linux."""
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
