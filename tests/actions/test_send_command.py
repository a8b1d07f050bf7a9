from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from core.command import Reason
from core.device import Device
from lights.commands import LightCommands
from lights.wanted import WantedLevel

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)


def test_every_command_has_a_random_uuid_of_its_own() -> None:
    lamp = Device(device_id="l1", device_type="streetlight", municipality="marburg")
    wanted = WantedLevel(1.0, 1.0, Reason.PRESENCE, NOW + timedelta(seconds=60))
    make = LightCommands(30.0).make
    ids = [UUID(make(lamp, wanted, NOW).command_id) for _ in range(2_000)]
    assert len(set(ids)) == 2_000
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}
