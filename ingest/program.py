"""The program `kreispuls ingest`: puts the parts together, runs until told to stop."""

import logging
import threading

from core.clock import utc_now
from core.mqtt import MqttClient, Will
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.bins import BinLevels
from ingest.jobs import Jobs
from ingest.operations import Operations
from ingest.pipeline import Pipeline
from ingest.registry import Registry
from lights.presence import PresenceControl, PresenceProfile
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from storage.readings import KeepsOperations, open_readings
from storage.state import open_state

logger = logging.getLogger(__name__)


def run(settings: Settings, stop: threading.Event) -> None:
    """Run ingest until `stop` is set; then the batch in hand is finished and acknowledged.

    Raises:
        SettingsError: a setting or rule file is wrong.
        StorageUnavailableError: a store does not answer at the start.
    """
    shipped_rules = load_rules()
    state = open_state(settings.state_url)
    readings = open_readings(settings)
    registry = Registry(state, lamp_neighbours=settings.presence_neighbours)
    rules = RuleEngine(shipped_rules)
    rules.restore(state.alerts.open_alerts())
    pipeline = Pipeline(
        settings,
        state=state,
        readings=readings,
        registry=registry,
        lights=PresenceControl(
            PresenceProfile(
                settings.presence_dim_level,
                settings.standby_dim_level,
                settings.presence_hold_s,
                settings.presence_fade_s,
            )
        ),
        rules=rules,
        bins=BinLevels(readings.latest(device_type="waste_bin")),
    )
    topics = Topics(settings.mqtt_topic_root)
    mqtt = MqttClient(
        settings.mqtt_url,
        settings.mqtt_client_id,
        filters=topics.ingest_filters,
        on_message=pipeline.receive,
        persistent=True,
        manual_ack=True,
        will=Will(topics.platform_status("ingest", settings.mqtt_client_id)),
        ca_file=settings.mqtt_ca_file,
        on_connection=metrics.note_connection,
    )
    pipeline.mqtt = mqtt
    pipeline.reload()
    if settings.ingest_metrics_port:
        metrics.serve(settings.ingest_metrics_host, settings.ingest_metrics_port)
    operations = Operations(settings, registry, readings) if isinstance(readings, KeepsOperations) else None
    jobs = Jobs(settings, pipeline, state=state, readings=readings, operations=operations)
    pipeline.writer.start()
    mqtt.start()
    jobs.start()
    logger.info("ingest runs, %d devices registered at %s", len(registry.devices), utc_now().isoformat("T", "seconds"))
    stop.wait()
    logger.info("ingest stops: finishing the batch in hand")
    jobs.stop()
    pipeline.writer.stop()
    mqtt.stop()
    readings.close()
    state.close()
