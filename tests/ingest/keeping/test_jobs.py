"""Each job of ingest does its work on real stores, at an instant that is given; nobody waits for a scheduler."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.lights.send_profiles import NightProfiles
from core.alert import Alert, AlertState, Severity
from core.clock import utc_now
from core.command import Command, CommandState, Reason
from core.device import Device, Municipality
from core.errors import StorageError
from core.notification import Subscription
from core.reading import Reading
from core.rejected import RejectedMessage
from core.settings import Settings
from core.topics import Topics
from ingest.keeping.jobs import Job, Jobs, jobs_of
from ingest.keeping.lamps_told import LampsTold
from ingest.keeping.listing import Listing
from ingest.keeping.operations import Operations
from ingest.keeping.pipeline import Pipeline
from ingest.keeping.registry import Registry
from readings.sqlite.store import SqliteReadings
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from state.rejected import RejectedFilter
from state.state import State, open_state
from tests.targets import webhook

NOW = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MARBURG = Municipality(municipality="marburg", name="Marburg", latitude=50.8, longitude=8.77)
LAMP = Device(
    device_id="l1",
    device_type="streetlight",
    municipality="marburg",
    attributes={"control": "profile", "rated_power_w": 40},
    last_seen_at=NOW - HOUR,
)
ALERT = Alert(
    alert_id="a1",
    rule="bin_fire",
    device_id="b1",
    device_type="waste_bin",
    municipality="marburg",
    severity=Severity.CRITICAL,
    state=AlertState.FIRING,
    summary="Marktplatz reports a fire",
    summary_de="Marktplatz meldet ein Feuer",
    started_at=NOW,
    fired_at=NOW,
)
LED = {
    "expire commands",
    "notify",
    "roll up readings",
    "prune rejected messages",
    "prune commands",
    "show energy",
    "forget quantities",
    "delete old readings",
}
"""What the platform needs once."""


class NotingReadings(SqliteReadings):
    """Takes the reports that only InfluxDB keeps."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.lines: list[str] = []

    def write_lines(self, lines: Sequence[str]) -> None:
        self.lines += lines


@dataclass
class Ingest:
    """What the jobs work on."""

    settings: Settings
    state: State
    readings: NotingReadings
    pipeline: Pipeline
    published: list[str]
    acknowledged: list[tuple[int, int]]
    jobs: dict[str, Job]
    wait_until: Callable[..., object]

    def write(self, at: datetime, **values: Any) -> None:
        self.readings.write([Reading("l1", "streetlight", "marburg", at, at, values)])

    def hours_ago(self, quantity: str) -> list[float]:
        """How old the lamp's values are, oldest first."""
        found = self.readings.series("l1", [quantity], NOW - 9999 * DAY, NOW + DAY)
        return [(NOW - each.observed_at) / HOUR for each in found]

    def commands(self) -> dict[str, CommandState]:
        return {command.command_id: command.state for command in self.state.commands.recent(100)}


@pytest.fixture
def ingest(tmp_path: Path, wait_until: Callable[..., object]) -> Iterator[Ingest]:
    settings = Settings(_env_file=None, data_dir=tmp_path, retention_days=30, rejected_keep=2, batch_max_age_ms=1)
    with (
        closing(open_state(settings.state_url)) as state,
        closing(NotingReadings(tmp_path / "readings.db")) as readings,
    ):
        state.municipalities.put(MARBURG)
        state.devices.put_many([LAMP])
        state.devices.seen({"l1": NOW - HOUR})
        registry = Registry(state)
        published: list[str] = []
        acknowledged: list[tuple[int, int]] = []
        pipeline = Pipeline(
            settings,
            state=state,
            readings=readings,
            registry=registry,
            rules=RuleEngine(load_rules()),
            listing=Listing(settings, state.ingests, Topics(settings.mqtt_topic_root), lambda _: None, drains=False),
            lamps=LampsTold(state, settings, lambda _: None),
            acknowledge=acknowledged.extend,
            publish=lambda topic, _: published.append(topic),
            profiles=NightProfiles(settings, lambda topic, _: published.append(topic)),
        )
        operations = Operations(settings, registry, readings)
        jobs = jobs_of(
            settings, pipeline, state=state, readings=readings, operations=operations, clock=lambda: NOW + HOUR
        )
        pipeline.reload(NOW)
        pipeline.writer.start()
        yield Ingest(
            settings,
            state,
            readings,
            pipeline,
            published,
            acknowledged,
            {job.name: job for job in jobs},
            wait_until,
        )
        pipeline.writer.stop()


