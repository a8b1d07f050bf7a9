"""Notifications from alerts in the state database to real targets; `now` is an argument, nobody waits."""

import contextlib
import email
import email.policy
import io
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.notifications import target as notification_target
from actions.notifications.deliver import GIVEN_UP_AFTER, deliver_due, retry_after, try_out
from core.alert import Alert, AlertState, Severity
from core.clock import utc_now
from core.device import Device, DeviceStatus
from core.errors import InvalidInputError
from core.logs import configure_logging
from core.notification import Language, Subscription
from core.settings import Settings
from state.state import State, open_state
from tests.targets import Webhook, mail_server, webhook

NOON = datetime(2026, 5, 4, 10, tzinfo=UTC)
"""In Berlin."""
MINUTE = timedelta(minutes=1)
SETTINGS = Settings(_env_file=None)
FIRE = Alert(
    alert_id="a1",
    rule="bin_fire",
    device_id="bin-1",
    device_type="waste_bin",
    municipality="marburg",
    severity=Severity.CRITICAL,
    state=AlertState.FIRING,
    summary="Marktplatz 4 reports a fire",
    summary_de="Marktplatz 4 meldet ein Feuer",
    started_at=NOON,
    fired_at=NOON,
)


def full(number: int, **changes: Any) -> Alert:
    alert = replace(
        FIRE,
        alert_id=f"full-{number}",
        rule="bin_full",
        device_id=f"bin-{number}",
        severity=Severity.WARNING,
        summary=f"Bin {number} is 92% full",
        summary_de=f"Tonne {number} ist zu 92% voll",
    )
    return replace(alert, **changes)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(open_state(f"sqlite:///{tmp_path / 'state.db'}")) as opened:
        yield opened


@pytest.fixture
def target() -> Iterator[Webhook]:
    with webhook() as opened:
        yield opened


def subscribe(state: State, target: Webhook, **changes: Any) -> Subscription:
    subscription = Subscription(subscription_id="s1", name="Bauhof", target=target.url, created_at=NOON)
    subscription = replace(subscription, **changes)
    state.notifications.add(subscription)
    return subscription


def deliver(state: State, at: datetime) -> None:
    deliver_due(state, SETTINGS, lambda: at)


def test_alerts_of_a_window_are_one_message_once(state: State, target: Webhook) -> None:
    subscribe(state, target)
    state.alerts.save([full(1), full(2)])
    deliver(state, NOON)
    state.alerts.save([full(3), full(1)])
    deliver(state, NOON + 59 * timedelta(seconds=1))
    assert target.taken == []
    for minutes in (1, 2, 60):
        deliver(state, NOON + minutes * MINUTE)
    (told,) = target.taken
    assert told["title"] == "Kreispuls: 3 Meldungen (marburg)"
    assert told["message"] == (
        "Neu:\n"
        "- Warnung, marburg: Tonne 1 ist zu 92% voll (04.05.2026 12:00 Uhr)\n"
        "- Warnung, marburg: Tonne 2 ist zu 92% voll (04.05.2026 12:00 Uhr)\n"
        "- Warnung, marburg: Tonne 3 ist zu 92% voll (04.05.2026 12:00 Uhr)"
    )


def test_what_is_critical_waits_for_nothing(state: State, target: Webhook) -> None:
    subscribe(state, target, language=Language.ENGLISH, group_s=3600, quiet_from=time(11), quiet_until=time(13))
    state.alerts.save([full(1)])
    deliver(state, NOON)
    assert target.taken == []
    state.alerts.save([FIRE])
    deliver(state, NOON + MINUTE)
    assert target.taken[0]["title"] == "Kreispuls: 1 alert, 1 critical (marburg)"
    assert target.bodies == ["Begun:\n- critical, marburg: Marktplatz 4 reports a fire (2026-05-04 12:00)"]


