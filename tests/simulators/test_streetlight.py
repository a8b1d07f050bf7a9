import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from core.command import Reason, SetLight, SetProfile
from simulators.faults import FaultKind
from simulators.streetlight import Lamp, power_factor, power_w
from simulators.uplink import Outgoing
from simulators.world import SimulatedClock

NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 22, tzinfo=UTC)
"""Civil twilight in Marburg ends about 17:42 UTC and begins about 5:29 UTC."""
MakeLamp = Callable[..., Lamp]


def _set_light(
    at: datetime, *, level: float = 0.8, fade_s: float = 1.0, hold_s: float | None = 60.0, lasts_s: float = 10.0
) -> SetLight:
    return SetLight(
        command_id="c-1",
        dim_level=level,
        fade_s=fade_s,
        hold_s=hold_s,
        reason=Reason.OVERRIDE,
        issued_at=at,
        expires_at=at + timedelta(seconds=lasts_s),
    )


def _started(lamp: Lamp, at: datetime, speed: float = 1.0) -> Lamp:
    lamp.start(SimulatedClock(at.timestamp(), speed))
    return lamp


def _said(messages: Sequence[Outgoing], name: str = "up") -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in messages if message.topic.endswith(f"event/{name}")]


def _due(lamp: Lamp, at: datetime) -> list[dict[str, Any]]:
    return _said(lamp.due_messages(at.timestamp()))


def _level(lamp: Lamp, at: datetime) -> float:
    return lamp.level(at.timestamp())


def test_power_by_hand() -> None:
    """26 W at 20 %: 0.6 W controller and 26 * (0.05 + 0.95 * 0.2) = 6.24 W; after 100,000 h 10 % more of the latter."""
    assert power_w(0.0, 0.0, 26) == pytest.approx(0.6)
    assert power_w(0.2, 0.0, 26) == pytest.approx(6.84)
    assert power_w(1.0, 0.0, 26) == pytest.approx(26.6)
    assert power_w(0.2, 100_000.0, 26) == pytest.approx(0.6 + 6.864)


def test_power_factor_falls_when_dimmed() -> None:
    assert power_factor(1.0) == pytest.approx(0.97)
    assert power_factor(1.0) > power_factor(0.5) > power_factor(0.2) > power_factor(0.0) > 0


def test_by_itself_it_burns_at_standby_in_the_dark_and_not_by_day(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NOON)
    reports = _due(lamp, NOON + timedelta(days=1))
    levels = {report["observed_at"][11:13]: report["dim_level"] for report in reports if "dim_level" in report}
    assert levels["12"] == levels["16"] == levels["06"] == 0.0
    assert levels["18"] == levels["23"] == levels["04"] == 0.2
    assert lamp.switch_on_count == _switched(reports)


def _switched(reports: Sequence[dict[str, Any]]) -> int:
    counts = [report["switch_on_count"] for report in reports]
    assert counts[-1] - counts[0] == 1
    return int(counts[-1])


def test_reports_every_quarter_of_an_hour_at_night_and_hourly_by_day(make_lamp: MakeLamp) -> None:
    reports = _due(_started(make_lamp(), NOON), NOON + timedelta(days=1))
    by_hour = [sum(report["observed_at"][11:13] == hour for report in reports) for hour in ("13", "14", "21", "02")]
    assert by_hour == [1, 1, 4, 4]


def test_speed_shortens_the_interval_but_not_the_night(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT, speed=60.0)
    reports = _due(lamp, NIGHT + timedelta(minutes=5))
    assert 20 <= len(reports) <= 22  # every 15 s
    assert all(report["dim_level"] == 0.2 for report in reports)
    assert reports[-1]["observed_at"] <= "2026-03-02T22:05:00Z"


@pytest.mark.parametrize("at", [NOON, NIGHT])
def test_a_command_is_acknowledged_shown_within_a_second_and_held(make_lamp: MakeLamp, at: datetime) -> None:
    lamp = _started(make_lamp(), at - timedelta(minutes=1))
    own = 0.0 if at is NOON else 0.2
    lamp.due_messages(at.timestamp())
    answers = _said(lamp.command(_set_light(at), at), "ack")
    assert answers == [{"command_id": "c-1", "result": "done", "detail": ""}]
    assert _level(lamp, at) == own
    assert _level(lamp, at + timedelta(seconds=0.5)) == pytest.approx((own + 0.8) / 2)
    shown = _due(lamp, at + timedelta(seconds=1.001))
    assert [report["dim_level"] for report in shown] == [0.8]
    assert _level(lamp, at + timedelta(seconds=59.9)) == 0.8
    fallen = _due(lamp, at + timedelta(seconds=62.001))
    assert [report["dim_level"] for report in fallen if report["dim_level"] != 0.8] == [own]


