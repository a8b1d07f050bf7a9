from datetime import UTC, datetime, timedelta

import pytest

from core.device import Device, DeviceStatus
from core.errors import InvalidInputError
from lights.groups import LampOverride, plan_override
from lights.lamp import DimmingSchedule, Lamp, Permitted, unrestricted
from lights.schedule import ScheduledLevel

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=2)


class Day:
    """Off, as by day."""

    def at(self, now: datetime) -> ScheduledLevel:  # noqa: ARG002 - a schedule's signature
        return ScheduledLevel(0.0, 1.0, NOW, UNTIL, lit=False)


def lamp(
    name: str,
    status: DeviceStatus = DeviceStatus.ACTIVE,
    permitted: Permitted = unrestricted,
    schedule: DimmingSchedule | None = None,
    control: str = "live",
) -> Lamp:
    device = Device(
        device_id=name,
        device_type="streetlight",
        municipality="marburg",
        status=status,
        attributes={"control": control},
    )
    return Lamp(device=device, permitted=permitted, schedule=schedule)


def at_least_40(wanted: float, *, dark: bool) -> float:
    return max(wanted, 0.4) if dark else wanted


def test_every_lamp_is_named_with_the_level_it_may_show() -> None:
    planned = plan_override(
        [lamp("c", permitted=at_least_40, schedule=Day()), lamp("b", permitted=at_least_40), lamp("a")],
        0.1,
        UNTIL,
        NOW,
    )
    assert planned.overrides == (
        LampOverride("a", 0.1, UNTIL),
        LampOverride("b", 0.4, UNTIL),
        LampOverride("c", 0.1, UNTIL),
    )
    assert planned.refused == ()


def test_lamps_that_cannot_be_overridden_are_refused_with_the_reason() -> None:
    planned = plan_override(
        [
            lamp("profile", control="profile"),
            lamp("retired", DeviceStatus.RETIRED),
            lamp("new", DeviceStatus.DISCOVERED),
            lamp("opened", DeviceStatus.MAINTENANCE),
        ],
        1.0,
        None,
        NOW,
    )
    assert planned.overrides == ()
    assert {refusal.device_id: refusal.reason for refusal in planned.refused} == {
        "new": "is discovered, nobody has adopted it",
        "opened": "is under maintenance: somebody may be working on it",
        "profile": "follows the profile that it was sent, it takes no level at once",
        "retired": "is retired",
    }


@pytest.mark.parametrize(
    ("level", "until", "message"), [(1.1, UNTIL, "dim_level 1.1 is outside"), (0.5, NOW, "is over")]
)
def test_what_makes_no_sense_is_refused_as_a_whole(level: float, until: datetime, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        plan_override([lamp("a")], level, until, NOW)
