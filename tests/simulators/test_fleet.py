import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.command import Reason, SetLight
from core.device import Connection
from core.errors import NotFoundError, PayloadError
from core.quantity import CATALOGUE
from core.topics import Topics
from devices.registry import device_type
from devices.streetlight.codec import encode_set_light
from simulators.faults import FaultKind
from simulators.fleet import Fleet
from simulators.uplink import Outgoing

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
TOPICS = Topics("kreispuls/v1")
PILOT = "kreispuls/v1/marburg/streetlight/lamp-marburg-{:04d}/{}"
MakeFleet = Callable[..., Fleet]


def _command(number: int, at: datetime, level: float = 0.9) -> tuple[str, bytes]:
    set_light = SetLight(
        command_id=f"c-{number}",
        dim_level=level,
        fade_s=1.0,
        hold_s=60.0,
        reason=Reason.PRESENCE,
        issued_at=at,
        expires_at=at + timedelta(seconds=10),
    )
    return PILOT.format(number, "command/set_light"), encode_set_light(set_light)


def _live(fleet: Fleet, hours: float, speed: float = 1.0) -> list[Outgoing]:
    """A run with commands each twenty minutes, asked in steps that have nothing to do with what is due."""
    fleet.start(START, speed)
    said = fleet.status(Connection.ONLINE, START)
    for minute in range(7, round(hours * 60), 20):
        at = START + timedelta(minutes=minute)
        said += fleet.due_messages(at)
        said += fleet.receive(*_command(1 + minute % 50, at), at)
    said += fleet.due_messages(START + timedelta(hours=hours))
    return said


def _ups(said: list[Outgoing]) -> list[tuple[str, dict[str, Any]]]:
    ups = []
    for message in said:
        parts = TOPICS.parse(message.topic)
        if parts.name == "up" and message.payload.endswith(b"}"):
            ups.append((parts.device_id, json.loads(message.payload)))
    return ups


@pytest.mark.parametrize("seed", [0, 7])
def test_every_payload_decodes_and_only_broken_ones_do_not(make_fleet: MakeFleet, seed: int) -> None:
    fleet = make_fleet(seed=seed)
    attributes = {device.device_id: device.attributes for device in fleet.devices}
    said = _live(fleet, 26)
    heard = set()
    for message in said:
        parts = TOPICS.parse(message.topic)
        if parts.name != "up":
            continue
        heard.add(parts.device_id)
        kind = device_type(parts.device_type)
        try:
            decoded = kind.decode(message.payload, attributes[parts.device_id])
        except PayloadError:
            assert fleet.faults[parts.device_id] is FaultKind.BROKEN_PAYLOAD
            continue
        assert decoded.rejected == ()
        assert decoded.unknown_keys == 0
        assert decoded.observed_at is not None
        assert set(decoded.values) <= CATALOGUE.keys()
    assert heard == attributes.keys()
    assert len(said) > 20_000


def test_same_seed_same_bytes_whatever_the_steps(make_fleet: MakeFleet) -> None:
    first = _live(make_fleet(), 6)
    again = make_fleet()
    again.start(START)
    said = again.status(Connection.ONLINE, START)
    at = START
    commands = {START + timedelta(minutes=minute) for minute in range(7, 360, 20)}
    while at < START + timedelta(hours=6):
        at += timedelta(seconds=30)
        said += again.due_messages(at)
        if at in commands:
            minute = round((at - START).total_seconds() / 60)
            said += again.receive(*_command(1 + minute % 50, at), at)
    assert said == first


def test_another_seed_says_something_else(make_fleet: MakeFleet) -> None:
    assert _live(make_fleet(30, 10, 1), 1) != _live(make_fleet(30, 10, 2), 1)


