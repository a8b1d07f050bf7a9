from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from actions.send_command import light_command
from core.command import Reason
from core.device import Device
from lights.presence import WantedLevel

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)


def test_every_command_has_a_random_uuid_of_its_own() -> None:
    lamp = Device(device_id="l1", device_type="streetlight", municipality="marburg")
    wanted = WantedLevel("l1", 1.0, 1.0, 75.0, Reason.PRESENCE)
    ids = [UUID(light_command(lamp, wanted, NOW, 30.0).command_id) for _ in range(2_000)]
    assert len(set(ids)) == 2_000
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}
