"""Subscriptions and the outbox, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from core.alert import Alert, AlertEvent, AlertState, Severity
from core.errors import NotFoundError
from core.notification import DeliveryCounts, Language, Subscription
from state.state import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SUBSCRIPTION = Subscription(
    subscription_id="s1",
    name="Bauhof Süd",
    target="mailto://user:secret@example.org",
    municipality="marburg",
    min_severity=Severity.INFO,
    language=Language.ENGLISH,
    quiet_from=time(22),
    quiet_until=time(6, 30),
    group_s=0,
    resolved=False,
    created_at=NOON,
)
FIRING = Alert(
    alert_id="a1",
    rule="lamp_failure",
    device_id="lamp-1",
    device_type="streetlight",
    municipality="marburg",
    severity=Severity.WARNING,
    state=AlertState.FIRING,
    summary="Lamp 1 is dark",
    summary_de="Leuchte 1 ist dunkel",
    started_at=NOON,
    fired_at=NOON + MINUTE,
)
RESOLVED = replace(FIRING, state=AlertState.RESOLVED, resolved_at=NOON + 9 * MINUTE)


def test_a_subscription_comes_back_as_it_went(state: State) -> None:
    state.notifications.add(SUBSCRIPTION)
    assert state.notifications.subscriptions() == [SUBSCRIPTION]
    changed = replace(SUBSCRIPTION, quiet_from=None, quiet_until=None, municipality=None, name="A", enabled=False)
    assert state.notifications.change("s1", lambda kept: changed if kept == SUBSCRIPTION else kept) == changed
    assert state.notifications.subscription("s1") == changed
    state.notifications.delete("s1")
    for call in (state.notifications.delete, state.notifications.subscription):
        with pytest.raises(NotFoundError):
            call("s1")
    with pytest.raises(NotFoundError):
        state.notifications.change("s1", lambda kept: kept)


def test_every_event_is_queued_once_and_told_until_it_was(state: State) -> None:
    state.notifications.add(SUBSCRIPTION)
    state.alerts.save([FIRING])
    state.alerts.save([FIRING])
    assert state.notifications.queue(NOON) == 2  # pending, which nobody is told, and firing
    assert state.notifications.queue(NOON) == 0
    (waiting,) = state.notifications.waiting()
    assert (waiting.summary, waiting.summary_de) == ("Lamp 1 is dark", "Leuchte 1 ist dunkel")
    assert (waiting.at, waiting.queued_at, waiting.attempts) == (NOON + MINUTE, NOON, 0)
    assert state.notifications.begin([waiting], NOON + MINUTE)
    assert not state.notifications.begin([waiting], NOON + MINUTE)
    (interrupted,) = state.notifications.waiting()
    assert (interrupted.interrupted, interrupted.attempts, interrupted.next_at) == (True, 1, NOON + MINUTE)
    state.notifications.not_sent([waiting.notification_id], "away")
    assert state.notifications.waiting() == [replace(interrupted, interrupted=False)]
    assert state.notifications.counts() == {"s1": DeliveryCounts(waiting=1, last_error="away")}
    state.notifications.sent([waiting.notification_id], NOON + 2 * MINUTE)
    assert state.notifications.waiting() == []
    assert state.notifications.counts() == {"s1": DeliveryCounts(last_sent_at=NOON + 2 * MINUTE)}
    assert state.notifications.prune(NOON + 2 * MINUTE) == 0
    assert state.notifications.prune(NOON + 3 * MINUTE) == 1


def test_one_with_much_waiting_leaves_room_for_the_others(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.notifications.WAITING_AT_ONCE", 2)
    state.notifications.add(SUBSCRIPTION)
    many = [replace(FIRING, alert_id=f"a{number}", device_id=f"lamp-{number}") for number in range(5)]
    state.alerts.save(many[:4])
    state.notifications.queue(NOON)
    state.notifications.add(replace(SUBSCRIPTION, subscription_id="s2"))
    state.alerts.save(many[4:])
    state.notifications.queue(NOON)
    waiting = [(each.subscription_id, each.alert_id) for each in state.notifications.waiting()]
    assert waiting == [("s1", "a0"), ("s1", "a1"), ("s2", "a4")]


def test_all_or_none_are_begun(state: State) -> None:
    state.notifications.add(SUBSCRIPTION)
    state.alerts.save([FIRING, replace(FIRING, alert_id="a2", device_id="lamp-2")])
    state.notifications.queue(NOON)
    first, second = state.notifications.waiting()
    assert state.notifications.begin([second], NOON + MINUTE)
    assert not state.notifications.begin([first, second], NOON + MINUTE)
    assert [each.attempts for each in state.notifications.waiting()] == [0, 1]


def test_what_waits_goes_with_its_subscription(state: State) -> None:
    state.notifications.add(SUBSCRIPTION)
    state.alerts.save([FIRING])
    state.notifications.queue(NOON)
    state.notifications.change("s1", lambda kept: replace(kept, enabled=False))
    assert state.notifications.waiting() == []
    state.notifications.change("s1", lambda kept: replace(kept, enabled=True))
    assert len(state.notifications.waiting()) == 1
    state.notifications.delete("s1")
    assert state.notifications.waiting() == []
    assert state.notifications.counts() == {}


def test_history_knows_what_happened_and_when(state: State) -> None:
    state.alerts.save([replace(FIRING, state=AlertState.PENDING, fired_at=None)])
    state.alerts.save([FIRING])
    state.alerts.acknowledge("a1", comment="seen", by=None, at=NOON + 2 * MINUTE)
    state.alerts.acknowledge("a1", comment="on Tuesday", by="Bauhof", at=NOON + 3 * MINUTE)
    state.alerts.save([RESOLVED, RESOLVED])
    # It comes back (flapping) and goes: both stay known.
    state.alerts.save([replace(FIRING, fired_at=NOON + 20 * MINUTE)])
    state.alerts.save([replace(RESOLVED, fired_at=NOON + 20 * MINUTE, resolved_at=NOON + 30 * MINUTE)])
    assert state.alerts.history("a1") == [
        AlertEvent(NOON, AlertState.PENDING),
        AlertEvent(NOON + MINUTE, AlertState.FIRING),
        AlertEvent(NOON + 2 * MINUTE, AlertState.ACKNOWLEDGED, None, "seen"),
        AlertEvent(NOON + 3 * MINUTE, AlertState.ACKNOWLEDGED, "Bauhof", "on Tuesday"),
        AlertEvent(NOON + 9 * MINUTE, AlertState.RESOLVED),
        AlertEvent(NOON + 20 * MINUTE, AlertState.FIRING),
        AlertEvent(NOON + 30 * MINUTE, AlertState.RESOLVED),
    ]
    with pytest.raises(NotFoundError):
        state.alerts.history("a2")


def test_an_alert_that_was_passed_over_has_no_history(state: State) -> None:
    state.alerts.save([FIRING])
    state.alerts.save([replace(FIRING, alert_id="a2")])
    assert len(state.alerts.history("a1")) == 2
    assert state.notifications.queue(NOON) == 2
