"""Deleting what the settings say must not be kept."""

from core.clock import utc_now
from core.retention import due, parse_retention
from core.settings import Settings
from storage.readings import ReadingStore


def forget_due(settings: Settings, readings: ReadingStore) -> None:
    """Forget the values of single quantities that are as old as their retention, or will be before the next run.

    Raises:
        StorageError: the store cannot do so (InfluxDB), or refused.
        StorageUnavailableError: the store cannot be reached now.
    """
    hours = {(None, "presence"): settings.retention_presence_hours} | parse_retention(settings.retention_hours)
    for each in due(hours, utc_now()):
        readings.forget(each.quantity, each.before, municipality=each.municipality, spared=each.spared)
