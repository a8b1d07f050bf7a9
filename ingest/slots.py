"""A slot: a persistent session at the broker that outlives the workers, and what of its messages is its own.

A municipality goes over from one slot to another at a marker, a message that both sessions hear: the former slot
handles what comes before it, the other one what comes after. The broker keeps one order: each is handled once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from core.errors import BrokerError
from core.settings import Settings
from core.topics import Topics
from ingest.sharing import CATCH_ALL, handles
from mqtt.client import Message, MqttClient
from state.shares import Share, Shares

logger = logging.getLogger(__name__)

ASK_AGAIN_S: Final = 10.0
"""A marker that has not come by then is sent again: a full queue or a broker that crashed has lost it."""
FLUSH_S: Final = 1.0


class Slot:
    """One slot while this worker keeps it.

    Args:
        shares: how things stand when nobody else may keep the slot any more.
        receive: gets the messages that are the slot's own; others are acknowledged unseen.
        afterwards: runs something when all that `receive` got before is durable and acknowledged.
    """

    def __init__(
        self,
        slot: int,
        settings: Settings,
        topics: Topics,
        shares: Mapping[str, Share],
        *,
        receive: Callable[[Message], None],
        afterwards: Callable[[Callable[[], None]], object],
    ) -> None:
        self.slot = slot
        self.subscribed: set[str] = set()
        self.unsubscribed: set[str] = set()
        self.tried_s = 0.0
        self._topics = topics
        self._receive = receive
        self._afterwards = afterwards
        self._handles_unknown = slot == CATCH_ALL
        self._durable = {name: handles(slot, share) for name, share in shares.items()}
        self._handled = dict(self._durable)
        self._changing = threading.Lock()
        self._expected: dict[bytes, Share] = {}
        self._asked_s: dict[str, float] = {}
        self._passed: deque[tuple[Share, Message]] = deque()
        self.expect(shares.values())
        self.mqtt = MqttClient(
            settings.mqtt_url,
            session_name(settings, slot),
            filters=topics.ingest_filters if slot == CATCH_ALL else [topics.marker],
            on_message=self._hear,
            persistent=True,
            manual_ack=True,
            ca_file=settings.mqtt_ca_file,
            on_connection=self._begin_again,
        )

    # -- network thread ------------------------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        if message.topic == self._topics.marker:
            self._pass(message)
        elif self._handled.get(self._topics.municipality_of_event(message.topic) or "", self._handles_unknown):
            self._receive(message)
        else:
            self.mqtt.acknowledge(message)

    def _pass(self, marker: Message) -> None:
        share = self._expected.get(marker.payload)
        if share is None:
            self.mqtt.acknowledge(marker)
            return
        self._handled[share.municipality] = share.slot == self.slot
        # Not acknowledged before all that came before it: else a crash would make that look as if it came after.
        self._afterwards(lambda: self._passed.append((share, marker)))

    def _begin_again(self, connected: bool) -> None:  # noqa: FBT001
        """With a new connection the broker sends again what is unacknowledged, from before a marker perhaps."""
        if connected:
            with self._changing:
                self._handled = dict(self._durable)

    # -- the workers' thread -------------------------------------------------------------------------------------

    def settle(self, shares: Shares) -> None:
        """Make durable at which markers this slot has begun or ended.

        Raises:
            StorageError: call again; until then the broker keeps the markers.
        """
        while self._passed:
            share, marker = self._passed[0]
            begun = share.slot == self.slot
            (shares.begin if begun else shares.end)(share)
            with self._changing:
                self._durable[share.municipality] = self._handled[share.municipality] = begun
            self.mqtt.acknowledge(marker)
            self._passed.popleft()

    def expect(self, shares: Iterable[Share]) -> None:
        """Know the markers at which this slot is to begin or to end."""
        self._expected = {
            share.marker.encode(): share
            for share in shares
            if (share.slot == self.slot and not share.begun) or (share.former == self.slot and not share.ended)
        }
        waiting = {share.marker for share in self._expected.values()}
        self._asked_s = {marker: at_s for marker, at_s in self._asked_s.items() if marker in waiting}

    def send_markers(self) -> None:
        """Send the markers that this slot is to send: where it is the former one.

        Then both sessions hear them: this one stands, and the other one has claimed the municipality only when its
        subscription stood. If the former slot is through already and the marker lost on the way to this one, so is its
        reason to wait: this one sends it once more.
        """
        now_s = time.monotonic()
        for share in self._expected.values():
            if (share.former == self.slot or share.ended) and now_s >= self._asked_s.get(share.marker, 0.0):
                self._asked_s[share.marker] = now_s + ASK_AGAIN_S
                self.mqtt.publish(self._topics.marker, share.marker.encode())

    def close(self) -> None:
        """End the connection, after the broker has read what was acknowledged; the session stays."""
        if self.mqtt.connected:
            try:
                self.mqtt.flush(FLUSH_S)
            except BrokerError as error:
                logger.info("slot %d: what was acknowledged last may come again: %s", self.slot, error)
        self.mqtt.stop()


def session_name(settings: Settings, slot: int) -> str:
    """Client id of a slot's session; the catch-all's is that of ingest without workers, whose queue it takes over."""
    return settings.mqtt_client_id if slot == CATCH_ALL else f"{settings.mqtt_client_id}-slot-{slot}"
