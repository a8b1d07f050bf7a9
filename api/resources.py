"""What the application holds open while it runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import uuid4

from api.live import LiveHub
from api.metrics import Metrics, StateGauges
from core.clock import utc_now
from core.settings import Settings
from core.topics import Topics
from mqtt.client import MqttClient
from readings.open import open_readings
from readings.store import ReadingStore
from state.state import State, open_state

CLIENT_ID: Final = "kreispuls-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Everything a route may need."""

    settings: Settings
    topics: Topics
    state: State
    readings: ReadingStore
    mqtt: MqttClient
    live: LiveHub
    metrics: Metrics

    def today(self) -> date:
        """The present day in the municipalities' local time."""
        return utc_now().astimezone(self.settings.zone).date()


@contextmanager
def open_resources(settings: Settings, metrics: Metrics) -> Iterator[Resources]:
    """Open the stores, begin to connect to the broker; give all back at the end.

    Raises:
        SettingsError: a URL or a backend's setting is wrong.
        StorageUnavailableError: a store does not answer.
    """
    with ExitStack() as stack:
        state = open_state(settings.state_url)
        stack.callback(state.close)
        readings = open_readings(settings)
        stack.callback(readings.close)
        gauges = StateGauges(state)
        metrics.registry.register(gauges)
        stack.callback(metrics.registry.unregister, gauges)
        topics = Topics(settings.mqtt_topic_root)
        live = LiveHub(topics, state.devices)
        # Several processes may serve the API: each needs a name of its own at the broker.
        mqtt = MqttClient(
            settings.mqtt_url,
            f"{CLIENT_ID}-{uuid4().hex[:12]}",
            filters=topics.live_filters,
            on_message=live.receive,
            ca_file=settings.mqtt_ca_file,
        )
        mqtt.start()
        stack.callback(mqtt.stop)
        yield Resources(
            settings=settings,
            topics=topics,
            state=state,
            readings=readings,
            mqtt=mqtt,
            live=live,
            metrics=metrics,
        )