@pytest.mark.parametrize(
    ("quiet_from", "quiet_until", "told_at"),
    [
        (time(22), time(6), NOON),
        (time(11), time(12, 30), NOON + 30 * MINUTE),
        (time(12), time(11), NOON + 23 * 60 * MINUTE),
    ],
)
def test_quiet_hours_are_local_and_go_over_midnight(
    state: State, target: Webhook, quiet_from: time, quiet_until: time, told_at: datetime
) -> None:
    subscribe(state, target, group_s=0, quiet_from=quiet_from, quiet_until=quiet_until)
    state.alerts.save([full(1)])
    deliver(state, told_at - MINUTE)
    if told_at > NOON:
        deliver(state, NOON)
        assert target.taken == []
    deliver(state, told_at)
    assert len(target.taken) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, 2),
        ({"min_severity": Severity.CRITICAL}, 1),
        ({"municipality": "kirchhain"}, 0),
        ({"municipality": "marburg"}, 2),
        ({"enabled": False}, 0),
    ],
)
def test_only_who_wants_it_is_told(state: State, target: Webhook, changes: dict[str, Any], told: int) -> None:
    subscribe(state, target, **changes)
    state.alerts.save([full(1), FIRE, full(2, state=AlertState.PENDING, fired_at=None)])
    deliver(state, NOON)
    deliver(state, NOON + MINUTE)
    assert sum(body.count("\n- ") for body in target.bodies) == told


@pytest.mark.parametrize("resolved", [True, False])
def test_the_end_is_told_to_who_heard_of_the_begin(state: State, target: Webhook, *, resolved: bool) -> None:
    state.alerts.save([full(2)])
    deliver(state, NOON)  # before anybody subscribed
    subscribe(state, target, resolved=resolved)
    state.alerts.save([full(1)])
    deliver(state, NOON)
    deliver(state, NOON + MINUTE)
    ended = [full(n, state=AlertState.RESOLVED, resolved_at=NOON + 5 * MINUTE) for n in (1, 2)]
    state.alerts.save(ended)
    for minutes in (6, 7):
        deliver(state, NOON + minutes * MINUTE)
    assert target.bodies[1:] == (
        ["Beendet:\n- Warnung, marburg: Tonne 1 ist zu 92% voll (04.05.2026 12:05 Uhr)"] if resolved else []
    )


def test_maintenance_mutes(state: State, target: Webhook) -> None:
    subscribe(state, target)
    bin_1 = Device(device_id="bin-1", device_type="waste_bin", municipality="marburg", status=DeviceStatus.MAINTENANCE)
    state.devices.put_many([bin_1])
    state.alerts.save([FIRE])
    deliver(state, NOON)
    assert target.asked == 0


def test_a_target_that_is_away_gets_it_later_and_once(state: State, target: Webhook) -> None:
    subscription = subscribe(state, target)
    target.status = 503
    state.alerts.save([FIRE])
    at = NOON
    for attempt in range(1, 5):
        deliver(state, at)
        assert target.asked == attempt
        deliver(state, at + retry_after(attempt) - timedelta(seconds=1))
        assert target.asked == attempt
        at += retry_after(attempt)
    counts = state.notifications.counts()[subscription.subscription_id]
    assert (counts.waiting, counts.failed) == (1, 0)
    assert "503" in str(counts.last_error)
    target.status = 200
    deliver(state, at)
    deliver(state, at + 2 * MINUTE)
    assert len(target.taken) == 1
    assert "kam" not in target.bodies[0]
    counts = state.notifications.counts()[subscription.subscription_id]
    assert (counts.waiting, counts.failed, counts.last_error) == (0, 0, None)
    assert counts.last_sent_at is not None


def test_retries_come_ever_later() -> None:
    assert [retry_after(attempts) / MINUTE for attempts in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]


def test_what_cannot_be_told_for_days_is_given_up(state: State, target: Webhook) -> None:
    subscription = subscribe(state, target)
    target.status = 404
    state.alerts.save([full(1)])
    deliver(state, NOON)
    deliver(state, NOON + GIVEN_UP_AFTER + MINUTE)
    counts = state.notifications.counts()[subscription.subscription_id]
    assert (counts.waiting, counts.failed) == (0, 1)
    target.status = 200
    deliver(state, NOON + 2 * GIVEN_UP_AFTER)
    assert target.asked == 1


