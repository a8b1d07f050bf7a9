"""The program `kreispuls ingest`: puts the parts of the receiving process together, runs until told to stop."""

import logging
import threading
from contextlib import ExitStack, suppress
from typing import Final

from core.clock import utc_now
from core.errors import ConflictError, KreispulsError, StorageError
from core.logs import RepeatedTrouble
from core.processes import tune_interpreter
from core.settings import Settings
from core.topics import Topics
from ingest.pipe import Connected
from ingest.receiving.keeper import Keeper
from ingest.receiving.lamps import Lamps
from ingest.receiving.reception import Reception
from ingest.sharing import WorkerNumber
from ingest.wait_for_database import Patience, StoppedWaitingError
from ingest.workers import Workers
from lights.control import LightControl
from mqtt.client import MqttClient, Will
from state.state import State, open_state

logger = logging.getLogger(__name__)

TICK_EVERY_S: Final = 0.25
RELOAD_EVERY_S: Final = 1.0


def run(
    platform: Settings, stop: threading.Event, number: WorkerNumber | None = None, *, own_process: bool = True
) -> None:
    """Run ingest until `stop` is set; then the batch in hand is finished and acknowledged.

    PostgreSQL that is away at the start is waited for. InfluxDB is not: readings are spooled until it is back.

    Args:
        platform: the settings, the same for all workers.
        stop: ends the program.
        number: which of several workers this is; None: the only one.
        own_process: False keeps readings in a thread instead of a process, where light may wait for it.

    Raises:
        SettingsError: a setting or rule file is wrong.
        ConflictError: the only worker is to be started where several ran, whose sessions nobody would read.
        StorageError: a store refuses (a token, newer tables), a file cannot be opened, or the spool is in use.
        KreispulsError: the keeping process has ended by itself.
    """
    settings = platform if number is None else _of_worker(platform, number)
    # Before anything is opened: no connection to a database survives a fork.
    keeper = Keeper(settings, shared=number is not None, own_process=own_process)
    with ExitStack() as opened, suppress(StoppedWaitingError):
        opened.callback(keeper.stop)
        if not keeper.wait_ready(stop):
            return
        patience = Patience(stop)
        if settings.state_url.startswith("sqlite"):  # a file that cannot be opened will not come up by itself
            state = open_state(settings.state_url)
        else:
            state = patience.until_done(lambda: open_state(settings.state_url))
        opened.callback(state.close)
        if number is None and patience.until_done(state.shares.all):
            raise ConflictError("ingest ran with workers here: start it with --worker, --worker 1/1 for a single one")
        if keeper.open_stores(stop):
            _Receiving(state, platform, settings, number, keeper=keeper, patience=patience).run(stop)


class _Receiving:
    """The parts, put together."""

    def __init__(
        self,
        state: State,
        platform: Settings,
        settings: Settings,
        number: WorkerNumber | None,
        *,
        keeper: Keeper,
        patience: Patience,
    ) -> None:
        self._keeper = keeper
        lamps = Lamps(state, settings)
        control = LightControl(
            good_for_s=settings.command_expires_s,
            most_attempts=settings.command_attempts,
            repeat_s=settings.presence_repeat_s,
        )
        self._reception = Reception(settings, state=state, lamps=lamps, control=control, keep=keeper.put)
        topics = Topics(settings.mqtt_topic_root)
        self._mqtt = self._reception.mqtt = MqttClient(
            settings.mqtt_url,
            settings.mqtt_client_id,
            filters=topics.ingest_filters if number is None else (),  # a worker hears through its slots
            on_message=self._reception.receive,
            persistent=number is None,
            manual_ack=True,
            will=Will(topics.platform_status("ingest", settings.mqtt_client_id)),
            ca_file=settings.mqtt_ca_file,
            on_connection=self._note_connection,
        )
        self._reception.sessions = (self._mqtt,)
        self._workers: Workers | None = None
        if number is not None:
            self._workers = Workers(
                number,
                platform,
                state=state,
                lamps=lamps,
                receive=self._reception.receive,
                afterwards=keeper.afterwards,
                share_changed=self._reload,
                sessions_changed=self._reception.receive_through,
                leads=keeper.lead,
            )
        patience.until_done(self._reload)
        self._lamps = lamps
        self._enough = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Receive until told to stop.

        Raises:
            KreispulsError: the keeping process has ended by itself; what it has not acknowledged comes again.
        """
        workers = self._workers
        if workers and not workers.wait_for_place(stop):
            return
        reloads = threading.Thread(target=self._reload_again_and_again, name="reload")
        self._keeper.start(
            acknowledge=self._reception.acknowledge, hear=self._reception.hear, publish=self._reception.publish
        )
        tune_interpreter()
        self._mqtt.start()
        reloads.start()
        if workers:
            workers.start()
        began = utc_now().isoformat("T", "seconds")
        logger.info("ingest runs, %d lamps in service at %s", len(self._lamps.controlled), began)
        while not stop.wait(TICK_EVERY_S) and self._keeper.lives:
            try:
                self._reception.tick()
            except Exception:  # a fault of ours must not stop the stream
                logger.exception("what is due for lamps failed and is tried again")
        self._enough.set()
        ended_by_itself = not self._keeper.lives
        logger.info("ingest stops: finishing the batch in hand")
        if workers:
            workers.retire()
        self._mqtt.pause()
        if workers:
            workers.pause()
        reloads.join()
        self._keeper.stop()
        if workers:
            workers.leave()
        self._mqtt.stop()
        if ended_by_itself:
            raise KreispulsError("the keeping process of ingest has ended by itself: nothing is lost, start again")

    def _note_connection(self, stands: bool) -> None:  # noqa: FBT001 - as the client calls it
        self._reception.note_connection(stands)
        self._keeper.put(Connected(stands))

    def _reload(self) -> None:
        tenure = self._workers.tenure() if self._workers else None
        if tenure is not None:
            self._keeper.share(tenure)
        self._reception.reload(tenure)

    def _reload_again_and_again(self) -> None:
        trouble = RepeatedTrouble(logger, "reload the lamps")
        while not self._enough.wait(RELOAD_EVERY_S):
            try:
                self._reload()
            except StorageError as error:
                trouble.happened(str(error))
            except Exception:
                logger.exception("reloading the lamps failed and is tried again")
            else:
                trouble.over()


def _of_worker(settings: Settings, number: WorkerNumber) -> Settings:
    """The settings with names of this worker's own: its connection and status, its reports, its metrics port."""
    port = settings.ingest_metrics_port
    return settings.model_copy(
        update={
            "mqtt_client_id": f"{settings.mqtt_client_id}-worker-{number.index}",
            "ingest_metrics_port": port + number.index - 1 if port else 0,
        }
    )
