from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.alert import Alert, AlertState, Severity
from core.device import Device, DeviceStatus, Municipality
from core.quantity import Value
from core.reading import Reading
from devices.registry import device_type
from rules.catalogue import load_rules
from rules.engine import AlertChange, RuleEngine
from rules.rule import Action, Rule
from rules.rule_file import parse_rules

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
BIN = Device(device_id="bin-1", device_type="waste_bin", municipality="marburg", name="Marktplatz")


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def reading(minutes: float, device_id: str = "bin-1", **values: Value) -> Reading:
    return Reading(device_id, "waste_bin", "marburg", at(minutes), at(minutes), values)


def engine(
    device: Device = BIN,
    *,
    threshold: float = 0.8,
    override: Mapping[str, object] | None = None,
    rules: Mapping[str, tuple[Rule, ...]] | None = None,
) -> RuleEngine:
    made = RuleEngine(rules or load_rules())
    marburg = Municipality(municipality="marburg", name="Marburg", filling_threshold=threshold)
    made.configure({device.device_id: device}, [marburg], {"marburg": {"bin_full": override or {}}}, NOW)
    return made


def states(changes: list[AlertChange]) -> list[tuple[str, AlertState]]:
    return [(change.alert.rule, change.alert.state) for change in changes]


def test_a_full_bin_raises_an_alert() -> None:
    (change,) = engine().judge(reading(0, filling_level=0.85), NOW)
    alert = change.alert
    assert (alert.rule, alert.state, alert.severity) == ("bin_full", AlertState.FIRING, Severity.WARNING)
    assert alert.summary == "Marktplatz is 85% full"
    assert (alert.device_id, alert.municipality, alert.value) == ("bin-1", "marburg", 0.85)
    assert alert.started_at == alert.fired_at == NOW
    assert change.actions == ()


def test_a_bin_full_for_two_days_asks_for_a_pickup() -> None:
    judging = engine()
    judging.judge(reading(0, filling_level=0.85), NOW)
    assert judging.judge(reading(47 * 60, filling_level=0.86), at(47 * 60)) == []
    (change,) = judging.judge(reading(49 * 60, filling_level=0.87), at(49 * 60))
    assert (change.alert.rule, change.alert.summary) == (
        "collection_late",
        "Marktplatz has been full since two days or longer",
    )
    assert change.actions == (Action.REQUEST_PICKUP,)


def test_the_threshold_belongs_to_the_condition_and_is_the_municipalitys() -> None:
    assert states(engine().judge(reading(0, filling_level=0.8), NOW)) == [("bin_full", AlertState.FIRING)]
    assert engine(threshold=0.9).judge(reading(0, filling_level=0.89), NOW) == []
    assert states(engine(threshold=0.5).judge(reading(0, filling_level=0.5), NOW)) == [("bin_full", AlertState.FIRING)]


def test_within_the_hysteresis_nothing_flickers() -> None:
    rules = engine()
    assert len(rules.judge(reading(0, filling_level=0.81), NOW)) == 1
    for minute, level in enumerate((0.79, 0.8, 0.71, 0.83), start=1):
        assert rules.judge(reading(minute, filling_level=level), NOW) == []
    assert states(rules.judge(reading(9, filling_level=0.69), NOW)) == [("bin_full", AlertState.RESOLVED)]
    assert rules.judge(reading(10, filling_level=0.79), NOW) == []


def test_an_emptying_resolves() -> None:
    rules = engine()
    rules.judge(reading(0, filling_level=0.95), NOW)
    (change,) = rules.judge(reading(60, filling_level=0.03), NOW)
    assert change.alert.state is AlertState.RESOLVED
    assert change.alert.resolved_at == at(60)


def test_an_override_changes_parameters_severity_and_whether_at_all() -> None:
    assert engine(override={"parameters": {"above": 0.95}}).judge(reading(0, filling_level=0.9), NOW) == []
    (change,) = engine(override={"severity": "critical"}).judge(reading(0, filling_level=0.9), NOW)
    assert change.alert.severity is Severity.CRITICAL
    assert engine(override={"enabled": False}).judge(reading(0, filling_level=0.9), NOW) == []


