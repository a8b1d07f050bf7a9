"""Alerts: one open per device and rule, acknowledgements that stay, history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.alert import Alert, AlertState, Severity
from core.errors import ConflictError, NotFoundError
from state.alerts import AlertFilter
from state.state import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PENDING = Alert(
    alert_id="a1",
    rule="lamp_failure",
    device_id="lamp-1",
    device_type="streetlight",
    municipality="marburg",
    severity=Severity.WARNING,
    state=AlertState.PENDING,
    summary="lamp-1 draws 0 W at dim level 1",
    value=0.25,
    started_at=NOON,
)
FIRING = replace(PENDING, state=AlertState.FIRING, fired_at=NOON + MINUTE)
RESOLVED = replace(FIRING, state=AlertState.RESOLVED, resolved_at=NOON + 9 * MINUTE)
SECOND = replace(FIRING, alert_id="a2", started_at=NOON + 20 * MINUTE)


def test_an_alert_comes_back_as_it_went(state: State) -> None:
    acknowledged: dict[str, Any] = {
        "acknowledged_at": NOON + 2 * MINUTE,
        "acknowledged_by": "operator",
        "comment": "Ersatz bestellt",
    }
    full = replace(RESOLVED, circuit="K 7", **acknowledged)
    state.alerts.save([full])
    assert state.alerts.get("a1") == full


def test_a_life(state: State) -> None:
    for alert in (PENDING, FIRING, FIRING, RESOLVED):
        state.alerts.save([alert])
        assert state.alerts.get("a1") == alert
        assert state.alerts.open_alerts() == ([] if alert is RESOLVED else [alert])
    state.alerts.save([])


def test_of_one_alert_given_several_times_the_last_counts(state: State) -> None:
    state.alerts.save([PENDING, FIRING])
    assert state.alerts.get("a1") == FIRING
    state.alerts.save([FIRING, RESOLVED, SECOND])
    assert state.alerts.open_alerts() == [SECOND]


@pytest.mark.parametrize("saved", [FIRING, PENDING])
def test_acknowledged_stays_acknowledged_until_resolved(state: State, saved: Alert) -> None:
    state.alerts.save([FIRING])
    acknowledged = state.alerts.acknowledge("a1", comment="Ersatz bestellt", by="operator", at=NOON + 2 * MINUTE)
    assert acknowledged == replace(
        FIRING,
        state=AlertState.ACKNOWLEDGED,
        acknowledged_at=NOON + 2 * MINUTE,
        acknowledged_by="operator",
        comment="Ersatz bestellt",
    )
    state.alerts.save([replace(saved, value=0.5)])
    now = state.alerts.get("a1")
    assert (now.state, now.value, now.comment) == (AlertState.ACKNOWLEDGED, 0.5, "Ersatz bestellt")
    assert state.alerts.open_alerts() == [now]
    state.alerts.save([RESOLVED])
    assert state.alerts.get("a1") == replace(
        RESOLVED, acknowledged_at=NOON + 2 * MINUTE, acknowledged_by="operator", comment="Ersatz bestellt"
    )


def test_a_later_acknowledgement_replaces_the_earlier(state: State) -> None:
    state.alerts.save([PENDING])
    state.alerts.acknowledge("a1", comment="seen", by="first", at=NOON)
    state.alerts.acknowledge("a1", comment="on my way", by="second", at=NOON + MINUTE)
    now = state.alerts.get("a1")
    assert (now.comment, now.acknowledged_by, now.acknowledged_at) == ("on my way", "second", NOON + MINUTE)


def test_what_cannot_be_acknowledged(state: State) -> None:
    with pytest.raises(NotFoundError, match="a1"):
        state.alerts.acknowledge("a1", comment="", by="operator", at=NOON)
    state.alerts.save([RESOLVED])
    with pytest.raises(ConflictError, match="a1"):
        state.alerts.acknowledge("a1", comment="", by="operator", at=NOON)
    assert state.alerts.get("a1") == RESOLVED


def test_unknown_alert(state: State) -> None:
    with pytest.raises(NotFoundError, match="a1"):
        state.alerts.get("a1")


def test_a_second_open_alert_of_the_same_device_and_rule_is_passed_over(state: State) -> None:
    elsewhere = replace(SECOND, alert_id="a3", rule="day_burner")
    state.alerts.save([FIRING])
    state.alerts.save([SECOND, elsewhere, replace(SECOND, alert_id="a0")])
    assert state.alerts.open_alerts() == [elsewhere, FIRING]
    with pytest.raises(NotFoundError):
        state.alerts.get("a2")
    state.alerts.save([RESOLVED])
    state.alerts.save([SECOND])
    assert state.alerts.open_alerts() == [elsewhere, SECOND]


def test_of_two_new_ones_the_first_is_kept(state: State) -> None:
    state.alerts.save([SECOND, FIRING])
    assert state.alerts.open_alerts() == [SECOND]


def test_a_resolved_alert_does_not_come_back_beside_an_open_one(state: State) -> None:
    state.alerts.save([RESOLVED])
    state.alerts.save([SECOND])
    state.alerts.save([FIRING])
    assert state.alerts.get("a1") == RESOLVED
    assert state.alerts.open_alerts() == [SECOND]


def test_resolving_makes_room_within_one_call(state: State) -> None:
    state.alerts.save([FIRING])
    state.alerts.save([SECOND, RESOLVED])
    assert state.alerts.open_alerts() == [SECOND]


def test_filters_narrow_together(state: State) -> None:
    state.alerts.save(
        [
            PENDING,
            replace(FIRING, alert_id="a2", device_id="lamp-2", severity=Severity.CRITICAL),
            replace(RESOLVED, alert_id="a3", municipality="lohra", rule="day_burner"),
        ]
    )

    def ids(**conditions: object) -> list[str]:
        return [each.alert_id for each in state.alerts.page(AlertFilter(**conditions)).items]  # type: ignore[arg-type]

    assert ids() == ["a3", "a2", "a1"]
    assert ids(state=AlertState.PENDING) == ["a1"]
    assert ids(severity=Severity.WARNING) == ["a3", "a1"]
    assert ids(municipality="marburg") == ["a2", "a1"]
    assert ids(municipality="marburg", device_id="lamp-1") == ["a1"]
    assert ids(rule="day_burner") == ["a3"]
    assert ids(rule="day_burner", device_id="lamp-2") == []


def test_counts_what_is_open(state: State) -> None:
    state.alerts.save(
        [
            PENDING,
            replace(FIRING, alert_id="a2", device_id="lamp-2"),
            replace(FIRING, alert_id="a3", device_id="lamp-3", municipality="lohra"),
            replace(RESOLVED, alert_id="a4", municipality="wetter"),
        ]
    )
    state.alerts.acknowledge("a3", comment="", by="operator", at=NOON)
    assert state.alerts.count_open() == {"marburg": 2, "lohra": 1}


def test_text_that_no_database_takes_is_made_storable(state: State) -> None:
    state.alerts.save([replace(PENDING, summary="a\x00b\ud800c")])
    state.alerts.acknowledge("a1", comment="\x00", by="\udfff", at=NOON)
    now = state.alerts.get("a1")
    assert (now.summary, now.comment, now.acknowledged_by) == ("a\ufffdb\ufffdc", "\ufffd", "\ufffd")


def test_a_thousand_alerts_at_once(state: State) -> None:
    storm = [replace(FIRING, alert_id=f"a{number}", device_id=f"lamp-{number}") for number in range(1000)]
    state.alerts.save(storm)
    state.alerts.save([replace(each, value=1.0) for each in storm])
    assert state.alerts.count_open() == {"marburg": 1000}
    assert {each.value for each in state.alerts.open_alerts()} == {1.0}
