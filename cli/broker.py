"""The embedded broker of `demo` and `up`: amqtt on the loopback address, made to keep the promise of QoS 1."""

import asyncio
import threading
from typing import Final

import amqtt.broker
from amqtt.broker import Broker, RetainedApplicationMessage
from amqtt.mqtt.constants import QOS_1
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import OutgoingApplicationMessage, Session

from core.errors import BrokerError

WINDOW: Final = 1000
"""How many messages are on their way to one client unacknowledged; the others wait in its session."""


class LocalAuth(BaseAuthPlugin):  # type: ignore[misc]
    """Everybody on this machine may connect; the listener is bound to the loopback address only."""

    async def authenticate(self, *, session: Session) -> bool:  # noqa: ARG002 - the plugin's signature
        """Accept, and unlike amqtt's own plugin let nameless clients have a session that outlives the connection."""
        return True


class QueuedHandler(BrokerProtocolHandler):  # type: ignore[misc]
    """Delivers QoS 1 as MQTT 3.1.1 asks (4.3.2, 4.4): what is unacknowledged stays in the session and is sent again.

    amqtt 0.12.1 drops an outgoing message when its acknowledgement takes five seconds or the connection breaks; a
    reading that ingest had received but not stored would be lost with the ingest process.
    """

    async def mqtt_publish(
        self,
        topic: str,
        data: bytes | bytearray,
        qos: int | None,
        retain: bool,  # noqa: FBT001 - amqtt's signature
        ack_timeout: int | None = None,
    ) -> OutgoingApplicationMessage:
        """Send to the client; with QoS 1 through the session's queue."""
        if qos != QOS_1 or self.session is None:
            return await super().mqtt_publish(topic, data, qos, retain, ack_timeout)
        message = RetainedApplicationMessage(None, topic, data, QOS_1)
        message.retain = retain
        self.session.retained_messages.put_nowait(message)
        await self._send_queued(self.session)
        return OutgoingApplicationMessage(None, topic, QOS_1, data, retain)

    async def handle_puback(self, puback: PubackPacket) -> None:
        """Forget what the client has; send what waited."""
        if self.session is not None and puback.packet_id is not None:
            self.session.inflight_out.pop(puback.packet_id, None)
            await self._send_queued(self.session)

    async def _send_queued(self, session: Session) -> None:
        while len(session.inflight_out) < WINDOW and not session.retained_messages.empty():
            queued = session.retained_messages.get_nowait()
            message = OutgoingApplicationMessage(
                session.next_packet_id, queued.topic, QOS_1, queued.data, bool(queued.retain)
            )
            if message.packet_id is None:
                continue
            session.inflight_out[message.packet_id] = message
            await self._send_packet(message.build_publish_packet())

    async def _retry_deliveries(self) -> None:
        """After a reconnection: all that is unacknowledged, again and in order."""
        if self.session is None:
            return
        for message in list(self.session.inflight_out.values()):
            await self._send_packet(message.build_publish_packet(dup=True))


def run_broker(host: str, port: int, stop: threading.Event) -> None:
    """Run the broker until `stop` is set.

    Sessions and retained messages live in memory: for more than a laptop use Mosquitto.

    Raises:
        BrokerError: the address cannot be listened on.
    """
    amqtt.broker.BrokerProtocolHandler = QueuedHandler
    asyncio.run(_serve(host, port, stop))


async def _serve(host: str, port: int, stop: threading.Event) -> None:
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {f"{LocalAuth.__module__}.{LocalAuth.__qualname__}": {}},
        }
    )
    try:
        await broker.start()
    except Exception as error:
        raise BrokerError(f"embedded broker: {host}:{port} cannot be listened on: {error}") from error
    try:
        while not stop.is_set():  # noqa: ASYNC110 - the event is set by a signal handler or another thread
            await asyncio.sleep(0.2)
    finally:
        await broker.shutdown()
