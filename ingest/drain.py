"""Empties the session of an ingest that is no more: what waits there is stored, then everybody forgets the session."""

import re
import threading
import time
from contextlib import ExitStack, closing
from typing import Final
from uuid import uuid4

from core.errors import ConflictError
from core.settings import Settings
from core.topics import Topics
from ingest.keeping.share import run_elsewhere
from ingest.pipe import Answered, Durable
from ingest.receiving.keeping_process import KeepingProcess
from mqtt.client import Message, MqttClient
from state.state import open_state

CONNECT_WITHIN_S: Final = 10.0
LOOK_EVERY_S: Final = 0.1
_SLOT: Final = re.compile(r"-(slot)-(\d+)$")
"""Ends the names of sessions that workers of version 0.1 had; their leases are called `slot/2`."""


def drain(settings: Settings, session: str, stop: threading.Event, *, own_process: bool = True) -> int:
    """Store what waits in a session at the broker, then have broker and lists forget it; returns how many messages.

    Lights and rules do not see them. An ingest that still serves the session is waited for. Told to stop, the rest
    stays in the session.

    Raises:
        ConflictError: nobody else hears a municipality of the session: what it says from now on would be lost.
        BrokerError: the broker does not answer.
        KreispulsError: a store failed; what is not stored stays in the session.
    """
    _must_be_heard_elsewhere(settings, session)
    own = settings.model_copy(update={"mqtt_client_id": session, "municipalities": "*", "ingest_metrics_port": 0})
    keeper = KeepingProcess(own, own_process=own_process, drains=True)
    with ExitStack() as opened:
        opened.callback(keeper.stop)
        if keeper.wait_ready(stop, lambda _answer: None) is None:
            return 0
        count = _Drained(own, keeper).run(stop)
    if not stop.is_set():
        _forget(settings, session)
    return count


class _Drained:
    """The session, opened in its name; a message of our own, behind all that waits, says when it is empty."""

    def __init__(self, settings: Settings, keeper: KeepingProcess) -> None:
        self._keeper = keeper
        self._end = Topics(settings.mqtt_topic_root).platform_status("drain", uuid4().hex)
        self._at_end = threading.Event()
        self._count = 0
        self._mqtt = MqttClient(
            settings.mqtt_url,
            settings.ingest_session,
            on_message=self._receive,
            persistent=True,
            manual_ack=True,
            ca_file=settings.mqtt_ca_file,
        )

    def run(self, stop: threading.Event) -> int:
        self._keeper.start(self._heed)
        self._mqtt.start()
        try:
            self._mqtt.wait_connected(CONNECT_WITHIN_S)
            self._mqtt.subscribe([self._end])
            self._mqtt.publish_confirmed(self._end, b"")
            while not self._at_end.wait(LOOK_EVERY_S) and not stop.is_set() and self._keeper.lives:
                pass
            if not self._keeper.lives:
                raise self._keeper.failure
            self._mqtt.pause()
            self._keeper.stop()  # all in hand is durable and acknowledged now
            self._mqtt.flush()
        finally:
            self._mqtt.stop()
        return self._count

    def _receive(self, message: Message) -> None:
        if message.topic == self._end:
            self._at_end.set()
        elif self._keeper.put((*message, time.time(), ())):
            self._count += 1

    def _heed(self, answer: Answered) -> None:
        if isinstance(answer, Durable):
            self._mqtt.acknowledge_all(answer.deliveries)


def _must_be_heard_elsewhere(settings: Settings, session: str) -> None:
    with closing(open_state(settings.state_url)) as state:
        rows = state.ingests.all()
        towns = {municipality.municipality for municipality in state.municipalities.all()}
    here = next((row for row in rows if row.session == session), None)
    if here is not None and here.municipalities is not None:
        towns = set(here.subscribed)
    alone = sorted(towns - run_elsewhere(session, rows, towns))
    if alone:
        raise ConflictError(f"session {session}: no other ingest hears {', '.join(alone)}; start one that does first")


def _forget(settings: Settings, session: str) -> None:
    """A session that is opened clean and closed is gone at the broker (MQTT 3.1.1, 3.1.2.4)."""
    mqtt = MqttClient(settings.mqtt_url, session, ca_file=settings.mqtt_ca_file)
    mqtt.start()
    try:
        mqtt.wait_connected(CONNECT_WITHIN_S)
    finally:
        mqtt.stop()
    leases = [f"ingest/{session}", *("/".join(slot.groups()) for slot in _SLOT.finditer(session))]
    with closing(open_state(settings.state_url)) as state:
        state.ingests.remove(session)
        state.leases.forget(leases)
