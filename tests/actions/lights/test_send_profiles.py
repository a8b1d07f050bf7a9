"""Lamps that follow a profile are told each night once, again when it changes or they do not answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actions.lights.send_profiles import NightProfiles
from core.device import Device
from core.settings import Settings
from devices.streetlight.codec import decode_set_profile
from lights.assignment import LightingPlan
from lights.catalogue import shipped_profiles

LAMP = Device(
    device_id="p1", device_type="streetlight", municipality="marburg", latitude=50.8, longitude=8.77,
    attributes={"control": "profile"},
)  # fmt: skip
LIVE = replace(LAMP, device_id="live", attributes={})
MORNING = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Radio:
    """What goes out, by lamp."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def __call__(self, topic: str, payload: bytes) -> None:
        self.sent.append((topic, payload))


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None)


@pytest.fixture
def plan(settings: Settings) -> LightingPlan:
    return LightingPlan(default=shipped_profiles()["reduced_at_night"], zone=settings.zone)


def test_the_night_is_told_before_it_begins_and_only_to_lamps_that_follow_profiles(
    settings: Settings, plan: LightingPlan
) -> None:
    radio = Radio()
    assert NightProfiles(settings, radio).send([LAMP, LIVE], plan, MORNING) == 1
    ((topic, payload),) = radio.sent
    assert topic == "kreispuls/v1/marburg/streetlight/p1/command/set_profile"
    told = decode_set_profile(payload)
    levels = [level for _, level in told.settings]
    assert levels == [0.0, 1.0, 0.5, 1.0, 0.0]
    assert told.settings[2][0] == datetime(2026, 11, 20, 21, tzinfo=UTC), "22:00 in Marburg"
    assert told.settings[0][0] > MORNING
    assert told.valid_until.date() == datetime(2026, 11, 21, tzinfo=UTC).date()


def test_an_answered_profile_is_not_sent_again_until_the_next_night_or_a_change(
    settings: Settings, plan: LightingPlan
) -> None:
    radio = Radio()
    profiles = NightProfiles(settings, radio)
    profiles.send([LAMP], plan, MORNING)
    first = decode_set_profile(radio.sent[0][1])
    assert profiles.send([LAMP], plan, MORNING + timedelta(minutes=5)) == 0
    assert profiles.send([LAMP], plan, MORNING + timedelta(minutes=11)) == 1, "unanswered: once more"
    assert decode_set_profile(radio.sent[1][1]).command_id == first.command_id
    profiles.answered("p1", first.command_id)
    assert profiles.send([LAMP], plan, MORNING + 20 * HOUR) == 0
    changed = replace(plan, default=shipped_profiles()["always_full"])
    assert profiles.send([LAMP], changed, MORNING + 20 * HOUR) == 1
    profiles.answered("p1", decode_set_profile(radio.sent[2][1]).command_id)
    assert profiles.send([LAMP], changed, MORNING + 24 * HOUR) == 1, "the next night"
