"""What is kept beside InfluxDB in the state database, because InfluxDB cannot give it fast enough."""

from dataclasses import dataclass

from sqlalchemy import Engine

from readings.beside.hourly_totals import HourlyTotals
from readings.beside.newest_values import NewestValues
from sql.engine import open_engine, parse_url, write_ahead


@dataclass(frozen=True, slots=True)
class Beside:
    """Derived data: no part of the state, its migrations and its backups."""

    engine: Engine
    newest: NewestValues
    hours: HourlyTotals

    def close(self) -> None:
        """Give back connections."""
        self.engine.dispose()


def open_beside(state_url: str) -> Beside | None:
    """In the state's PostgreSQL, or in a file next to its SQLite file; None if that is in memory.

    Raises:
        SettingsError: the URL cannot be understood.
        StorageUnavailableError: the database does not answer.
    """
    url = parse_url(state_url)
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            return None
        url = url.set(database=f"{url.database}.beside")  # not in backups, and nobody waits for it who needs the state
    engine = open_engine(url.render_as_string(hide_password=False))
    try:
        write_ahead(engine)
        return Beside(engine, NewestValues(engine), HourlyTotals(engine))
    except BaseException:
        engine.dispose()
        raise
