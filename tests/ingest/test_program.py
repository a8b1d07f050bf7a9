"""A real ingest between a real Mosquitto and real SQLite files: what a device says ends where it belongs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.alert import AlertState
from core.clock import format_rfc3339, from_epoch_ms, utc_now
from core.command import Command, CommandState, Reason
from core.device import Connection, DeviceStatus
from core.errors import StorageError
from core.pickup import PickupRequest
from core.reading import Reading
from devices.streetlight.codec import decode_set_profile
from ingest.receiving.reception import Reception
from mqtt.client import Message
from readings.sqlite.store import SqliteReadings
from state.alerts import AlertFilter
from state.devices import DeviceFilter

Wait = Callable[..., Any]
NOW_MS = int(utc_now().timestamp()) * 1000


def values(platform: Any, device_id: str) -> dict[str, object]:
    return {item.quantity: item.value for item in platform.readings.latest(device_ids=[device_id])}


def test_a_reading_is_stored_and_the_device_was_seen(platform: Any, wait_until: Wait) -> None:
    platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.4, "lid_open": false, "colour": 3}')
    wait_until(lambda: values(platform, "b1") == {"filling_level": 0.4, "lid_open": False}, "the reading is stored")
    wait_until(lambda: platform.state.devices.get("b1").last_seen_at is not None, "last_seen_at is set")
    platform.say("marburg/waste_bin/b1/event/status", b"online")
    wait_until(lambda: platform.state.devices.get("b1").connection is Connection.ONLINE, "the device is online")
    assert platform.rejected() == {}


def test_good_values_of_a_partly_bad_message_are_kept_and_the_bad_one_is_recorded(
    platform: Any, wait_until: Wait
) -> None:
    platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 1.4, "temperature_c": 5}')
    wait_until(lambda: values(platform, "b1") == {"temperature_c": 5.0}, "the good value is stored")
    (message,) = wait_until(platform.rejected_messages, "the bad value is recorded")
    assert message.partial
    assert message.reason == "filling_level: 1.4 is outside 0 to 1"
    assert (message.municipality, message.device_type, message.device_id) == ("marburg", "waste_bin", "b1")


def test_garbage_on_any_topic_is_kept_with_its_reason_and_nothing_stops(platform: Any, wait_until: Wait) -> None:
    future = format_rfc3339(utc_now() + timedelta(minutes=6))
    garbage = {
        "hello": (b"x", "is not kreispuls/v1/"),
        "a/b": (b"x", "is not kreispuls/v1/"),
        "a/b/c/d": (b"", "is not kreispuls/v1/"),
        "Marburg/waste_bin/b1/event/up": (b'{"filling_level": 1}', "is not kreispuls/v1/"),
        "marburg/toaster/t1/event/up": (b'{"filling_level": 1}', "unknown device type 'toaster'"),
        "marburg/waste_bin/b1/event/down": (b"{}", "unknown event down; known: up, status, ack"),
        "marburg/waste_bin/b1/event/up": (b"\xff\xfe\x00", "not UTF-8"),
        "marburg/waste_bin/b1/event/up/more": (b"1", "is not kreispuls/v1/"),
        "marburg/waste_bin/b1/event/status": (b"maybe", "status: expected online or offline"),
        "marburg/waste_bin/b1/event/ack": (b'{"command_id": 7}', "ack: expected command_id"),
        "kirchhain/waste_bin/b1/event/up": (b'{"filling_level": 1}', "b1 is registered as marburg/waste_bin"),
        "marburg/streetlight/l1/event/up": (f'{{"dim_level": 1, "observed_at": "{future}"}}'.encode(), "in the future"),
        "marburg/streetlight/l2/event/up": (b'{"dim_level": 1, "observed_at": 1000}', "older than the retention"),
        "marburg/streetlight/l3/event/up": (b"\x00" * 70_000, "70000 bytes is larger than 65536"),
    }
    for topic, (payload, _) in garbage.items():
        platform.say(topic, payload)
    rejected = wait_until(lambda: len(found := platform.rejected()) == len(garbage) and found, "all are rejected")
    for topic, (_, reason) in garbage.items():
        assert reason in rejected[f"kreispuls/v1/{topic}"], topic
    platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.5}')
    wait_until(lambda: values(platform, "b1") == {"filling_level": 0.5}, "the stream goes on")
    big = next(m for m in platform.rejected_messages() if m.topic.endswith("l3/event/up"))
    assert (len(big.payload), big.payload_size) == (4096, 70_000)


def commands_to(platform: Any) -> dict[str, list[dict[str, Any]]]:
    heard: dict[str, list[dict[str, Any]]] = {}
    for message in list(platform.heard):
        if message.topic.endswith("/command/set_light"):
            heard.setdefault(message.topic.split("/")[4], []).append(json.loads(message.payload))
    return heard


def test_presence_lights_the_lamp_and_its_neighbours_and_lowers_them_after_the_hold_time(
    platform: Any, wait_until: Wait
) -> None:
    platform.say("marburg/streetlight/l2/event/up", b'{"presence": true}')
    heard = wait_until(lambda: len(found := commands_to(platform)) == 5 and found, "five lamps are commanded")
    assert set(heard) == {"l0", "l1", "l2", "l3", "l4"}
    (command,) = heard["l2"]
    assert set(command) == {"command_id", "dim_level", "fade_s", "hold_s", "reason", "issued_at", "expires_at"}
    assert (command["dim_level"], command["reason"]) == (1.0, "presence")
    kept = wait_until(lambda: platform.state.commands.recent(10), "commands are kept")
    assert {item.command_id for item in kept} == {item["command_id"] for (item,) in heard.values()}

    ack = {"command_id": command["command_id"], "result": "done", "detail": ""}
    platform.say("marburg/streetlight/l2/event/ack", json.dumps(ack).encode())
    wait_until(
        lambda: platform.state.commands.get(command["command_id"]).state is CommandState.DONE, "the command is done"
    )
    wait_until(lambda: len(commands_to(platform)["l2"]) == 2, "l2 is lowered after five seconds")
    assert commands_to(platform)["l2"][1]["dim_level"] == pytest.approx(0.2)


def test_presence_that_is_old_or_false_lights_nothing(platform: Any, wait_until: Wait) -> None:
    old = format_rfc3339(utc_now() - timedelta(minutes=10))
    platform.say("marburg/streetlight/l2/event/up", f'{{"presence": true, "observed_at": "{old}"}}'.encode())
    platform.say("marburg/streetlight/l3/event/up", b'{"presence": false}')
    wait_until(lambda: values(platform, "l3") == {"presence": False}, "both are stored")
    assert commands_to(platform) == {}


def test_a_bin_full_for_long_raises_alerts_and_a_pickup_request_and_its_emptying_ends_all(
    platform: Any, wait_until: Wait
) -> None:
    alerts, pickups = platform.state.alerts, platform.state.pickups
    platform.state.rule_overrides.put("marburg", "collection_late", {"parameters": {"late_s": 1}})
    platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.9}')
    (alert,) = wait_until(alerts.open_alerts, "the bin is full")
    assert (alert.rule, alert.state) == ("bin_full", AlertState.FIRING)
    assert pickups.open_requests() == []

    def requested() -> list[PickupRequest]:
        platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.9}')  # until the override has arrived
        return list(pickups.open_requests())

    (request,) = wait_until(requested, "a pickup is requested")
    assert (request.device_id, request.reason) == ("b1", "Marktplatz has been full since two days or longer")
    assert {alert.rule for alert in alerts.open_alerts()} == {"bin_full", "collection_late"}

    def emptied() -> bool:
        platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.02}')  # once might be a lost echo
        return not alerts.open_alerts()

    wait_until(emptied, "the alerts resolve")
    wait_until(lambda: not pickups.open_requests(), "the request is closed")
    wait_until(lambda: "b1" in platform.state.emptyings.last(), "the emptying is kept")
    resolved = alerts.page(AlertFilter(state=AlertState.RESOLVED), 10).items
    assert alert.alert_id in {each.alert_id for each in resolved}
    told = wait_until(
        lambda: len(found := [m for m in platform.heard if "/alert/bin_full" in m.topic]) == 2 and found,
        "both are told",
    )
    assert [json.loads(message.payload)["state"] for message in told] == ["firing", "resolved"]


def test_an_unknown_device_is_listed_as_discovered_and_its_reading_kept(platform: Any, wait_until: Wait) -> None:
    platform.say("wetter/waste_bin/new-1/event/up", b'{"filling_level": 0.95}')
    wait_until(lambda: values(platform, "new-1") == {"filling_level": 0.95}, "the reading is kept")
    (device,) = wait_until(
        lambda: platform.state.devices.all(DeviceFilter(status=DeviceStatus.DISCOVERED)), "it is discovered"
    )
    assert (device.device_id, device.municipality, device.device_type) == ("new-1", "wetter", "waste_bin")
    assert platform.state.alerts.open_alerts() == []


@pytest.mark.parametrize("platform", [{"max_discovered": 1}], indirect=True)
def test_discovered_devices_are_limited(platform: Any, wait_until: Wait) -> None:
    platform.say("wetter/waste_bin/new-1/event/up", b'{"filling_level": 0.5}')
    platform.say("wetter/waste_bin/new-2/event/up", b'{"filling_level": 0.5}')
    rejected = wait_until(platform.rejected, "the second is rejected")
    assert (
        "unknown device new-2, and 1 discovered ones wait" in rejected["kreispuls/v1/wetter/waste_bin/new-2/event/up"]
    )


@pytest.mark.parametrize("platform", [{"auto_register": True}], indirect=True)
def test_with_auto_register_an_unknown_device_is_active_at_once(platform: Any, wait_until: Wait) -> None:
    platform.say("wetter/waste_bin/new-1/event/up", b'{"filling_level": 0.5}')
    device = wait_until(lambda: platform.state.devices.find("new-1"), "it is registered")
    assert device.status is DeviceStatus.ACTIVE
    assert platform.state.municipalities.find("wetter") is not None


def test_garbage_from_an_unknown_device_registers_nothing(platform: Any, wait_until: Wait) -> None:
    platform.say("wetter/waste_bin/new-1/event/up", b"garbage")
    wait_until(platform.rejected, "it is rejected")
    assert platform.state.devices.find("new-1") is None


def test_a_threshold_changed_while_running_holds_from_then_on(platform: Any, wait_until: Wait) -> None:
    platform.state.rule_overrides.put("marburg", "bin_full", {"parameters": {"above": 0.3}})

    def said_and_raised() -> bool:
        platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.35}')
        return bool(platform.state.alerts.open_alerts())

    wait_until(said_and_raised, "the new threshold holds")


def test_duplicates_are_stored_once(platform: Any, wait_until: Wait) -> None:
    at = format_rfc3339(utc_now())
    for _ in range(3):
        platform.say("marburg/waste_bin/b1/event/up", f'{{"filling_level": 0.5, "observed_at": "{at}"}}'.encode())
    platform.say("marburg/waste_bin/b1/event/up", b'{"weight_kg": 1}')
    wait_until(lambda: "weight_kg" in values(platform, "b1"), "all are stored")
    now = utc_now()
    levels = platform.readings.series("b1", ["filling_level"], now - timedelta(hours=1), now + timedelta(minutes=1))
    assert len(levels) == 1


def test_a_reading_that_the_store_refuses_is_rejected_and_its_neighbours_are_kept(
    platform: Any, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No device can make the real store refuse; a fault of ours could, so one is injected."""
    write = SqliteReadings.write

    def refusing(store: SqliteReadings, readings: Sequence[Reading]) -> None:
        for reading in readings:
            if reading.values.get("weight_kg") == 66:
                raise StorageError("weight 66 is not liked")
            if reading.values.get("weight_kg") == 77:
                raise ZeroDivisionError
        write(store, readings)

    monkeypatch.setattr(SqliteReadings, "write", refusing)
    for number in (55, 66, 77, 88):
        platform.say(
            "marburg/waste_bin/b1/event/up", f'{{"weight_kg": {number}, "observed_at": {NOW_MS + number}}}'.encode()
        )
    wait_until(lambda: values(platform, "b1") == {"weight_kg": 88.0}, "the last is stored")
    start = from_epoch_ms(NOW_MS)
    kept = platform.readings.series("b1", ["weight_kg"], start, start + timedelta(minutes=1))
    assert [item.value for item in kept] == [55.0, 88.0]
    rejected = wait_until(lambda: len(found := platform.rejected_messages()) == 2 and found, "both are rejected")
    assert {json.loads(message.payload)["weight_kg"] for message in rejected} == {66, 77}
    assert all(message.reason.startswith("refused by the store") for message in rejected)
    assert {message.device_id for message in rejected} == {"b1"}


