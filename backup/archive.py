"""The file that a backup is: a zip with `manifest.json` (what is in it, with checksums) and one member per part.

Nothing is ever unpacked by a name from the archive: members that the manifest does not call for are refused.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.clock import utc_now
from core.errors import InvalidInputError, StorageUnavailableError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
READINGS: Final = "readings.db"
MAX_MANIFEST_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 20
_COMPRESSION: Final = 1
"""zlib's fastest level: a backup of years of readings is bound by it."""

Report = Callable[[str, int, int], None]
"""Told how far the work is: what, done, of how many (bytes or rows)."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class Kind(StrEnum):
    """How a column's values are written in JSON."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"  # or the text inf, -inf, nan
    BOOLEAN = "boolean"
    INSTANT = "instant"  # RFC 3339
    DATE = "date"  # ISO 8601
    JSON = "json"
    BYTES = "bytes"  # base64


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Part):
    """Size and SHA-256 of a member, unpacked."""

    bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StateTable(_Part):
    """A table of the state database; its rows are the lines of member `state/{name}.jsonl`, arrays in column order."""

    name: Name
    columns: dict[Name, Kind]
    rows: Count
    id_column: Name | None = None
    last_id: Count = 0

    @property
    def member(self) -> str:
        """The name of its member."""
        return f"state/{self.name}.jsonl"


class StatePart(_Part):
    """The state database: from which backend, at which revision of the schema, its tables, parents first."""

    backend: Literal["sqlite", "postgresql"]
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]
    tables: list[StateTable]


class ReadingsPart(_Part):
    """The readings: a SQLite file as it is."""

    backend: Literal["sqlite"]


class Manifest(_Part):
    """What an archive holds."""

    format: Literal[1] = FORMAT
    version: str
    created_at: datetime
    state: StatePart
    readings: ReadingsPart | None
    members: dict[str, Member]

    @property
    def expected_members(self) -> set[str]:
        """The members that the parts call for."""
        return {table.member for table in self.state.tables} | ({READINGS} if self.readings else set())


class MemberWriter:
    """Writes one member and knows its size and checksum."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self._stream.write(data)
        self._hash.update(data)
        self._bytes += len(data)

    def done(self) -> Member:
        """Size and checksum of what was written."""
        return Member(bytes=self._bytes, sha256=self._hash.hexdigest())


class ArchiveWriter:
    """Writes an archive; the manifest comes last, with `finish`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION)
        self._at = utc_now()
        self._members: dict[str, Member] = {}

    def close(self) -> None:
        """Close it, also when it was not finished; without its manifest it is of no use."""
        self._zip.close()

    @contextmanager
    def member(self, name: str) -> Iterator[MemberWriter]:
        """Write a member."""
        info = zipfile.ZipInfo(name, self._at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as stream:
            writer = MemberWriter(stream)
            yield writer
        self._members[name] = writer.done()

    def finish(self, state: StatePart, readings: ReadingsPart | None) -> Manifest:
        """Write the manifest and close the archive."""
        manifest = Manifest(
            version=_version(), created_at=self._at, state=state, readings=readings, members=self._members
        )
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=1))
        self._zip.close()
        return manifest


class ArchiveReader:
    """Reads an archive.

    Raises:
        InvalidInputError: no archive of ours, cut short, damaged, or of a newer format; in any method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            self._zip = zipfile.ZipFile(path)
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self._zip.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def verify(self, report: Report) -> None:
        """Read every member and compare it with the manifest; nothing else may be there."""
        members = self.manifest.members
        total, done = sum(member.bytes for member in members.values()), 0
        for name, member in members.items():
            hashed = hashlib.sha256()
            with self.reading(name) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    hashed.update(chunk)
                    done += len(chunk)
                    report("checking the archive", done, total)
            if hashed.hexdigest() != member.sha256:
                raise InvalidInputError(f"{self._path} is damaged: {name} is not what the manifest says")

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """A member; damage found while it is read is told as such."""
        with self._translated(), self._zip.open(name) as stream:
            yield stream

    def _read_manifest(self) -> Manifest:
        infos = {info.filename: info for info in self._zip.infolist()}
        info = infos.pop(MANIFEST, None)
        if info is None or info.file_size > MAX_MANIFEST_BYTES:
            raise InvalidInputError(f"{self._path} is no backup of Kreispuls: it has no {MANIFEST}")
        with self._translated():
            text = self._zip.read(info)
        try:
            manifest = Manifest.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidInputError(
                f"{self._path} cannot be used, {MANIFEST} is of another format: {where}: {first['msg']}"
            ) from error
        expected = manifest.expected_members
        names = [each.filename for each in self._zip.infolist()]
        if set(infos) != expected or set(manifest.members) != expected or len(names) != len(expected) + 1:
            odd = sorted(set(infos) ^ expected | set(manifest.members) ^ expected) or ["a member twice"]
            raise InvalidInputError(f"{self._path} is damaged: missing or unexpected in it: {odd[0][:100]!a}")
        for name, member in manifest.members.items():
            if infos[name].file_size != member.bytes:
                raise InvalidInputError(f"{self._path} is damaged: {name} is not as long as the manifest says")
        return manifest

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise InvalidInputError(f"{self._path} is no backup, or damaged or cut short: {error}") from error
        except OSError as error:
            raise InvalidInputError(f"{self._path} cannot be read: {error.strerror or error}") from error


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Tell an error of the file system as one of ours."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailableError(f"{what}: {error.strerror or error}") from error


def _version() -> str:
    try:
        return version("kreispuls")
    except PackageNotFoundError:  # run from the source tree
        return "0+unknown"


def copy_into(source: IO[bytes], target: Any, told: Callable[[int], None]) -> None:
    """Copy in chunks, telling how many bytes are done."""
    done = 0
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)
        done += len(chunk)
        told(done)
