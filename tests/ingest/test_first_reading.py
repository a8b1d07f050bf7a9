"""The first reading of a device is judged like any other, over a real broker."""

from collections.abc import Callable
from typing import Any

from core.alert import AlertState
from core.device import Device
from state.alerts import AlertFilter

Wait = Callable[..., Any]
FULL = b'{"filling_level": 0.95}'


def test_of_devices_that_register_themselves(make_platform: Callable[..., Any], wait_until: Wait) -> None:
    with make_platform(auto_register=True) as platform:
        names = {f"new-{number}" for number in range(40)}
        for name in sorted(names):
            platform.say(f"marburg/waste_bin/{name}/event/up", FULL)

        def full() -> set[str]:
            found = platform.state.alerts.page(AlertFilter(rule="bin_full"), 100).items
            return {alert.device_id for alert in found if alert.state is AlertState.FIRING}

        wait_until(lambda: full() == names, "each has its alert", 20)


def test_of_a_device_that_was_registered_a_moment_before(platform: Any, wait_until: Wait) -> None:
    """The registry is read anew each second; the alert names the device as its people do."""
    for number in range(10):
        name = f"just-{number}"
        platform.state.devices.add(
            Device(device_id=name, device_type="waste_bin", municipality="marburg", name=f"Kirchplatz {number}")
        )
        platform.say(f"marburg/waste_bin/{name}/event/up", FULL)

        def alerts(name: str = name) -> list[str]:
            found = platform.state.alerts.page(AlertFilter(rule="bin_full", device_id=name), 10).items
            return [alert.summary_de for alert in found]

        (summary,) = wait_until(alerts, f"{name} has its alert", 20)
        assert f"Kirchplatz {number}" in summary
