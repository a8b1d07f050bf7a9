"""The keeping process of ingest: decodes, stores, judges, runs the jobs; the receiving one is its parent."""

import logging
import signal
import threading
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Final

from actions.lights.send_profiles import NightProfiles
from core.clock import utc_now
from core.errors import KreispulsError, SettingsError
from core.logs import configure_logging
from core.processes import end_with_parent, give_way, request_slice, tune_interpreter
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.keeping.jobs import Jobs, jobs_of
from ingest.keeping.lamps_told import LampsTold
from ingest.keeping.lease import SessionLease
from ingest.keeping.listing import Listing
from ingest.keeping.operations import Operations
from ingest.keeping.pipeline import Pipeline
from ingest.keeping.registry import Registry
from ingest.pipe import (
    Answered,
    Connected,
    Durable,
    Failed,
    Following,
    Heard,
    Lit,
    Publish,
    Ready,
    Said,
    Sent,
    Stop,
    Subscribed,
    Unsubscribed,
    unpack,
)
from ingest.wait_for_database import Patience, StoppedWaitingError
from readings.open import open_readings
from readings.store import KeepsOperations
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from state.state import State, open_state

logger = logging.getLogger(__name__)

CLOCK_EVERY_S: Final = 1.0
METRICS_WITHIN_S: Final = 2.0
"""How long a taken port is waited for: a predecessor whose parent was killed may be just ending."""


def keep_as_process(settings: Settings, pipe: Connection, *, drains: bool) -> None:
    """`keep` in a process of its own: it ends when told to over the pipe, or with its parent."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):  # sent to the whole group: the parent finishes what is in hand
        signal.signal(number, signal.SIG_IGN)
    give_way()
    request_slice(0)
    configure_logging(settings.log_level)
    keep(settings, pipe, drains=drains)


def keep(settings: Settings, pipe: Connection, *, drains: bool) -> None:
    """Keep what comes over the pipe until told to stop; then the batch in hand is finished.

    Args:
        settings: those of ingest.
        pipe: `pipe.Said` comes in lists, `pipe.Answered` goes.
        drains: the session is to be emptied: lights and rules are nobody's.
    """
    answers = _Answers(pipe)
    with pipe, ExitStack() as opened, suppress(EOFError, ConnectionError, StoppedWaitingError):
        try:
            rules = RuleEngine(load_rules())
            _KeepingParts(settings, pipe, answers, opened, rules=rules, drains=drains).run()
        except (EOFError, ConnectionError, StoppedWaitingError):
            raise
        except KreispulsError as error:
            answers.say(Failed(error))
        except Exception as error:
            logger.exception("the keeping process failed")
            answers.say(Failed(KreispulsError(f"the keeping process failed: {error}")))


class _Answers:
    """The way back, for several threads."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, answer: Answered) -> None:
        """Say something to the receiving process; to one that is gone, nothing."""
        with self._lock, suppress(OSError):
            self._pipe.send(answer)


class _ToldToStop:
    """As an event that is set when something is said: until we are ready, that can only be to stop."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def wait(self, timeout: float) -> bool:
        return self._pipe.poll(timeout)


class _KeepingParts:
    """The parts, put together; the session's lease is taken before anything is read that its last ingest may change.

    Raises:
        StorageError: a store refuses (a token, newer tables), a file cannot be opened, or the spool is in use.
        StoppedWaitingError: told to stop while a database or the lease was waited for.
    """

    def __init__(
        self,
        settings: Settings,
        pipe: Connection,
        answers: _Answers,
        opened: ExitStack,
        *,
        rules: RuleEngine,
        drains: bool,
    ) -> None:
        self._pipe = pipe
        self._answers = answers
        self._is_lost = False
        self._serves_metrics = not settings.ingest_metrics_port
        with suppress(SettingsError):  # the ingest that we stand by for may have the port
            self._serve_metrics(settings, opened)
        told = _ToldToStop(pipe)
        patience = Patience(told)
        state = self._open_state(settings, patience)
        opened.callback(state.close)
        lease = SessionLease(state.leases, settings.ingest_session, settings.lease_s)
        end_with_parent(lease.give_back)  # who starts it again need not wait for the lease to run out
        lease.wait(told)
        opened.callback(lease.release)
        lease.keep(self._lose)
        self._serve_metrics(settings, opened, within_s=METRICS_WITHIN_S)
        readings = open_readings(settings, must_answer=False)
        opened.callback(readings.close)
        registry = Registry(state)
        listing = Listing(settings, state.ingests, Topics(settings.mqtt_topic_root), answers.say, drains=drains)
        self._pipeline = Pipeline(
            settings,
            state=state,
            readings=readings,
            registry=registry,
            rules=rules,
            listing=listing,
            lamps=LampsTold(state, settings, answers.say),
            acknowledge=lambda deliveries: answers.say(Durable(deliveries)),
            publish=lambda topic, payload: answers.say(Publish(topic, payload)),
            profiles=NightProfiles(settings, lambda topic, payload: answers.say(Publish(topic, payload, 1))),
        )
        patience.until_done(lambda: self._pipeline.reload(utc_now()))
        self._listing = listing
        operations = Operations(settings, registry, readings) if isinstance(readings, KeepsOperations) else None
        jobs = jobs_of(settings, self._pipeline, state=state, readings=readings, operations=operations)
        self._jobs = Jobs(jobs, settings.zone, leads=lambda: lease.leads)
        self._pipeline.writer.start()

    def _serve_metrics(self, settings: Settings, opened: ExitStack, within_s: float = 0.0) -> None:
        if not self._serves_metrics:
            host, port = settings.ingest_metrics_host, settings.ingest_metrics_port
            opened.callback(metrics.serve(host, port, within_s))
            self._serves_metrics = True

    @staticmethod
    def _open_state(settings: Settings, patience: Patience) -> State:
        if settings.state_url.startswith("sqlite"):  # a file that cannot be opened will not come up by itself
            return open_state(settings.state_url)
        return patience.until_done(lambda: open_state(settings.state_url))

    def run(self) -> None:
        """Keep until told to stop, until the receiving process is gone, or until the session is another ingest's."""
        tune_interpreter()
        self._jobs.start()
        self._answers.say(Ready(self._listing.filters()))
        try:
            with suppress(EOFError, ConnectionError):  # the receiving process is gone
                self._take_until_told()
        finally:
            self._jobs.stop()
            self._pipeline.writer.stop()

    def _lose(self, error: KreispulsError) -> None:
        self._is_lost = True
        self._answers.say(Failed(error))

    def _take_until_told(self) -> None:
        look_at_s = 0.0
        while not self._is_lost:
            if time.monotonic() >= look_at_s:
                self._jobs.follow_clock(utc_now())
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

    def _heed(self, said: Said) -> None:
        match said:
            case Connected(stands):
                metrics.note_connection(stands)
                if stands:
                    self._pipeline.writer.expect_heard()
            case Heard():
                self._pipeline.writer.put(said)
            case Subscribed():
                self._listing.subscribed()
            case Unsubscribed(municipalities):
                self._listing.unsubscribed(municipalities)
            case Lit(lamps_up, unresponsive):
                metrics.lamps_up.set(lamps_up)
                metrics.lamps_unresponsive.set(unresponsive)
            case Following(lamps, at_s):
                self._pipeline.judge_following(lamps, datetime.fromtimestamp(at_s, UTC))
            case Sent(command):
                self._pipeline.keep(unpack(command))