def test_the_same_finding_has_the_same_id_however_often_it_is_made() -> None:
    first, again = engine(), engine()
    assert first.judge(reading(0, filling_level=0.9), NOW) == again.judge(reading(0, filling_level=0.9), NOW)
    assert first.judge(reading(0, filling_level=0.9), NOW) == []


def test_a_late_reading_does_not_undo_a_newer_one() -> None:
    rules = engine()
    rules.judge(reading(60, filling_level=0.9), NOW)
    assert rules.judge(reading(0, filling_level=0.1), NOW) == []


def test_a_late_reading_is_judged_by_those_rules_that_have_seen_nothing_newer() -> None:
    rules = engine()
    rules.judge(reading(60, filling_level=0.1, temperature_c=20.0), NOW)
    assert rules.judge(reading(0, filling_level=0.95), NOW) == []
    assert states(rules.judge(reading(1, filling_level=0.95, battery_level=0.1), NOW)) == [
        ("battery_low", AlertState.FIRING)
    ]
    assert rules.judge(reading(0, battery_level=0.9), NOW) == []
    assert states(rules.judge(reading(2, battery_level=0.9), NOW)) == [("battery_low", AlertState.RESOLVED)]


WARM = """
    [[rule]]
    name = "warm"
    severity = "info"
    summary = "{name} is warm"
    summary_de = "{name} ist warm"
"""


def warm(body: str, *degrees: float) -> list[tuple[int, AlertState]]:
    """The changes of a rule when the temperature is reported every ten minutes; with the minute of the report."""
    rules = engine(rules={"waste_bin": parse_rules(device_type("waste_bin"), WARM + body)})
    return [
        (10 * number, change.alert.state)
        for number, warmth in enumerate(degrees)
        for change in rules.judge(reading(10 * number, temperature_c=warmth), NOW)
    ]


def test_what_comes_back_while_it_is_kept_is_the_same_alert_and_is_kept_anew() -> None:
    body = 'quantity = "temperature_c"\nabove = 40\nkeep_firing_s = 1500'
    firing, resolved = (0, AlertState.FIRING), AlertState.RESOLVED
    assert warm(body, 41, 39, 39, 41, 39, 39, 39, 39) == [firing, (70, resolved)]
    assert warm(body, 41, 39, 39, 39, 39) == [firing, (40, resolved)]


def test_it_resolves_as_of_when_it_ended_not_as_of_when_that_was_sure() -> None:
    text = WARM + 'quantity = "temperature_c"\nabove = 40\nkeep_firing_s = 600'
    rules = engine(rules={"waste_bin": parse_rules(device_type("waste_bin"), text)})
    for minute, degrees in ((0, 41.0), (10, 39.0)):
        rules.judge(reading(minute, temperature_c=degrees), NOW)
    (change,) = rules.judge(reading(20, temperature_c=38.0), NOW)
    assert change.alert.resolved_at == at(10)


def test_an_own_condition_clears() -> None:
    body = """
        when = { quantity = "temperature_c", above = 40 }
        clear = { quantity = "temperature_c", below = 20 }
    """
    assert warm(body, 41, 30, 21, 20, 30) == [(0, AlertState.FIRING), (30, AlertState.RESOLVED)]
    pending = body + "for_s = 1200"  # what is pending needs no clearing
    assert warm(pending, 41, 30, 41) == [(0, AlertState.PENDING), (10, AlertState.RESOLVED), (20, AlertState.PENDING)]


def test_history_being_filled_in_raises_nothing() -> None:
    assert engine().judge(reading(-60 * 25, filling_level=0.9), NOW) == []


def test_fire_and_battery() -> None:
    rules = engine()
    changes = rules.judge(reading(0, fire_detected=True, battery_level=0.1), NOW)
    assert sorted(states(changes)) == [("battery_low", AlertState.FIRING), ("fire_detected", AlertState.FIRING)]
    assert {change.alert.severity for change in changes} == {Severity.CRITICAL, Severity.WARNING}
    assert rules.judge(reading(1, battery_level=0.24), NOW) == []
    assert states(rules.judge(reading(2, battery_level=0.26, fire_detected=False), NOW)) == [
        ("fire_detected", AlertState.RESOLVED),
        ("battery_low", AlertState.RESOLVED),
    ]


