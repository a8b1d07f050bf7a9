"""Deletes what the settings say must not be kept."""

from datetime import datetime

from core.errors import StorageError, StorageUnavailableError
from core.retention import due_forgettings
from core.settings import Settings
from readings.store import ReadingStore


def forget_due(settings: Settings, readings: ReadingStore, now: datetime) -> None:
    """Forget the values of single quantities that are as old as their retention, or will be before the next run.

    Raises:
        StorageError: some stay (see `ReadingStore.forget`); everything else is forgotten.
        StorageUnavailableError: the store cannot be reached now.
    """
    refusals: list[StorageError] = []
    for each in due_forgettings(settings.hours_kept, now):
        try:
            readings.forget(each.quantity, each.before, municipality=each.municipality, spared=each.spared)
        except StorageUnavailableError:
            raise
        except StorageError as error:
            refusals.append(error)
    if refusals:
        raise StorageError("; ".join(map(str, refusals))) from refusals[0]