def presence_is_forgotten_and_counters_stay(ingest: Ingest, job: Job) -> None:
    """48 hours without any setting."""
    for hours in (1, 46.5, 47.5, 72):
        ingest.write(NOW - hours * HOUR, presence=True, active_energy_kwh=100.0 - hours)
    job.run(NOW)
    assert ingest.hours_ago("presence") == [46.5, 1]
    assert ingest.hours_ago("active_energy_kwh") == [72, 47.5, 46.5, 1]


def old_readings_are_deleted(ingest: Ingest, job: Job) -> None:
    for days in (29, 31):
        ingest.write(NOW - days * DAY, active_power_w=21.0)
    job.run(NOW)
    assert ingest.hours_ago("active_power_w") == [29 * 24]


def readings_are_rolled_up(ingest: Ingest, job: Job) -> None:
    for hours in (25, 49):
        ingest.write(NOW - hours * HOUR, active_power_w=21.0)
    job.run(NOW)
    with closing(sqlite3.connect(ingest.settings.data_dir / "readings.db")) as connection:
        assert connection.execute('SELECT count(*) FROM "daily_active_power_w"').fetchone()[0] == 2


def command(command_id: str, age: timedelta, reason: Reason = Reason.PRESENCE) -> Command:
    return Command(
        command_id=command_id,
        device_id="l1",
        device_type="streetlight",
        municipality="marburg",
        name="set_light",
        dim_level=1.0,
        fade_s=0.0,
        hold_s=60.0,
        reason=reason,
        state=CommandState.SENT,
        issued_at=NOW - age,
        expires_at=NOW - age + timedelta(seconds=30),
    )


def unanswered_commands_expire(ingest: Ingest, job: Job) -> None:
    ingest.state.commands.add([command("overdue", HOUR), command("fresh", timedelta(seconds=10))])
    job.run(NOW)
    assert ingest.commands() == {"overdue": CommandState.EXPIRED, "fresh": CommandState.SENT}


def commands_go_after_90_days_those_of_schedules_after_7(ingest: Ingest, job: Job) -> None:
    ingest.state.commands.add(
        [
            command("91 days", 91 * DAY),
            command("89 days", 89 * DAY),
            command("8 days, schedule", 8 * DAY, Reason.SCHEDULE),
            command("6 days, schedule", 6 * DAY, Reason.SCHEDULE),
        ]
    )
    job.run(NOW)
    assert set(ingest.commands()) == {"89 days", "6 days, schedule"}


def only_the_newest_rejected_messages_are_kept(ingest: Ingest, job: Job) -> None:
    message = RejectedMessage(topic="1", payload=b"", payload_size=0, reason="", received_at=NOW)
    ingest.state.rejected.add([replace(message, topic=topic) for topic in "1234"])
    job.run(NOW)
    kept = ingest.state.rejected.page(RejectedFilter()).items
    assert [message.topic for message in kept] == ["4", "3"]


def people_are_told_of_alerts(ingest: Ingest, job: Job) -> None:
    with webhook() as target:
        ingest.state.notifications.add(
            Subscription(subscription_id="s1", name="Bauhof", target=target.url, created_at=NOW)
        )
        ingest.state.alerts.save([ALERT])
        job.run(NOW)
        assert "Marktplatz meldet ein Feuer" in target.bodies[0]


def energy_is_shown(ingest: Ingest, job: Job) -> None:
    for hours in (3, 2, 1):
        ingest.write(NOW - hours * HOUR, active_energy_kwh=100.0 - hours)
    job.run(NOW)
    assert any(line.startswith("energy,municipality=marburg ") for line in ingest.readings.lines)


def it_is_reported_how_ingest_is_doing(ingest: Ingest, job: Job) -> None:
    job.run(NOW)
    assert {line.split(",")[0] for line in ingest.readings.lines} == {"ingest", "device"}


def last_seen_times_are_written(ingest: Ingest, job: Job) -> None:
    topic = "kreispuls/v1/marburg/streetlight/l1/event/up"
    ingest.pipeline.receive((topic, b'{"dim_level": 0.5}', 1, False, 7, 1, False, "session", NOW.timestamp(), ()))
    ingest.wait_until(lambda: ingest.acknowledged, "the message is durable")
    assert ingest.state.devices.get("l1").last_seen_at == NOW - HOUR
    job.run(NOW)
    assert ingest.state.devices.get("l1").last_seen_at == NOW


