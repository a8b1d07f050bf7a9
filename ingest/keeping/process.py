"""The keeping process of ingest: decodes, stores, judges, runs the jobs; the receiving one is its parent."""

import logging
import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Final

from actions.lights.send_profiles import NightProfiles
from core.errors import KreispulsError, StorageError
from core.logs import configure_logging
from core.processes import end_with_parent, tune_interpreter
from core.reading import DeviceObservation
from core.settings import Settings
from ingest import metrics
from ingest.keeping.bins import BinLevels
from ingest.keeping.jobs import Jobs
from ingest.keeping.operations import Operations
from ingest.keeping.pipeline import Pipeline
from ingest.keeping.registry import Registry
from ingest.pipe import (
    Answered,
    Begin,
    Connected,
    Durable,
    Failed,
    Following,
    Lead,
    Lit,
    Publish,
    Ready,
    Said,
    Sent,
    Stop,
    Token,
    unpack,
)
from ingest.sharing import Tenure
from ingest.wait_for_database import Patience, StoppedWaitingError
from readings.open import open_readings
from readings.store import KeepsOperations, ReadingStore
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from state.state import open_state

logger = logging.getLogger(__name__)

CLOCK_EVERY_S: Final = 1.0
NICENESS: Final = 10
"""Light goes first on a processor that both want: storing gets a tenth of it. Measured: docs/performance.md."""


def keep_as_process(settings: Settings, pipe: Connection, parents_end: Connection, *, shared: bool) -> None:
    """`keep` in a process of its own: it ends when told to over the pipe, or with its parent."""
    parents_end.close()  # forked with the process; held here, the pipe would not end with the parent
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):  # sent to the whole group: the parent finishes what is in hand
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    os.nice(NICENESS)
    configure_logging(settings.log_level)
    keep(settings, pipe, shared=shared)


def keep(settings: Settings, pipe: Connection, *, shared: bool) -> None:
    """Keep what comes over the pipe until told to stop; then the batch in hand is finished.

    Args:
        settings: those of the worker.
        pipe: `link.Said` comes in lists, `link.Answered` goes.
        shared: municipalities are shared out among workers, none is ours until we are told so.
    """
    answers = Answers(pipe)
    with pipe, ExitStack() as opened, suppress(EOFError, StoppedWaitingError):
        try:
            rules = RuleEngine(load_rules())
            if settings.ingest_metrics_port:
                opened.callback(metrics.serve(settings.ingest_metrics_host, settings.ingest_metrics_port))
            answers.say(Ready())
            if pipe.recv() == [Begin()]:
                _Keeping(settings, pipe, answers, opened, rules=rules, shared=shared).run()
        except (EOFError, StoppedWaitingError):
            raise
        except KreispulsError as error:
            answers.say(Failed(error))
        except Exception as error:
            logger.exception("the keeping process failed")
            answers.say(Failed(KreispulsError(f"the keeping process failed: {error}")))


class Answers:
    """The way back, for several threads."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, answer: Answered) -> None:
        """Say something to the receiving process; to one that is gone, nothing."""
        with self._lock, suppress(OSError):
            self._pipe.send(answer)


class _Told:
    """As an event that is set when something is said: until we are ready, that can only be to stop."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def wait(self, timeout: float) -> bool:
        return self._pipe.poll(timeout)


class _Keeping:
    """The parts, put together.

    Raises:
        StorageError: a store refuses (a token, newer tables), a file cannot be opened, or the spool is in use.
        StoppedWaitingError: told to stop while PostgreSQL was waited for.
    """

    def __init__(
        self,
        settings: Settings,
        pipe: Connection,
        answers: Answers,
        opened: ExitStack,
        *,
        rules: RuleEngine,
        shared: bool,
    ) -> None:
        self._pipe = pipe
        self._answers = answers
        self._leads_until_s = 0.0 if shared else float("inf")
        patience = Patience(_Told(pipe))
        state = patience.until_done(lambda: open_state(settings.state_url))
        opened.callback(state.close)
        readings = open_readings(settings, must_answer=False)
        opened.callback(readings.close)
        registry = Registry(state)
        if not shared:
            rules.restore(patience.until_done(state.alerts.open_alerts))
        self._pipeline = Pipeline(
            settings,
            state=state,
            readings=readings,
            registry=registry,
            rules=rules,
            bins=BinLevels([] if shared else _last_levels(readings)),
            tenure=Tenure({}) if shared else None,
            acknowledge=lambda deliveries: answers.say(Durable(deliveries)),
            publish=lambda topic, payload: answers.say(Publish(topic, payload)),
            profiles=NightProfiles(settings, lambda topic, payload: answers.say(Publish(topic, payload, 1))),
        )
        patience.until_done(self._pipeline.reload)
        operations = Operations(settings, registry, readings) if isinstance(readings, KeepsOperations) else None
        self._jobs = Jobs(
            settings,
            self._pipeline,
            state=state,
            readings=readings,
            operations=operations,
            leads=lambda: time.monotonic() < self._leads_until_s,
        )
        self._pipeline.writer.start()

    def run(self) -> None:
        """Keep until told to stop, or until the receiving process is gone."""
        tune_interpreter()
        self._jobs.start()
        self._answers.say(Ready())
        try:
            with suppress(EOFError):
                self._take_until_told()
        finally:
            self._jobs.stop()
            self._pipeline.writer.stop()

    def _take_until_told(self) -> None:
        look_at_s = 0.0
        while True:
            if time.monotonic() >= look_at_s:
                self._jobs.follow_clock()
                look_at_s = time.monotonic() + CLOCK_EVERY_S
            if not self._pipe.poll(CLOCK_EVERY_S):
                continue
            for said in self._pipe.recv():
                if type(said) is tuple:
                    self._pipeline.receive(said)
                elif isinstance(said, Stop):
                    return
                else:
                    self._heed(said)
            if (heard := self._pipeline.take_heard()) is not None:
                self._answers.say(heard)

    def _heed(self, said: Said) -> None:
        match said:
            case Connected(stands):
                metrics.note_connection(stands)
            case Lit(lamps_up, unresponsive):
                metrics.lamps_up.set(lamps_up)
                metrics.lamps_unresponsive.set(unresponsive)
            case Following(lamps, at_s):
                self._pipeline.judge_following(lamps, datetime.fromtimestamp(at_s, UTC))
            case Lead(until_s):
                self._leads_until_s = until_s
            case Token():
                self._pipeline.afterwards(lambda: self._answers.say(said))
            case Tenure():
                try:
                    self._pipeline.take_share(said)
                except StorageError as error:  # the job that reloads goes on with it
                    logger.warning("municipalities are taken up later: %s", error)
            case Sent(command):
                self._pipeline.keep(unpack(command))


def _last_levels(readings: ReadingStore) -> list[DeviceObservation]:
    """The last levels of all bins, where the store can say them at once."""
    try:
        readings.ping()
        return readings.latest(device_type="waste_bin")
    except StorageError as error:
        logger.warning("the bins' last levels are not known, the next emptying of a bin may go unnoticed: %s", error)
        return []