def test_an_operators_override_is_not_disturbed_by_presence(platform: Any, wait_until: Wait) -> None:
    now = utc_now()
    platform.state.commands.add(
        [
            Command(
                command_id="override-1", device_id="l2", device_type="streetlight", municipality="marburg",
                name="set_light", dim_level=0.0, fade_s=0.0, hold_s=600.0, reason=Reason.OVERRIDE,
                state=CommandState.SENT, issued_at=now, expires_at=now + timedelta(seconds=30),
            )
        ]
    )  # fmt: skip

    def left_alone() -> bool:
        platform.heard.clear()
        platform.say("marburg/streetlight/l1/event/up", b'{"presence": true}')
        wait_until(lambda: {"l0", "l1", "l3"} <= set(commands_to(platform)), "its neighbours are told")
        return "l2" not in commands_to(platform)

    wait_until(left_alone, "the override is known")


def test_a_lamp_that_follows_profiles_is_told_the_night_and_no_level(platform: Any, wait_until: Wait) -> None:
    lamp = platform.state.devices.get("l5")
    platform.state.devices.put_many([replace(lamp, attributes={"street_order": 5, "control": "profile"})])

    def told() -> list[Message]:
        return [message for message in platform.heard if message.topic.endswith("l5/command/set_profile")]

    (first, *_) = wait_until(told, "the night's profile is sent")
    profile = decode_set_profile(first.payload)
    assert profile.settings
    assert profile.valid_until > utc_now()
    platform.say(
        "marburg/streetlight/l5/event/ack",
        f'{{"command_id": "{profile.command_id}", "result": "done", "detail": ""}}'.encode(),
    )
    platform.say("marburg/streetlight/l5/event/up", b'{"presence": true}')
    wait_until(lambda: {"l3", "l4"} <= commands_to(platform).keys(), "its neighbours are told levels")
    assert "l5" not in commands_to(platform)