def test_a_long_fade_is_shown_on_its_way_and_at_its_end(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT - timedelta(minutes=1))
    lamp.due_messages(NIGHT.timestamp())
    lamp.command(_set_light(NIGHT, level=1.0, fade_s=8.0), NIGHT)
    levels = [report["dim_level"] for report in _due(lamp, NIGHT + timedelta(seconds=9))]
    assert levels == [0.3, 1.0]


def test_repeated_commands_do_not_put_off_what_the_lamp_says(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT - timedelta(minutes=1))
    lamp.due_messages(NIGHT.timestamp())
    said: list[dict[str, Any]] = []
    for step in range(10):
        at = NIGHT + timedelta(seconds=0.4 * step)
        said += _due(lamp, at)
        lamp.command(_set_light(at), at)
    assert len(said) >= 3


def test_a_hold_begins_anew_with_each_command(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT - timedelta(minutes=1))
    lamp.command(_set_light(NIGHT), NIGHT)
    again = NIGHT + timedelta(seconds=40)
    lamp.due_messages(again.timestamp())
    lamp.command(_set_light(again), again)
    lamp.due_messages((NIGHT + timedelta(seconds=99)).timestamp())
    assert _level(lamp, NIGHT + timedelta(seconds=99)) == 0.8
    lamp.due_messages((NIGHT + timedelta(seconds=103)).timestamp())
    assert _level(lamp, NIGHT + timedelta(seconds=103)) == 0.2


def test_without_hold_time_the_level_stays_through_dawn(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT - timedelta(minutes=1))
    lamp.command(_set_light(NIGHT, level=0.6, hold_s=None), NIGHT)
    lamp.due_messages((NIGHT + timedelta(hours=14)).timestamp())
    assert _level(lamp, NIGHT + timedelta(hours=14)) == 0.6


def test_an_expired_command_is_rejected_and_changes_nothing(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT - timedelta(minutes=1))
    late = NIGHT + timedelta(seconds=11)
    answers = _said(lamp.command(_set_light(NIGHT), late), "ack")
    assert answers == [{"command_id": "c-1", "result": "rejected", "detail": "expired"}]
    assert _level(lamp, late + timedelta(seconds=5)) == 0.2


@pytest.mark.parametrize(("fade_s", "hold_s"), [(-5.0, -5.0), (1e308, 1e308), (float("inf"), float("inf"))])
def test_absurd_times_do_no_harm(make_lamp: MakeLamp, fade_s: float, hold_s: float) -> None:
    lamp = _started(make_lamp(), NIGHT - timedelta(minutes=1))
    lamp.command(_set_light(NIGHT, fade_s=fade_s, hold_s=hold_s), NIGHT)
    reports = _due(lamp, NIGHT + timedelta(hours=1))
    assert reports[-1]["dim_level"] == (0.2 if hold_s < 0 else 0.8)


def test_presence_is_told_at_once_and_ends(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NIGHT)
    lamp.due_messages((NIGHT + timedelta(seconds=20)).timestamp())
    before = lamp.presence_count
    at_s = NIGHT.timestamp() + 30
    assert [word["presence"] for word in _said(lamp.detected(at_s))] == [True]
    assert _said(lamp.detected(at_s + 1)) == []  # a group: counted, told once
    assert [word["presence"] for word in _said(lamp.detected(at_s + 5))] == [True]
    assert lamp.presence_count == before + 3
    assert _said(lamp.due_messages(at_s + 14.9)) == []
    gone = _said(lamp.due_messages(at_s + 15))
    assert [(word["presence"], word["presence_count"]) for word in gone] == [(False, before + 3)]


def test_a_night_at_standby_by_hand(make_lamp: MakeLamp) -> None:
    """Six hours at 6.84 W are 41.04 Wh."""
    lamp = _started(make_lamp(), NIGHT)
    lamp.values((NIGHT + timedelta(hours=6)).timestamp())
    assert lamp.energy_kwh == pytest.approx(0.04104, rel=1e-4)
    assert lamp.hours_h == pytest.approx(6.0)