def test_a_device_that_falls_silent_and_speaks_again() -> None:
    rules = engine()
    rules.judge(reading(0, filling_level=0.1), NOW)
    assert rules.judge_silence(at(359)) == []
    (change,) = rules.judge_silence(at(360))
    assert (change.alert.rule, change.alert.started_at) == ("communication_failure", at(0))
    assert "silent since 2026-11-20T08:00:00Z" in change.alert.summary
    assert rules.judge_silence(at(720)) == []
    assert states(rules.judge(reading(721, filling_level=0.1), at(721))) == [
        ("communication_failure", AlertState.RESOLVED)
    ]


def test_neither_a_new_device_nor_a_restart_is_silence() -> None:
    rules = engine()
    assert rules.judge_silence(at(359)) == []
    assert len(rules.judge_silence(at(361))) == 1


def test_maintenance_mutes_and_discovered_devices_are_not_judged() -> None:
    for status in (DeviceStatus.MAINTENANCE, DeviceStatus.DISCOVERED, DeviceStatus.RETIRED):
        device = Device(device_id="bin-1", device_type="waste_bin", municipality="marburg", status=status)
        rules = engine(device)
        assert rules.judge(reading(0, filling_level=0.95), NOW) == []
        assert rules.judge_silence(at(10_000)) == []


def test_open_alerts_of_an_earlier_run_go_on() -> None:
    (fired,) = engine().judge(reading(0, filling_level=0.9), NOW)
    restarted = engine()
    restarted.restore([fired.alert.in_state(AlertState.ACKNOWLEDGED)])
    assert restarted.judge(reading(60, filling_level=0.92), NOW) == []
    (change,) = restarted.judge(reading(120, filling_level=0.1), NOW)
    assert (change.alert.alert_id, change.alert.state) == (fired.alert.alert_id, AlertState.RESOLVED)


def test_alerts_of_a_device_that_is_gone_resolve() -> None:
    rules = engine()
    rules.judge(reading(0, filling_level=0.9), NOW)
    changes = rules.configure({}, [], {}, at(5))
    assert states(changes) == [("bin_full", AlertState.RESOLVED)]


def test_a_condition_with_for_is_pending_first() -> None:
    text = """
        [[rule]]
        name = "warm"
        severity = "info"
        summary = "{name} is warm"
        summary_de = "{name} ist warm"
        quantity = "temperature_c"
        above = 40
        for_s = 600
    """
    rules = engine(rules={"waste_bin": parse_rules(device_type("waste_bin"), text)})
    assert states(rules.judge(reading(0, temperature_c=41.0), NOW)) == [("warm", AlertState.PENDING)]
    assert rules.judge(reading(9, temperature_c=41.0), NOW) == []
    (fired,) = rules.judge(reading(10, temperature_c=41.0), NOW)
    assert (fired.alert.state, fired.alert.fired_at, fired.alert.started_at) == (AlertState.FIRING, at(10), at(0))


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), max_size=30))
def test_repeating_readings_changes_no_state_and_opens_at_most_one_alert(
    levels: list[tuple[int, float]],
) -> None:
    once, twice = engine(), engine()
    opened: dict[str, Alert] = {}
    for minute, level in levels:
        changes = once.judge(reading(minute, filling_level=level), NOW)
        repeated = twice.judge(reading(minute, filling_level=level), NOW)
        assert changes == repeated
        assert twice.judge(reading(minute, filling_level=level), NOW) == []
        for change in changes:
            if change.alert.state is AlertState.RESOLVED:
                del opened[change.alert.rule]
            else:
                before = opened.get(change.alert.rule)
                if before is not None:  # what was pending fires
                    assert (before.alert_id, before.state) == (change.alert.alert_id, AlertState.PENDING)
                opened[change.alert.rule] = change.alert
