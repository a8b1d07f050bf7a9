"""The commands `backup` and `restore`: both stores in one file."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core.clock import format_rfc3339
from core.errors import InvalidInputError
from core.settings import Settings, load_settings

StateOnly = Annotated[
    bool, typer.Option("--state-only", help="Only the state database; the readings are kept another way.")
]


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to make; - is standard output.")],
    *,
    state_only: StateOnly = False,
) -> None:
    """Write both stores into one archive, each as of one instant, while everything runs.

    Readings in InfluxDB are kept by `influx backup` instead (docs/operations.md says how); give --state-only then.
    """
    from backup.backup import back_up

    settings = load_settings()
    with _shown() as report:
        if str(file) != "-":
            manifest = back_up(settings, file, state_only=state_only, report=report)
        else:
            with _room_of_our_own(settings) as folder:
                manifest = back_up(settings, folder / "backup.zip", state_only=state_only, report=report)
                with (folder / "backup.zip").open("rb") as archive:
                    shutil.copyfileobj(archive, sys.stdout.buffer)
                sys.stdout.buffer.flush()
    rows = sum(table.rows for table in manifest.state.tables)
    readings = f", readings {manifest.members['readings.db'].bytes:,} bytes" if manifest.readings else ", no readings"
    typer.echo(f"backup written: {rows} rows of the state{readings}", err=True)


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that backup made; - is standard input.")],
    *,
    state_only: StateOnly = False,
    force: Annotated[bool, typer.Option("--force", help="Replace stores that are not empty.")] = False,
) -> None:
    """Put back what an archive holds, all or nothing; ingest and API must not run meanwhile.

    The archive is checked before anything is touched. A state backed up from SQLite can be restored into PostgreSQL
    and the other way round.
    """
    from backup.backup import restore as put_back

    settings = load_settings()
    with _shown() as report:
        if str(file) != "-":
            manifest = put_back(settings, file, state_only=state_only, force=force, report=report)
        else:
            with _room_of_our_own(settings) as folder:
                archive = folder / "backup.zip"
                _take_input(archive)
                manifest = put_back(settings, archive, state_only=state_only, force=force, report=report)
    what = "state and readings" if manifest.readings and not state_only else "state"
    typer.echo(f"restored: {what} as of {format_rfc3339(manifest.created_at)}", err=True)


@contextmanager
def _shown() -> Iterator[Callable[[str, int, int], None]]:
    """A bar per step, on standard error."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def _room_of_our_own(settings: Settings) -> Iterator[Path]:
    """A folder where an archive that comes or goes through a pipe is kept meanwhile."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="backup-", dir=settings.data_dir))
    except OSError as error:
        raise InvalidInputError(f"KREISPULS_DATA_DIR: {settings.data_dir}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take_input(archive: Path) -> None:
    try:
        with os.fdopen(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
    except OSError as error:
        raise InvalidInputError(f"standard input cannot be kept in {archive.parent}: {error.strerror}") from error