def silence_is_judged(ingest: Ingest, job: Job) -> None:
    job.run(NOW)
    job.run(NOW + DAY)
    ingest.pipeline.writer.stop()
    (alert,) = ingest.state.alerts.open_alerts()
    assert (alert.rule, alert.device_id) == ("communication_failure", "l1")


def profiles_of_the_night_are_sent(ingest: Ingest, job: Job) -> None:
    job.run(NOW)
    assert ingest.published == ["kreispuls/v1/marburg/streetlight/l1/command/set_profile"]


def what_changes_in_the_registry_is_taken_over(ingest: Ingest, job: Job) -> None:
    ingest.state.devices.put_many([replace(LAMP, device_id="l2")])
    job.run(NOW)
    ingest.jobs["send profiles"].run(NOW)
    assert "kreispuls/v1/marburg/streetlight/l2/command/set_profile" in ingest.published


EFFECTS: dict[str, Callable[[Ingest, Job], None]] = {
    "reload the registry": what_changes_in_the_registry_is_taken_over,
    "write last-seen times": last_seen_times_are_written,
    "find silent devices": silence_is_judged,
    "send profiles": profiles_of_the_night_are_sent,
    "expire commands": unanswered_commands_expire,
    "notify": people_are_told_of_alerts,
    "roll up readings": readings_are_rolled_up,
    "prune rejected messages": only_the_newest_rejected_messages_are_kept,
    "prune commands": commands_go_after_90_days_those_of_schedules_after_7,
    "show energy": energy_is_shown,
    "forget quantities": presence_is_forgotten_and_counters_stay,
    "delete old readings": old_readings_are_deleted,
    "report to the time-series database": it_is_reported_how_ingest_is_doing,
}


@pytest.mark.parametrize("name", EFFECTS)
def test_a_job_does_its_work(ingest: Ingest, name: str) -> None:
    EFFECTS[name](ingest, ingest.jobs[name])


def test_every_job_is_in_the_table(ingest: Ingest) -> None:
    assert set(ingest.jobs) == set(EFFECTS)
    assert {name for name, job in ingest.jobs.items() if job.led} == LED


def test_presence_is_looked_for_as_often_as_its_retention_counts_on(ingest: Ingest) -> None:
    assert ingest.jobs["forget quantities"].every_s == 3600


def runs(*jobs: Job, leads: Callable[[], bool] = lambda: True) -> dict[str, Callable[[], None]]:
    """What the scheduler would run, by name."""
    scheduler = Jobs(jobs, ZoneInfo("Europe/Berlin"), leads).scheduler
    return {job.name: job.func for job in scheduler.get_jobs()}


def test_what_the_platform_needs_once_is_run_by_the_ingest_that_leads() -> None:
    ran: list[str] = []
    leads = False
    run = runs(
        Job("ours", 60, lambda _: ran.append("ours")),
        Job("the platform's", 60, lambda _: ran.append("the platform's"), led=True),
        leads=lambda: leads,
    )
    for each in run.values():
        each()
    assert ran == ["ours"]
    leads = True
    run["the platform's"]()
    assert ran == ["ours", "the platform's"]


def test_a_job_that_fails_says_so_once_is_tried_again_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception] = [StorageError("no disk"), StorageError("no disk"), ValueError("a fault of ours")]
    ran: list[datetime] = []

    def fail(_: datetime) -> None:
        if failures:
            raise failures.pop(0)

    run = runs(Job("fails", 60, fail), Job("works", 60, ran.append))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            run["fails"]()
            run["works"]()
    assert len(ran) == 5
    assert [record.getMessage() for record in caplog.records if record.name == "ingest.keeping.jobs"] == [
        "job fails: no disk",
        "job fails: ValueError: a fault of ours",
        "job fails: works again after 3 failures",
    ]


def test_a_clock_that_was_set_back_holds_no_job_up() -> None:
    jobs = Jobs(
        [Job("often", 1, lambda _: None), Job("daily", 86_400, lambda _: None)], ZoneInfo("Europe/Berlin"), lambda: True
    )
    often, daily = jobs.scheduler.get_jobs()
    began = utc_now()
    assert often.next_run_time <= began + timedelta(seconds=1)
    assert daily.next_run_time <= began + timedelta(seconds=10)
    daily.modify(next_run_time=began + DAY)
    often.modify(next_run_time=began + DAY)
    jobs.follow_clock(began)
    assert often.next_run_time == began
    assert daily.next_run_time == began + DAY, "a day ahead is no longer than it always waits"
    jobs.follow_clock(began - HOUR)
    assert daily.next_run_time == began - HOUR