def test_a_process_killed_while_it_sends_loses_nothing_and_says_so(
    state: State, target: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    subscribe(state, target)
    state.alerts.save([FIRE])
    with monkeypatch.context() as patch:
        patch.setattr(notification_target, "send", killed)
        with pytest.raises(Killed):
            deliver(state, NOON)
    deliver(state, NOON + MINUTE / 2)
    assert target.taken == []
    deliver(state, NOON + MINUTE)
    deliver(state, NOON + 5 * MINUTE)
    (body,) = target.bodies
    assert body.endswith("Der letzte Versuch wurde unterbrochen.")


def test_of_two_processes_one_sends(state: State, target: Webhook) -> None:
    subscribe(state, target)
    state.alerts.save([FIRE])
    state.notifications.queue(NOON)
    waiting = state.notifications.waiting()
    assert state.notifications.begin(waiting, NOON + MINUTE)
    assert not state.notifications.begin(waiting, NOON + MINUTE)


def test_one_bad_target_does_not_keep_the_others_from_theirs(state: State, target: Webhook) -> None:
    gone = replace(target, port=1)
    subscribe(state, gone)
    subscribe(state, target, subscription_id="s2")
    state.alerts.save([FIRE])
    deliver(state, NOON)
    assert len(target.taken) == 1


def test_mail(state: State) -> None:
    with mail_server() as (port, mails):
        target = f"mailto://127.0.0.1:{port}?from=kreispuls@example.org&to=bauhof@example.org&mode=insecure"
        state.notifications.add(Subscription(subscription_id="s1", name="B", target=target, created_at=NOON))
        state.alerts.save([FIRE])
        deliver(state, NOON)
    (mail,) = (email.message_from_string(each, policy=email.policy.default) for each in mails)
    assert mail["To"] == "bauhof@example.org"
    assert mail["Subject"] == "Kreispuls: 1 Meldung, 1 kritisch (marburg)"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Marktplatz 4 meldet ein Feuer" in body.get_content()


class TestSecrets:
    @pytest.fixture
    def logged(self) -> Iterator[io.StringIO]:
        """What a program logs at its highest level."""
        root = logging.getLogger()
        before, level = root.handlers[:], root.level
        with contextlib.redirect_stderr(io.StringIO()) as text:
            configure_logging("debug")
            yield text
        root.handlers[:] = before
        root.setLevel(level)

    @pytest.mark.parametrize("status", [404, 500, 302])
    def test_nothing_of_a_target_is_told_or_logged(self, target: Webhook, status: int, logged: io.StringIO) -> None:
        target.status = status
        subscription = Subscription(subscription_id="s1", name="Bauhof", target=target.url, created_at=utc_now())
        error = try_out(subscription, SETTINGS)
        assert error is not None
        assert target.asked == 1
        logging.getLogger("kreispuls").debug("this is logged")
        told = f"{error} {logged.getvalue()} {subscription!r}"
        assert "this is logged" in told
        assert "pass4word" not in told
        assert "secret-path" not in told

    def test_a_url_cannot_ask_for_redirects_or_more_attempts(self, target: Webhook) -> None:
        with webhook() as elsewhere:
            target.status, target.location = 307, f"http://127.0.0.1:{elsewhere.port}/"
            url = f"{target.url}?redirect=yes&retry=3&wait=0&optional=yes"
            subscription = Subscription(subscription_id="s1", name="B", target=url, created_at=utc_now())
            assert try_out(subscription, SETTINGS) is not None
            assert (target.asked, elsewhere.asked) == (1, 0)

    @pytest.mark.parametrize(
        "wrong", ["", "json", "syslog://localhost", "file:///etc/passwd", "http://x.example/", "json://", "mailto://"]
    )
    def test_other_services_are_refused(self, wrong: str) -> None:
        with pytest.raises(InvalidInputError, match="target"):
            notification_target.check_target(wrong, SETTINGS.notify_scheme_set)
