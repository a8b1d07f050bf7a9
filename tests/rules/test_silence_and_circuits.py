"""Silence by each device's own interval; many lamps of one circuit are one alert."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.alert import Alert, AlertState
from core.device import Attribute, Device, DeviceStatus, Municipality
from core.reading import Reading
from rules.catalogue import load_rules
from rules.change import AlertChange
from rules.engine import RuleEngine

NIGHT = datetime(2026, 11, 20, 20, tzinfo=UTC)
MARBURG = Municipality(municipality="marburg", name="Marburg")
DARK: dict[str, float | str] = {"dim_level": 0.5, "active_power_w": 0.5, "faults": ""}
LIT: dict[str, float | str] = {"dim_level": 0.5, "active_power_w": 21.0, "faults": ""}


def at(minutes: float) -> datetime:
    return NIGHT + timedelta(minutes=minutes)


def lamp(number: int, last_seen_at: datetime | None = None, **attributes: Attribute) -> Device:
    return Device(
        device_id=f"lamp-{number}",
        device_type="streetlight",
        municipality="marburg",
        attributes={"rated_power_w": 40, "circuit": "K 7", **attributes},
        last_seen_at=last_seen_at,
    )


class Region:
    """An engine over lamps; minutes count from the start."""

    def __init__(self, *lamps: Device) -> None:
        self.lamps = {device.device_id: device for device in lamps}
        self.engine = RuleEngine(load_rules())
        self.engine.configure(self.lamps, [MARBURG], {}, NIGHT)
        self.changes: list[AlertChange] = []

    def says(self, minutes: float, number: int, **values: float | str) -> None:
        now = at(minutes)
        reading = Reading(f"lamp-{number}", "streetlight", "marburg", now, now, values or LIT)
        self.changes += self.engine.judge(reading, now)

    def follows(self, minutes: float, number: int, *, follows: bool) -> None:
        self.changes += self.engine.judge_following(f"lamp-{number}", follows, at(minutes))

    def waits(self, since: float, until: float) -> None:
        """Silence is judged every five minutes, `since < t <= until`."""
        self.changes += [
            change
            for minute in range(int(since) + 5, int(until) + 1, 5)
            for change in self.engine.judge_silence(at(minute))
        ]

    def reports(self, since: int, until: int, *numbers: int, every: int = 15) -> None:
        """These lamps report; silence is judged meanwhile."""
        for minute in range(since, until, 5):
            if (minute - since) % every == 0:
                for number in numbers:
                    self.says(minute, number)
            self.changes += self.engine.judge_silence(at(minute + 5))

    def of(self, state: AlertState) -> list[Alert]:
        return [change.alert for change in self.changes if change.alert.state is state]

    @property
    def fired(self) -> list[tuple[str, str]]:
        return [(alert.rule, alert.device_id) for alert in self.of(AlertState.FIRING)]


def test_a_given_interval_decides_alone() -> None:
    """4.5 intervals of 10 minutes; without the attribute 4.5 hours."""
    region = Region(lamp(1, circuit=None, report_interval_s=600), lamp(2, circuit=None))
    region.says(0, 1)
    region.says(0, 2)
    region.waits(0, 40)
    assert region.fired == []
    region.waits(40, 45)
    assert region.fired == [("communication_failure", "lamp-1")]
    region.waits(45, 265)
    assert len(region.fired) == 1
    region.waits(265, 270)
    assert region.fired[1:] == [("communication_failure", "lamp-2")]


def test_a_rare_reporters_interval_is_learned_and_one_outage_is_not() -> None:
    region = Region(lamp(1, circuit=None))
    for day in range(4):  # twice a day
        region.says(720 * day, 1)
        region.waits(720 * day, 720 * day + 715)
    began = [alert.started_at for alert in region.of(AlertState.FIRING)]
    assert began == [at(0), at(720)]  # from two gaps in a row on it is known
    quick = Region(lamp(1, circuit=None))
    quick.reports(0, 120, 1)
    quick.says(1000, 1)  # after an outage
    quick.reports(1015, 1100, 1)
    quick.waits(1100, 1095 + 270)
    assert quick.fired == [("communication_failure", "lamp-1")]


def test_words_of_one_event_are_no_interval() -> None:
    region = Region(lamp(1, circuit=None))
    for day in range(3):
        for second in range(5):
            region.says(1000 * day + second / 60, 1)
    region.waits(2000, 2000 + 1500)
    assert region.fired == []


def test_after_a_restart_a_rare_reporter_is_not_silent() -> None:
    region = Region(lamp(1, circuit=None, last_seen_at=NIGHT - timedelta(hours=11)), lamp(2, circuit=None))
    region.waits(0, 11 * 60)
    assert region.fired == [("communication_failure", "lamp-2")]


@pytest.mark.parametrize("jump_h", [-30, 5, 2000])
def test_a_clock_that_is_set_makes_nobody_silent(jump_h: int) -> None:
    region = Region(lamp(1), lamp(2))
    region.reports(0, 60, 1, 2)
    jump = jump_h * 60
    region.reports(60 + jump, 120 + jump, 1, 2)
    assert region.changes == []
    region.waits(120 + jump, 120 + jump + 250)
    assert region.fired == []  # the last reports were a quarter of an hour before that
    region.waits(120 + jump + 250, 120 + jump + 255)
    assert len(region.fired) == 2


def test_a_dead_circuit_is_one_alert() -> None:
    """Forty lamps report every quarter, at their own minutes, until the fuse goes; none of them fires by itself."""
    region = Region(*(lamp(number) for number in range(40)), lamp(99, circuit="K 8"))
    for quarter in range(8):
        for number in range(40):
            region.says(15 * quarter + number / 3, number)
    for quarter in range(40):
        region.says(120 + 15 * quarter, 99)
        region.waits(120 + 15 * quarter, 135 + 15 * quarter)
    (alert,) = region.of(AlertState.FIRING)
    assert (alert.rule, alert.circuit, alert.value) == ("supply_loss", "K 7", 40.0)
    assert alert.summary.startswith("40 of 40 lamps of circuit K 7 are dark or silent since 2026-11-20T21:4")
    assert alert.device_id in region.lamps


def test_a_dark_circuit_that_still_speaks_is_one_alert_and_resolves_when_there_is_light() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for quarter in range(4):
        for number in range(6):
            region.says(15 * quarter + number, number, **DARK)
    assert region.fired == [("supply_loss", "lamp-0")]
    for number in range(6):
        region.says(70 + number, number)
    ended = [alert for alert in region.of(AlertState.RESOLVED) if alert.fired_at]
    assert [(alert.rule, alert.circuit, alert.resolved_at) for alert in ended] == [("supply_loss", "K 7", at(74))]


def test_what_stays_dark_when_the_circuit_is_back_is_found_by_itself() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for quarter in range(4):
        for number in range(6):
            region.says(15 * quarter + number, number, **DARK)
    for quarter in range(4, 6):
        region.says(15 * quarter, 0, **DARK)
        for number in range(1, 6):
            region.says(15 * quarter + number, number)
    assert region.fired == [("supply_loss", "lamp-0"), ("lamp_failure", "lamp-0")]


def test_single_lamps_of_a_circuit_fail_by_themselves() -> None:
    region = Region(*(lamp(number) for number in range(10)))
    for night in range(6):  # one more each night: never together
        for quarter in range(4):
            for number in range(10):
                values = DARK if number <= night else LIT
                region.says(1440 * night + 15 * quarter + number / 10, number, **values)
    assert region.fired == [("lamp_failure", f"lamp-{number}") for number in range(6)]


def test_two_lamps_are_no_circuit() -> None:
    region = Region(lamp(1), lamp(2))
    for quarter in range(3):
        region.says(15 * quarter, 1, **DARK)
        region.says(15 * quarter, 2, **DARK)
    assert sorted(region.fired) == [("lamp_failure", "lamp-1"), ("lamp_failure", "lamp-2")]


def restarted(region: Region, now: datetime) -> Region:
    opened: dict[str, Alert] = {}
    for change in region.changes:
        opened[change.alert.alert_id] = change.alert
    again = Region()
    again.lamps = region.lamps
    again.engine = RuleEngine(load_rules())
    again.engine.restore(opened.values())
    assert again.engine.configure(region.lamps, [MARBURG], {}, now) == []
    return again


def test_the_alert_of_a_circuit_survives_a_restart() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for number in range(6):
        region.says(number, number)
    region.waits(5, 600)
    assert region.fired == [("supply_loss", "lamp-0")]
    after = restarted(region, at(600))
    after.waits(600, 1200)
    assert after.changes == []
    for number in range(6):
        after.says(1205 + number, number)
    (alert,) = after.of(AlertState.RESOLVED)
    assert (alert.alert_id, alert.resolved_at) == (region.of(AlertState.FIRING)[0].alert_id, at(1209))


def test_a_lamp_that_goes_dark_later_belongs_to_the_circuits_alert() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for quarter in range(4):
        for number in range(6):
            region.says(15 * quarter + number, number, **(DARK if number < 3 else LIT))
    for quarter in range(4, 8):
        for number in range(6):
            back = number in (1, 2) and quarter > 4
            region.says(15 * quarter + number, number, **(LIT if back else DARK))
    assert region.fired == [("supply_loss", "lamp-0")]
    assert [alert.rule for alert in region.of(AlertState.RESOLVED) if alert.fired_at] == []


def test_a_circuit_that_is_gone_has_no_alert() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for number in range(6):
        region.says(number, number)
    region.waits(5, 600)
    moved = {f"lamp-{number}": lamp(number, circuit="K 9") for number in range(6)}
    changes = region.engine.configure(moved, [MARBURG], {}, at(600))
    assert [(change.alert.rule, change.alert.state) for change in changes] == [("supply_loss", AlertState.RESOLVED)]


def test_another_workers_circuits_are_forgotten_without_a_change() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for number in range(6):
        region.says(number, number)
    region.waits(5, 600)
    region.engine.forget(region.lamps)
    assert region.engine.configure({}, [], {}, at(600)) == []


# -- lamps that answer no command --------------------------------------------------------------------------------------


def test_a_lamp_given_up_fires_after_a_minute_until_it_follows_whatever_it_says() -> None:
    region = Region(lamp(1, circuit=None))
    region.follows(0, 1, follows=False)
    region.says(0.5, 1)
    region.changes += region.engine.judge_silence(at(0.9))
    assert region.fired == []
    region.follows(0.95, 1, follows=False)  # again: counted from the first time
    region.changes += region.engine.judge_silence(at(1))
    region.changes += region.engine.judge_silence(at(2))
    assert region.fired == [("command_failure", "lamp-1")]
    region.says(3, 1)
    assert region.of(AlertState.RESOLVED) == []
    region.follows(4, 1, follows=True)
    region.follows(5, 1, follows=True)
    assert [alert.resolved_at for alert in region.of(AlertState.RESOLVED)] == [at(4)]
    (fired,) = region.of(AlertState.FIRING)
    assert fired.summary_de == "lamp-1 beantwortet seit 2026-11-20T20:00:00Z keinen Befehl"


def test_who_follows_within_the_minute_has_no_alert() -> None:
    region = Region(lamp(1, circuit=None))
    region.follows(0, 1, follows=False)
    region.follows(0.8, 1, follows=True)
    region.waits(0, 10)
    assert region.changes == []


def test_a_lamp_in_maintenance_has_its_alert_when_that_is_over() -> None:
    region = Region(replace(lamp(1), status=DeviceStatus.MAINTENANCE))
    region.follows(0, 1, follows=False)
    region.waits(0, 60)
    assert region.changes == []
    region.engine.configure({"lamp-1": lamp(1)}, [MARBURG], {}, at(60))
    region.waits(60, 65)
    assert region.fired == [("command_failure", "lamp-1")]


def test_the_alert_survives_a_restart_and_resolves_by_the_first_that_follows() -> None:
    region = Region(lamp(1))
    region.follows(0, 1, follows=False)
    region.waits(0, 5)
    after = restarted(region, at(10))
    after.says(12, 1)
    after.waits(10, 20)
    assert after.changes == []
    after.follows(21, 1, follows=True)
    assert [alert.alert_id for alert in after.of(AlertState.RESOLVED)] == [region.of(AlertState.FIRING)[0].alert_id]


def test_a_circuit_given_up_within_seconds_is_one_alert() -> None:
    region = Region(*(lamp(number) for number in range(6)))
    for number in range(4):
        region.follows(number / 30, number, follows=False)
    region.waits(0, 10)
    assert region.fired == [("supply_loss", "lamp-0")]
    for number in range(4):
        region.follows(20 + number, number, follows=True)
    assert [(alert.rule, alert.resolved_at) for alert in region.of(AlertState.RESOLVED)] == [("supply_loss", at(22))]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.integers(0, 5), st.sampled_from(["dark", "lit", "wait", "given up", "follows"])
        ),
        max_size=60,
    )
)
def test_whatever_happens_alerts_open_and_close_in_turn(events: list[tuple[int, int, str]]) -> None:
    """At most one open alert per device and rule, none resolved that was not open, also over a restart."""
    region = Region(*(lamp(number) for number in range(6)))
    minute = 0
    for number, (step, device, what) in enumerate(events):
        if what == "wait":
            region.waits(minute, minute + step * 10)
            minute += step * 10
        elif what in {"given up", "follows"}:
            minute += step
            region.follows(minute, device, follows=what == "follows")
        else:
            minute += step
            region.says(minute, device, **(DARK if what == "dark" else LIT))
        if number == 30:
            before = region.changes
            region = restarted(region, at(minute))
            region.changes = before
    opened: dict[tuple[str, str], str] = {}
    for change in region.changes:
        alert = change.alert
        key = (alert.device_id, alert.rule)
        if alert.state is AlertState.RESOLVED:
            assert opened.pop(key) == alert.alert_id
        else:
            assert opened.setdefault(key, alert.alert_id) == alert.alert_id
