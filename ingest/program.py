"""The program `kreispuls ingest`: puts the parts together, runs until told to stop."""

import gc
import logging
import sys
import threading
from contextlib import ExitStack, suppress
from typing import Final

from core.clock import utc_now
from core.errors import ConflictError, StorageError
from core.mqtt import MqttClient, Will
from core.reading import DeviceObservation
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.bins import BinLevels
from ingest.jobs import Jobs
from ingest.operations import Operations
from ingest.pipeline import Pipeline
from ingest.registry import Registry
from ingest.sharing import WorkerNumber
from ingest.waiting import Patience, StoppedWaitingError
from ingest.workers import Workers
from lights.presence import PresenceControl, PresenceProfile
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from storage.readings import KeepsOperations, ReadingStore, open_readings
from storage.state import State, open_state

logger = logging.getLogger(__name__)

CLOCK_EVERY_S: Final = 1.0


def run(platform: Settings, stop: threading.Event, number: WorkerNumber | None = None) -> None:
    """Run ingest until `stop` is set; then the batch in hand is finished and acknowledged.

    PostgreSQL that is away at the start is waited for. InfluxDB is not: readings are spooled until it is back.

    Args:
        platform: the settings, the same for all workers.
        stop: ends the program.
        number: which of several workers this is; None: the only process.

    Raises:
        SettingsError: a setting or rule file is wrong.
        ConflictError: the only process is to be started where workers ran, whose sessions nobody would read.
        StorageError: a store refuses (a token, newer tables), a file cannot be opened, or the spool is in use.
    """
    settings = platform if number is None else _of_worker(platform, number)
    rules = RuleEngine(load_rules())
    if settings.ingest_metrics_port:
        metrics.serve(settings.ingest_metrics_host, settings.ingest_metrics_port)
    with ExitStack() as opened, suppress(StoppedWaitingError):
        patience = Patience(stop)
        if settings.state_url.startswith("sqlite"):  # a file that cannot be opened will not come up by itself
            state = open_state(settings.state_url)
        else:
            state = patience.until_done(lambda: open_state(settings.state_url))
        opened.callback(state.close)
        readings = open_readings(settings, must_answer=False)
        opened.callback(readings.close)
        _run_on(state, readings, platform, settings, rules=rules, stop=stop, patience=patience, number=number)


def _run_on(
    state: State,
    readings: ReadingStore,
    platform: Settings,
    settings: Settings,
    *,
    rules: RuleEngine,
    stop: threading.Event,
    patience: Patience,
    number: WorkerNumber | None,
) -> None:
    registry = Registry(state, lamp_neighbours=settings.presence_neighbours)
    if number is None:
        if patience.until_done(state.shares.all):
            raise ConflictError("ingest ran with workers here: start it with --worker, --worker 1/1 for a single one")
        rules.restore(patience.until_done(state.alerts.open_alerts))
    workers: Workers | None = None
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
                settings.presence_repeat_s,
            )
        ),
        rules=rules,
        bins=BinLevels(_last_levels(readings) if number is None else []),
        tenure=None if number is None else lambda municipality: workers.tenure(municipality) if workers else None,
    )
    topics = Topics(settings.mqtt_topic_root)
    mqtt = MqttClient(
        settings.mqtt_url,
        settings.mqtt_client_id,
        filters=topics.ingest_filters if number is None else (),  # a worker hears through its slots
        on_message=pipeline.receive,
        persistent=number is None,
        manual_ack=True,
        will=Will(topics.platform_status("ingest", settings.mqtt_client_id)),
        ca_file=settings.mqtt_ca_file,
        on_connection=metrics.note_connection,
    )
    pipeline.mqtt = mqtt
    pipeline.sessions = (mqtt,)
    if number is not None:
        workers = Workers(
            number,
            platform,
            state=state,
            registry=registry,
            receive=pipeline.receive,
            afterwards=pipeline.afterwards,
            share_changed=pipeline.reload,
            sessions_changed=pipeline.receive_through,
        )
    patience.until_done(pipeline.reload)
    operations = Operations(settings, registry, readings) if isinstance(readings, KeepsOperations) else None
    leads = workers.leads if workers else lambda: True
    jobs = Jobs(settings, pipeline, state=state, readings=readings, operations=operations, leads=leads)
    if workers is None or patience.until_done(lambda: workers.wait_for_place(stop)):
        be_swift()
        pipeline.writer.start()
        mqtt.start()
        jobs.start()
        if workers:
            workers.start()
        began = utc_now().isoformat("T", "seconds")
        logger.info("ingest runs, %d devices registered at %s", len(registry.devices), began)
        while not stop.wait(CLOCK_EVERY_S):
            jobs.follow_clock()
        logger.info("ingest stops: finishing the batch in hand")
        if workers:
            workers.retire()
        jobs.stop()
        mqtt.pause()
        if workers:
            workers.pause()
        pipeline.writer.stop()
        if workers:
            workers.leave()
        mqtt.stop()


def _last_levels(readings: ReadingStore) -> list[DeviceObservation]:
    """The last levels of all bins, where the store can say them at once."""
    try:
        readings.ping()
        return readings.latest(device_type="waste_bin")
    except StorageError as error:
        logger.warning("the bins' last levels are not known, the next emptying of a bin may go unnoticed: %s", error)
        return []


def _of_worker(settings: Settings, number: WorkerNumber) -> Settings:
    """The settings with names of this worker's own: its connection and status, its reports, its metrics port."""
    port = settings.ingest_metrics_port
    return settings.model_copy(
        update={
            "mqtt_client_id": f"{settings.mqtt_client_id}-worker-{number.index}",
            "ingest_metrics_port": port + number.index - 1 if port else 0,
        }
    )


def be_swift() -> None:
    """Tune the interpreter for many small objects and for a network thread that must not wait for the writer.

    What is loaded by now stays until the end, so the garbage collector need not look through it again. It looks through
    few objects at a time (each look stops everything: 2 ms for 10,000), and messages form no cycles, so seldom through
    more. A thread that has something to do gets its turn after 0.1 ms instead of 5 ms. Measured: docs/performance.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 5, 1_000)
    sys.setswitchinterval(0.0001)