def test_next_at_is_when_something_is_due(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(70, 10)
    fleet.start(START)
    at = START
    steps = 0
    while at < START + timedelta(minutes=10):
        steps += 1
        assert steps < 10_000
        next_at = fleet.next_at
        assert next_at is not None
        assert next_at >= at
        assert fleet.due_messages(next_at - timedelta(microseconds=2)) == []
        fleet.due_messages(next_at)
        at = next_at


def test_counters_never_fall(make_fleet: MakeFleet) -> None:
    last: dict[tuple[str, str], float] = defaultdict(float)
    counters = [quantity.name for quantity in CATALOGUE.values() if quantity.counter]
    seen = set()
    for device_id, message in _ups(_live(make_fleet(100, 0), 26)):
        for name in counters:
            if name in message:
                assert message[name] >= last[device_id, name]
                last[device_id, name] = message[name]
                seen.add(name)
    assert seen == set(counters)


def test_energy_between_reports_is_power_times_time(make_fleet: MakeFleet) -> None:
    """Where nothing changed between two full reports; the meter tells 0.1 Wh, the power 0.01 W."""
    fleet = make_fleet(60, 0)
    last: dict[str, dict[str, Any]] = {}
    checked = 0
    fleet.start(START)
    for device_id, now in _ups(fleet.due_messages(START + timedelta(hours=20))):
        before = last.get(device_id)
        if "active_energy_kwh" not in now or fleet.faults.get(device_id) is FaultKind.STUCK_VALUE:
            continue
        last[device_id] = now
        if before is None or before["active_power_w"] != now["active_power_w"]:
            continue
        hours = (
            datetime.fromisoformat(now["observed_at"]) - datetime.fromisoformat(before["observed_at"])
        ).total_seconds() / 3600
        metered = now["active_energy_kwh"] - before["active_energy_kwh"]
        assert metered == pytest.approx(now["active_power_w"] * hours / 1000, abs=1.3e-4)
        checked += 1
    assert checked > 1000


def test_passers_by_are_seen_lamp_after_lamp(make_fleet: MakeFleet) -> None:
    """Somebody who rides along the whole pilot street is seen by neighbours within seconds."""
    said = _live(make_fleet(60, 0), 3)
    seen = [
        (int(device_id[-4:]), datetime.fromisoformat(message["observed_at"]))
        for device_id, message in _ups(said)
        if message.get("presence") is True
    ]
    followed = sum(
        any(abs(other - lamp) == 1 and timedelta(0) < later - at < timedelta(seconds=30) for other, later in seen)
        for lamp, at in seen[:300]
    )
    assert len(seen) > 500
    assert followed > 0.9 * 300


def test_speed_brings_more_in_the_same_time_with_real_timestamps(make_fleet: MakeFleet) -> None:
    slow, fast = make_fleet(60, 20), make_fleet(60, 20)
    slow.start(START)
    fast.start(START, 60.0)
    until = START + timedelta(minutes=10)
    slow_said, fast_said = slow.due_messages(until), fast.due_messages(until)
    assert len(fast_said) > 20 * len(slow_said)
    stamps = [
        datetime.fromisoformat(message["observed_at"])
        for device_id, message in _ups(fast_said)
        if device_id not in fast.faults
    ]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= until


def test_commands_are_obeyed_and_shown(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(60, 0)
    fleet.start(START)
    at = START + timedelta(minutes=5)
    fleet.due_messages(at)
    topic, payload = _command(3, at, 0.7)
    [answer] = fleet.receive(topic, payload, at)
    assert answer.topic == PILOT.format(3, "event/ack")
    assert json.loads(answer.payload) == {"command_id": "c-3", "result": "done", "detail": ""}
    shown = _ups(fleet.due_messages(at + timedelta(seconds=1.01)))
    assert ("lamp-marburg-0003", 0.7) in [(device_id, message.get("dim_level")) for device_id, message in shown]


@pytest.mark.parametrize(
    ("topic", "payload", "detail"),
    [
        (PILOT.format(1, "command/set_light"), b'{"command_id":"x","dim_level":2}', "set_light"),
        (PILOT.format(1, "command/reboot"), b'{"command_id":"x"}', "unknown command"),
    ],
)
def test_a_command_that_cannot_be_obeyed_is_rejected(
    make_fleet: MakeFleet, topic: str, payload: bytes, detail: str
) -> None:
    fleet = make_fleet(1, 0)
    fleet.start(START)
    [answer] = fleet.receive(topic, payload, START)
    refused = json.loads(answer.payload)
    assert (refused["command_id"], refused["result"]) == ("x", "rejected")
    assert detail in refused["detail"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (PILOT.format(1, "command/set_light"), b"\xff"),
        (PILOT.format(1, "command/set_light"), b'{"command_id":7}'),
        (PILOT.format(9999, "command/set_light"), b"{}"),
        (PILOT.format(1, "event/up"), b'{"command_id":"x"}'),
        ("kreispuls/v1/lohra/streetlight/lamp-marburg-0001/command/set_light", b'{"command_id":"x"}'),
        ("something/else", b""),
    ],
)
def test_what_is_no_command_for_us_is_left_alone(make_fleet: MakeFleet, topic: str, payload: bytes) -> None:
    fleet = make_fleet(1, 0)
    fleet.start(START)
    assert fleet.receive(topic, payload, START) == []


def test_status_is_retained_and_silent_devices_have_none(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.start(START)
    online = fleet.status(Connection.ONLINE, START)
    assert len(online) == 380  # nothing is wrong yet
    assert {(message.payload, message.qos, message.retain) for message in online} == {(b"online", 1, True)}
    offline = fleet.status(Connection.OFFLINE, START + timedelta(minutes=1))
    silent = {device_id for device_id, kind in fleet.faults.items() if kind is FaultKind.SILENCE}
    assert silent
    assert {TOPICS.parse(message.topic).device_id for message in offline} == {
        device.device_id for device in fleet.devices
    } - silent


def test_a_silent_device_is_heard_once_and_obeys_nothing(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    silent = next(
        device_id
        for device_id, kind in fleet.faults.items()
        if kind is FaultKind.SILENCE and device_id.startswith("lamp")
    )
    municipality = fleet.lamps[silent].device.municipality
    fleet.start(START)
    said = fleet.due_messages(START + timedelta(hours=4))
    assert [device_id for device_id, message in _ups(said) if "dim_level" in message].count(silent) == 1
    at = START + timedelta(hours=4)
    topic = TOPICS.command(municipality, "streetlight", silent, "set_light")
    assert fleet.receive(topic, _command(1, at)[1], at) == []


def test_emptying_is_told(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(0, 1)
    fleet.start(START)
    [device_id] = fleet.bins
    fleet.bins[device_id].level = 0.95
    fleet.due_messages(START + timedelta(minutes=2))
    fleet.empty(device_id, START + timedelta(minutes=2))
    [(_, message)] = _ups(fleet.due_messages(START + timedelta(minutes=2, seconds=6)))
    decoded = device_type("waste_bin").decode(json.dumps(message).encode(), fleet.bins[device_id].device.attributes)
    assert float(decoded.values["filling_level"]) < 0.1


def test_emptying_an_unknown_bin_is_an_error(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(1, 1)
    fleet.start(START)
    with pytest.raises(NotFoundError, match="no bin 'bin-atlantis-1'"):
        fleet.empty("bin-atlantis-1", START)


def test_an_empty_fleet_has_nothing_to_say(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(0, 0)
    fleet.start(START)
    assert fleet.next_at is None
    assert fleet.due_messages(START + timedelta(days=1)) == []
