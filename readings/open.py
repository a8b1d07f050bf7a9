"""Opens the store of readings that the settings name."""

from core.errors import SettingsError
from core.settings import Settings
from readings.store import ReadingStore


def open_readings(settings: Settings, *, must_answer: bool = True) -> ReadingStore:
    """Open the backend that `KREISPULS_READINGS_URL` names; makes what is missing (file, tables, bucket).

    Unless it `must_answer`, a server may be away now; what is missing is made with the first write then.

    Raises:
        SettingsError: the URL or a setting of the backend is wrong.
        StorageUnavailableError: the store does not answer.
    """
    if settings.readings_url.startswith("sqlite:///"):
        from readings.sqlite.store import SqliteReadings  # noqa: PLC0415 - only the backend in use is loaded

        return SqliteReadings(settings.readings_url.removeprefix("sqlite:///"))
    if settings.readings_url.startswith("influxdb://"):
        from readings.beside.opened import open_beside  # noqa: PLC0415
        from readings.influx.store import InfluxReadings  # noqa: PLC0415

        return InfluxReadings(
            url=settings.influxdb_url,
            token=settings.influxdb_token.get_secret_value(),
            org=settings.influxdb_org,
            bucket=settings.influxdb_bucket,
            apart={quantity for _, quantity in settings.hours_kept},
            beside=open_beside(settings.state_url),
            must_answer=must_answer,
        )
    raise SettingsError("KREISPULS_READINGS_URL: expected sqlite:///FILE or influxdb://")