def test_energy_is_the_integral_of_power(make_lamp: MakeLamp) -> None:
    """Sampled each second over dusk, commands with long and no fades, and a hold's end; the meter tells 0.1 Wh."""
    begin = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)
    lamp = _started(make_lamp(), begin)
    commands = {600: (1.0, 60.0), 1500: (0.5, 0.0), 1510: (0.9, 30.0), 4000: (0.0, 5.0)}
    samples = []
    for second in range(7200):
        at = begin + timedelta(seconds=second)
        lamp.due_messages(at.timestamp())
        if second in commands:
            level, fade_s = commands[second]
            lamp.command(_set_light(at, level=level, fade_s=fade_s, hold_s=300.0), at)
        samples.append(lamp.values(at.timestamp()))
    powers = [float(sample["active_power_w"]) for sample in samples]
    joules = sum((here + there) / 2 for here, there in pairwise(powers))
    metered = float(samples[-1]["active_energy_kwh"]) - float(samples[0]["active_energy_kwh"])
    assert metered * 3.6e6 == pytest.approx(joules, abs=3.6e6 * 1e-4 + 30)
    assert joules > 30_000


def test_current_and_power_factor_fit_the_power(make_lamp: MakeLamp) -> None:
    values = _started(make_lamp(), NIGHT).values(NIGHT.timestamp() + 60)
    apparent = float(values["voltage_v"]) * float(values["current_a"]) * float(values["power_factor"])
    assert apparent == pytest.approx(float(values["active_power_w"]), rel=0.03)
    assert 207 < float(values["voltage_v"]) < 253


def test_a_burnt_out_lamp_obeys_but_takes_no_power(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(FaultKind.BURNT_OUT), NIGHT)
    lamp.command(_set_light(NIGHT, level=1.0), NIGHT)
    report = _due(lamp, NIGHT + timedelta(seconds=2))[-1]
    assert report["dim_level"] == 1.0
    assert report["active_power_w"] == 0.6
    assert report["faults"] == ["lamp_failure"]
    assert lamp.hours_h == 0.0


def test_a_day_burner_burns_by_day_and_says_so(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(FaultKind.DAY_BURNER), NIGHT)
    reports = _due(lamp, NIGHT + timedelta(hours=14))
    assert (reports[0]["dim_level"], reports[0]["faults"]) == (0.2, [])
    assert (reports[-1]["dim_level"], reports[-1]["faults"]) == (1.0, ["day_burner"])
    assert reports[-1]["active_power_w"] == pytest.approx(26.6, abs=0.1)


def test_a_fault_that_begins_by_day_shows_at_once(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(FaultKind.DAY_BURNER, NOON.timestamp() + 100), NOON)
    lamp.due_messages(NOON.timestamp() + 99)
    assert _level(lamp, NOON + timedelta(seconds=99)) == 0.0
    lamp.due_messages(NOON.timestamp() + 103)
    assert _level(lamp, NOON + timedelta(seconds=103)) == 1.0


def test_it_follows_a_profile_as_long_as_that_is_valid_and_then_its_own_schedule(make_lamp: MakeLamp) -> None:
    lamp = _started(make_lamp(), NOON)
    evening, late, morning = (NOON + timedelta(hours=hours) for hours in (5, 10, 17))
    profile = SetProfile(
        command_id="p-1", settings=((NOON, 0.0), (evening, 1.0), (late, 0.5)), valid_until=morning,
        issued_at=NOON, expires_at=morning,
    )  # fmt: skip
    assert _said(lamp.follow(profile, NOON), "ack") == [{"command_id": "p-1", "result": "done", "detail": ""}]
    shown = []
    for at in (evening - timedelta(minutes=1), evening, late, morning):
        _due(lamp, at + timedelta(seconds=30))
        shown.append(_level(lamp, at + timedelta(seconds=30)))
    assert shown == [0.0, 1.0, 0.5, 0.2]
    lamp.command(_set_light(late, hold_s=None), morning)
    refused = lamp.follow(profile, morning + timedelta(seconds=1))
    assert _said(refused, "ack")[0]["result"] == "rejected", "too late"
