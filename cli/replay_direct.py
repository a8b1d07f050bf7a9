"""Replaying straight into the stores: what ingest would keep, without broker, rules and alerts."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from actions.register_devices import discover_device
from cli.recording import Recorded
from core.clock import utc_now
from core.device import Device, DeviceStatus
from core.errors import InvalidInputError, PayloadError
from core.reading import Reading
from core.settings import Settings
from devices.base import DeviceType, encode_json
from readings.open import open_readings
from state.state import State, open_state


def store_readings(
    settings: Settings, device_type: DeviceType, municipality: str, batches: Iterable[Sequence[Recorded]]
) -> Iterator[int]:
    """Keep the readings and list unknown devices; yields how many are kept, after each batch.

    Raises:
        InvalidInputError: a device is registered as another type or for another municipality.
        StorageError: a store refused; what was yielded is kept.
    """
    with closing(open_state(settings.state_url)) as state, closing(open_readings(settings)) as store:
        registry = _Registry(state, settings, device_type, municipality)
        count = 0
        for batch in batches:
            readings = [_reading(recorded, registry.device(recorded.device_id), device_type) for recorded in batch]
            store.write(readings)
            state.devices.seen({reading.device_id: reading.observed_at for reading in readings})
            count += len(readings)
            yield count


class _Registry:
    """The devices of the recording; unknown ones are listed as ingest would list them."""

    def __init__(self, state: State, settings: Settings, device_type: DeviceType, municipality: str) -> None:
        self._state = state
        self._max_discovered = settings.max_discovered
        self._status = DeviceStatus.ACTIVE if settings.auto_register else DeviceStatus.DISCOVERED
        self._device_type = device_type.name
        self._municipality = municipality
        self._known: dict[str, Device] = {}
        state.municipalities.ensure(municipality)  # somebody named it, whether or not its devices are adopted

    def device(self, device_id: str) -> Device:
        """The device as the registry has it."""
        if device_id not in self._known:
            self._known[device_id] = self._find(device_id)
        return self._known[device_id]

    def _find(self, device_id: str) -> Device:
        new = Device(
            device_id=device_id, device_type=self._device_type, municipality=self._municipality, status=self._status
        )
        discover_device(self._state, new, self._max_discovered)
        device = self._state.devices.find(device_id) or new
        if (device.device_type, device.municipality) != (self._device_type, self._municipality):
            raise InvalidInputError(
                f"device {device_id} is a {device.device_type} of {device.municipality},"
                f" not a {self._device_type} of {self._municipality}"
            )
        return device


def _reading(recorded: Recorded, device: Device, device_type: DeviceType) -> Reading:
    """What ingest would make of it: the same codec, with the device's attributes."""
    try:
        decoded = device_type.decode(encode_json(recorded.values), device.attributes)
    except PayloadError as error:  # no value that passed its catalogue entry gets here
        raise InvalidInputError(f"device {device.device_id} at {recorded.observed_at}: {error}") from error
    return Reading(
        device.device_id, device.device_type, device.municipality, recorded.observed_at, utc_now(), decoded.values
    )
