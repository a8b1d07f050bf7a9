from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.device import Device, DeviceStatus
from core.pickup import DueReason, Forecast
from pickups.due import Level, due_bins, volume_l

NOW = datetime(2026, 5, 6, 4, tzinfo=UTC)


def bin_(device_id: str, **changes: object) -> Device:
    device = Device(device_id=device_id, device_type="waste_bin", municipality="marburg", latitude=50.8, longitude=8.77)
    return replace(device, **changes)  # type: ignore[arg-type]


def expected(level: float) -> Forecast:
    return Forecast(at=NOW, filling_level=level, full_at=None, method="test")


def due(*devices: Device, levels: dict[str, float] | None = None, requested: tuple[str, ...] = (), **forecasts: float):  # type: ignore[no-untyped-def] # noqa: ANN201
    return due_bins(
        devices,
        {device_id: Level(level, NOW) for device_id, level in (levels or {}).items()},
        thresholds={"marburg": 0.8, "lahntal": 0.5},
        requested=requested,
        forecasts={device_id: expected(level) for device_id, level in forecasts.items()},
    )


def test_each_reason_and_the_order_of_urgency() -> None:
    """Over the threshold first (the fuller before), then requested, then only expected; others are left out."""
    devices = [bin_(name) for name in ("expected", "asked", "full", "fuller", "fine")]
    levels = {"expected": 0.7, "asked": 0.1, "full": 0.8, "fuller": 1.0, "fine": 0.79}
    found = due(*devices, levels=levels, requested=("asked",), expected=0.81, fine=0.799)
    assert [(item.device_id, item.reasons) for item in found] == [
        ("fuller", (DueReason.ABOVE_THRESHOLD,)),
        ("full", (DueReason.ABOVE_THRESHOLD,)),
        ("asked", (DueReason.REQUESTED,)),
        ("expected", (DueReason.FORECAST,)),
    ]


def test_equally_urgent_bins_are_ordered_by_id() -> None:
    found = due(bin_("b"), bin_("a"), bin_("c"), levels={"a": 0.9, "b": 0.9, "c": 0.9})
    assert [item.device_id for item in found] == ["a", "b", "c"]


def test_reasons_add_up_but_a_full_bin_needs_no_forecast() -> None:
    (found,) = due(bin_("a"), levels={"a": 0.9}, requested=("a",), a=1.0)
    assert found.reasons == (DueReason.ABOVE_THRESHOLD, DueReason.REQUESTED)
    assert found.forecast == expected(1.0)


def test_the_threshold_is_the_municipality_s() -> None:
    levels = {"here": 0.6, "there": 0.6}
    (found,) = due(bin_("here"), bin_("there", municipality="lahntal"), levels=levels)
    assert (found.device_id, found.threshold) == ("there", 0.5)


def test_a_bin_without_position_is_listed() -> None:
    (found,) = due(bin_("a", latitude=None, longitude=None), levels={"a": 0.9})
    assert (found.latitude, found.longitude) == (None, None)


def test_a_bin_that_never_said_anything_can_be_asked_for() -> None:
    (found,) = due(bin_("a"), requested=("a",))
    assert (found.filling_level, found.observed_at, found.reasons) == (None, None, (DueReason.REQUESTED,))


@pytest.mark.parametrize(
    ("status", "listed"),
    [
        (DeviceStatus.ACTIVE, True),
        (DeviceStatus.MAINTENANCE, True),
        (DeviceStatus.RETIRED, False),
        (DeviceStatus.DISCOVERED, False),
    ],
)
def test_only_bins_in_service_are_listed(status: DeviceStatus, listed: bool) -> None:  # noqa: FBT001
    assert bool(due(bin_("a", status=status), levels={"a": 0.9}, requested=("a",))) is listed


def test_other_devices_are_passed_over() -> None:
    assert due(bin_("lamp", device_type="streetlight"), levels={"lamp": 1.0}) == []


@pytest.mark.parametrize(
    ("attribute", "litres"), [(1100, 1100.0), (None, 240.0), (0, 240.0), (-5, 240.0), ("big", 240.0), (True, 240.0)]
)
def test_volume_comes_from_the_registry_where_it_is_a_volume(attribute: float | str | None, litres: float) -> None:
    assert volume_l(bin_("a", attributes={"volume_l": attribute})) == litres
