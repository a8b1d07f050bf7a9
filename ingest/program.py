"""The program `kreispuls ingest`: puts the parts of the receiving process together, runs until told to stop."""

import logging
import threading
from contextlib import ExitStack
from typing import Final

from core.clock import utc_now
from core.errors import BrokerError
from core.processes import request_slice, tune_interpreter
from core.settings import Settings
from core.topics import Topics
from ingest.pipe import (
    Answered,
    Connected,
    Durable,
    LampsChanged,
    Overrides,
    Publish,
    Ready,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from ingest.receiving.keeping_process import KeepingProcess
from ingest.receiving.reception import Reception
from lights.control import LightControl
from mqtt.client import MqttClient, Will

logger = logging.getLogger(__name__)

TICK_EVERY_S: Final = 0.25
SLICE_S: Final = 0.0001
"""Light needs the processor at once and not for long."""


def run(settings: Settings, stop: threading.Event, *, own_process: bool = True) -> None:
    """Run ingest until `stop` is set; then the batch in hand is finished and acknowledged.

    While another ingest serves the same session this one stands by. PostgreSQL that is away at the start is waited for.
    InfluxDB is not: readings are spooled until it is back.

    Args:
        settings: the settings.
        stop: ends the program.
        own_process: False keeps readings in a thread instead of a process, where light may wait for it.

    Raises:
        SettingsError: a setting or rule file is wrong.
        StorageError: a store refuses (a token, newer tables), a file cannot be opened, or the spool is in use.
        ConflictError: another ingest has taken over the session: this one was too slow.
        KreispulsError: the keeping process has ended by itself.
    """
    tune_interpreter()
    request_slice(SLICE_S)
    # Before any thread is there: one that holds a lock would hold it for ever in a forked process.
    keeper = KeepingProcess(settings, own_process=own_process)
    with ExitStack() as opened:
        opened.callback(keeper.stop)
        receiving = _Receiving(settings, keeper)
        ready = keeper.wait_ready(stop, receiving.heed)
        if ready is not None:
            receiving.run(ready, stop)


class _Receiving:
    """The parts, put together."""

    def __init__(self, settings: Settings, keeper: KeepingProcess) -> None:
        self._settings = settings
        self._topics = Topics(settings.mqtt_topic_root)
        self._keeper = keeper
        control = LightControl(
            good_for_s=settings.command_expires_s,
            most_attempts=settings.command_attempts,
            repeat_s=settings.presence_repeat_s,
        )
        self._reception = Reception(settings, control=control, keep=keeper.put)
        self._mqtt: MqttClient | None = None

    def run(self, ready: Ready, stop: threading.Event) -> None:
        """Receive until told to stop.

        Raises:
            KreispulsError: the keeping process has ended by itself; what it has not acknowledged comes again.
        """
        session = self._settings.ingest_session
        mqtt = self._mqtt = self._reception.mqtt = MqttClient(
            self._settings.mqtt_url,
            session,
            filters=[*ready.filters, self._topics.platform_echo("ingest", session)] if ready.filters else [],
            on_message=self._reception.receive,
            persistent=True,
            manual_ack=True,
            will=Will(self._topics.platform_status("ingest", session)),
            ca_file=self._settings.mqtt_ca_file,
            on_connection=self._note_connection,
            on_subscribed=self._note_subscribed,
        )
        self._keeper.start(self.heed)
        tune_interpreter()
        mqtt.start()
        logger.info("ingest runs at %s", utc_now().isoformat("T", "seconds"))
        while not stop.wait(TICK_EVERY_S) and self._keeper.lives:
            try:
                self._reception.tick()
            except Exception:  # a fault of ours must not stop the stream
                logger.exception("what is due for lamps failed and is tried again")
        ended_by_itself = not self._keeper.lives
        logger.info("ingest stops: finishing the batch in hand")
        mqtt.pause()
        self._keeper.stop()
        mqtt.stop()
        if ended_by_itself:
            raise self._keeper.failure

    def heed(self, answer: Answered) -> None:
        """Do what the keeping process says."""
        match answer:
            case Durable(deliveries):
                self._reception.acknowledge(deliveries)
            case LampsChanged():
                self._reception.take_lamps(answer)
            case Overrides(commands):
                self._reception.take_overrides(commands)
            case Publish(topic, payload, qos):
                self._reception.publish(topic, payload, qos)
            case Unsubscribe(municipalities):
                self._unsubscribe(municipalities)

    def _note_connection(self, stands: bool) -> None:  # noqa: FBT001 - as the client calls it
        self._reception.note_connection(stands)
        self._keeper.put(Connected(stands))

    def _note_subscribed(self) -> None:
        self._keeper.put(Subscribed())

    def _unsubscribe(self, municipalities: frozenset[str]) -> None:
        if self._mqtt is None:
            return
        try:
            self._mqtt.unsubscribe([self._topics.events_of(name) for name in sorted(municipalities)])
        except BrokerError as error:  # it is said again
            logger.warning("%s still hears %s: %s", self._settings.ingest_session, ", ".join(municipalities), error)
        else:
            self._keeper.put(Unsubscribed(municipalities))
