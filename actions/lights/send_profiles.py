"""Tells lamps that cannot follow commands at once (`control: profile`) what to show in the coming night."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from core.command import SetProfile
from core.device import Device
from core.settings import Settings
from core.topics import Topics
from devices.streetlight.attributes import Control, control_of
from devices.streetlight.codec import encode_set_profile
from lights.assignment import LightingPlan, schedules
from lights.commands import random_command_id
from lights.schedule import profile_settings

AHEAD: Final = timedelta(hours=3)
"""So long before the solar noon at which it begins the profile of a night is sent."""
REPEAT: Final = timedelta(minutes=10)
"""An unanswered profile is sent again after so long: radio lamps are heard a few times an hour."""


@dataclass(slots=True)
class _Sent:
    night: date
    settings: tuple[tuple[datetime, float], ...]
    command_id: str
    at: datetime
    is_answered: bool = False


class NightProfiles:
    """What was sent to which lamp for which night. Nothing is kept over a restart: it is then sent once more.

    Args:
        publish: sends a payload to a topic with QoS 1, when the broker is there.
    """

    def __init__(self, settings: Settings, publish: Callable[[str, bytes], None]) -> None:
        self._topics = Topics(settings.mqtt_topic_root)
        self._publish = publish
        self._sent: dict[str, _Sent] = {}

    def answered(self, device_id: str, command_id: str) -> None:
        """A lamp has answered; a profile that it refused is not repeated either."""
        sent = self._sent.get(device_id)
        if sent is not None and sent.command_id == command_id:
            sent.is_answered = True

    def send(self, lamps: Iterable[Device], plan: LightingPlan, now: datetime) -> int:
        """Send what these lamps do not have yet: of a night that comes, changed since, unanswered; gives how many."""
        following = [lamp for lamp in lamps if control_of(lamp.attributes) is Control.PROFILE]
        schedule_of = schedules(following, plan)
        count = 0
        for lamp in following:
            schedule = schedule_of[lamp.device_id]
            night = schedule.night_at(now + AHEAD)
            settings = tuple(profile_settings(schedule, night, lamp.attributes))
            sent = self._sent.get(lamp.device_id)
            known = sent is not None and (sent.night, sent.settings) == (night, settings)
            if sent is not None and known and (sent.is_answered or now < sent.at + REPEAT):
                continue
            command_id = sent.command_id if sent is not None and known else random_command_id()
            valid_until = schedule.night(night)[-1].until
            self._sent[lamp.device_id] = _Sent(night, settings, command_id, now)
            command = SetProfile(
                command_id=command_id, settings=settings, valid_until=valid_until, issued_at=now, expires_at=valid_until
            )
            topic = self._topics.command(lamp.municipality, lamp.device_type, lamp.device_id, "set_profile")
            self._publish(topic, encode_set_profile(command))
            count += 1
        return count