def test_a_fault_of_ours_with_lamps_stops_neither_receiving_nor_acknowledging(
    make_platform: Callable[..., Any], wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[str] = []
    acknowledged: list[Sequence[tuple[int, int]]] = []
    acknowledge = Reception.acknowledge

    def failing(name: str) -> Callable[..., None]:
        def fail(*_: object) -> None:
            faults.append(name)
            raise ZeroDivisionError

        return fail

    def counting(reception: Reception, deliveries: Sequence[tuple[int, int]]) -> None:
        acknowledged.append(deliveries)
        acknowledge(reception, deliveries)

    monkeypatch.setattr(Reception, "tick", failing("tick"))
    monkeypatch.setattr(Reception, "_hear_answer", failing("hear"))
    monkeypatch.setattr(Reception, "acknowledge", counting)
    with make_platform() as platform:
        platform.say("marburg/streetlight/l1/event/ack", b'{"command_id": "c", "result": "done", "detail": ""}')
        wait_until(lambda: {"tick", "hear"} <= set(faults), "both have failed")
        wait_until(lambda: acknowledged, "the answer is acknowledged")
        acknowledged.clear()
        platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.4}')
        wait_until(lambda: values(platform, "b1") == {"filling_level": 0.4}, "what comes next is stored")
        wait_until(lambda: acknowledged, "and acknowledged")
