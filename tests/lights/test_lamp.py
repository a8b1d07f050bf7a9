from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.command import Reason
from core.device import Attribute, Device
from lights.assignment import LightingPlan
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import controlled_lamps
from lights.profile import PresenceResponse, standby_profile
from lights.street import StreetRow

PRESENCE = PresenceResponse(dim_level=1.0, standby_dim_level=0.2, hold_s=60, fade_s=1, lamps_ahead=2)
PLAN = LightingPlan(default=standby_profile(PRESENCE), zone=ZoneInfo("Europe/Berlin"))
NIGHT = datetime(2026, 11, 20, 21, tzinfo=UTC)
NOON = datetime(2026, 11, 20, 11, tzinfo=UTC)


def device(name: str, **attributes: Attribute) -> Device:
    return Device(
        device_id=name,
        device_type="streetlight",
        municipality="marburg",
        latitude=50.8,
        longitude=8.78,
        attributes=attributes,
    )


def test_lamps_get_schedule_response_and_least_level_from_the_lighting_plan() -> None:
    plain, classed, crossing = controlled_lamps(
        [
            device("plain"),
            device("classed", lighting_class="P4", lighting_class_reduced="P6"),
            device("crossing", pedestrian_crossing=True),
        ],
        PLAN,
    )
    assert plain.schedule is not None
    assert plain.schedule is classed.schedule, "one for all lamps of a profile and place"
    assert (plain.schedule.at(NIGHT).dim_level, plain.schedule.at(NOON).lit) == (0.2, False)
    assert plain.presence == PRESENCE
    assert [lamp.permitted(0.2, dark=True) for lamp in (plain, classed, crossing)] == [0.2, 0.4, 1.0]
    assert classed.permitted(0.0, dark=False) == 0.0


def test_a_lamp_with_control_profile_is_not_live() -> None:
    live, profile = controlled_lamps([device("live"), device("profile", control="profile")], PLAN)
    assert (live.is_live, profile.is_live) == (True, False)


def test_a_lamp_that_nobody_gave_a_profile_is_told_of_nothing_but_people_and_event_nights() -> None:
    own, given = controlled_lamps([device("own"), device("given", lighting_profile="reduced_at_night")], PLAN)
    assert (own.follows_own, given.follows_own) == (True, False)
    lights = LightControl()
    lights.configure([own, given], Corridor([StreetRow(("own",), (0.0,))]), NIGHT)
    assert {command.device_id for command in lights.due(NIGHT + timedelta(seconds=11))} == {"given"}
    raised = lights.detected("own", NIGHT + timedelta(seconds=12))
    assert [(command.device_id, command.reason) for command in raised] == [("own", Reason.PRESENCE)]
    assert lights.detected("own", NOON) == []
