"""A device that publishes its readings with the retain flag, over a real broker: what was kept is no news."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from core.clock import format_rfc3339, utc_now

Wait = Callable[..., Any]


def told(platform: Any) -> set[str]:
    """The ids of commands to the lamp."""
    return {json.loads(each.payload)["command_id"] for each in platform.heard if "/l1/command/" in each.topic}


def levels(platform: Any) -> list[float]:
    span = utc_now() - timedelta(days=1), utc_now() + timedelta(minutes=1)
    return [item.value for item in platform.readings.series("b1", ["filling_level"], *span)]


def test_what_the_broker_kept_without_a_time_is_neither_stored_nor_lights_a_lamp(
    make_platform: Callable[..., Any], wait_until: Wait
) -> None:
    with make_platform() as platform:
        say = platform.device.publish_confirmed
        say("kreispuls/v1/marburg/streetlight/l1/event/up", b'{"presence": true}', retain=True)
        wait_until(lambda: told(platform), "it is lit")
        before = told(platform)
        say("kreispuls/v1/marburg/waste_bin/b1/event/up", b'{"filling_level": 0.95}', retain=True)
        say("kreispuls/v1/marburg/waste_bin/b1/event/up", b'{"filling_level": 0.05}')
        wait_until(lambda: levels(platform) == [0.95, 0.05], "what was said is stored")
        seen_at = wait_until(lambda: platform.state.devices.get("b1").last_seen_at, "it was seen")
    with make_platform(mqtt_client_id="another-session") as platform:
        platform.say("marburg/waste_bin/b1/event/up", b'{"weight_kg": 1}')
        wait_until(lambda: platform.state.devices.get("b1").last_seen_at > seen_at, "what came after is stored")
        assert levels(platform) == [0.95, 0.05]
        assert told(platform) <= before, "the lamp did not answer: it may be told the same again"
        assert platform.rejected() == {}


def test_with_its_own_time_it_is_what_it_says(make_platform: Callable[..., Any], wait_until: Wait) -> None:
    """Said while no ingest was there to hear it."""
    at = utc_now() - timedelta(hours=2)
    with make_platform() as platform:
        payload = json.dumps({"filling_level": 0.4, "observed_at": format_rfc3339(at)}).encode()
        platform.device.publish_confirmed("kreispuls/v1/marburg/waste_bin/b1/event/up", payload, retain=True)
        wait_until(lambda: levels(platform) == [0.4], "it is stored")
    with make_platform(mqtt_client_id="another-session") as platform:
        platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.5}')
        wait_until(lambda: levels(platform) == [0.4, 0.5], "stored once, at its own time")
