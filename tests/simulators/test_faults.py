import json

import pytest

from core.device import Device
from core.topics import Topics
from simulators.faults import FaultKind, Injection, choose_faults
from simulators.uplink import Uplink

SINCE_S = 1_000_000.0


def _device(number: int = 1, device_type: str = "waste_bin") -> Device:
    return Device(device_id=f"d-{number}", device_type=device_type, municipality="lohra")


def _payloads(kind: FaultKind, levels: list[float], at_s: float = SINCE_S) -> list[bytes]:
    uplink = Uplink(_device(), Topics("kreispuls/v1"), Injection(kind, 0.0, SINCE_S))
    return [
        message.payload
        for step, level in enumerate(levels)
        for message in uplink.up({"filling_level": level, "battery_level": level}, at_s + 3600 * step)
    ]


@pytest.mark.parametrize("kind", FaultKind)
def test_nothing_is_wrong_before_the_fault_begins(kind: FaultKind) -> None:
    well = [json.loads(payload) for payload in _payloads(kind, [0.1, 0.2, 0.3], SINCE_S - 4 * 3600)]
    assert [message["filling_level"] for message in well] == [0.1, 0.2, 0.3]
    assert well[0]["observed_at"] == "1970-01-12T09:46:40Z"


def test_silence() -> None:
    assert _payloads(FaultKind.SILENCE, [0.1, 0.2]) == []


def test_a_stuck_value_stays_while_others_change() -> None:
    stuck = [json.loads(payload) for payload in _payloads(FaultKind.STUCK_VALUE, [0.1, 0.2, 0.9])]
    assert [message["filling_level"] for message in stuck] == [0.1, 0.1, 0.1]
    assert [message["battery_level"] for message in stuck] == [0.1, 0.2, 0.9]


def test_drift_by_hand() -> None:
    injection = Injection(FaultKind.DRIFT, 0.0, SINCE_S)
    assert injection.drift("waste_bin", SINCE_S + 10 * 3600) == pytest.approx(0.04)
    assert injection.drift("streetlight", SINCE_S + 10 * 3600) == pytest.approx(4.0)


def test_duplicates_are_the_same_bytes_twice() -> None:
    first, second, third, fourth = _payloads(FaultKind.DUPLICATES, [0.1, 0.2])
    assert first == second
    assert third == fourth
    assert first != third


def test_a_late_clock_is_twenty_minutes_slow() -> None:
    [payload] = _payloads(FaultKind.LATE_CLOCK, [0.1])
    assert json.loads(payload)["observed_at"] == "1970-01-12T13:26:40Z"  # it is 13:46:40


def test_every_third_payload_is_broken() -> None:
    payloads = _payloads(FaultKind.BROKEN_PAYLOAD, [0.1] * 6)
    broken = []
    for payload in payloads:
        try:
            json.loads(payload)
            broken.append(False)
        except ValueError:
            broken.append(True)
    assert broken == [False, False, True, False, False, True]


@pytest.mark.parametrize(("device_type", "kinds"), [("streetlight", 8), ("waste_bin", 6)])
def test_a_fleet_has_every_kind_of_its_type(device_type: str, kinds: int) -> None:
    fleet = [_device(number, device_type) for number in range(300)]
    chosen = choose_faults(fleet, 0)
    assert len({injection.kind for injection in chosen.values()}) == kinds
    assert len(chosen) <= 300 / 10
    assert chosen.keys() == choose_faults(fleet, 0).keys()
    assert chosen.keys() != choose_faults(fleet, 1).keys()


def test_no_devices_no_faults() -> None:
    assert choose_faults([], 0) == {}
