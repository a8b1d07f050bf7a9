"""All settings: environment variables `KREISPULS_...` or `.env`; wrong ones stop a program before it connects."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.device import is_municipality
from core.errors import SettingsError
from core.retention import parse_retention

SHORTEST_KEY = 32
TEST_PREFIXES = ("KREISPULS_TEST_", "KREISPULS_REQUIRE_")
"""Variables that only the tests read: which servers to use, and which must be there."""
ROADS_SCHEMES = ("osrm+http", "osrm+https", "valhalla+http", "valhalla+https")
Port = Annotated[int, Field(ge=0, le=65535)]
FederalState = Literal[
    "BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"
]  # fmt: skip


def parse_municipalities(text: str) -> tuple[str, ...] | None:
    """Names from `marburg,kirchhain`, each once; None for `*`.

    Raises:
        ValueError: names what is no municipality.
    """
    if text.strip() == "*":
        return None
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))
    wrong = [name for name in names if not is_municipality(name)]
    if wrong or not names:
        raise ValueError(f"{(wrong or [text])[0][:80]!a}: expected names such as marburg,kirchhain, or *")
    return names


class Settings(BaseSettings):
    """Every setting with its default; `.env.example` lists them all (a test keeps the two equal)."""

    model_config = SettingsConfigDict(
        env_prefix="KREISPULS_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        frozen=True,
    )

    data_dir: Path = Field(Path("data"), description="where SQLite files and the embedded broker keep their data")
    mqtt_url: str = Field("mqtt://127.0.0.1:1883", description="broker; mqtts:// for TLS; user and password in the URL")
    mqtt_topic_root: str = Field("kreispuls/v1", description="first levels of every topic")
    mqtt_client_id: str = Field("kreispuls-ingest", description="name of ingest's persistent session at the broker")
    mqtt_ca_file: Path | None = Field(None, description="certificate authority for mqtts://; default: the system's")
    readings_url: str = Field("", description="sqlite:///FILE or influxdb://; default: sqlite in the data directory")
    state_url: str = Field("", description="SQLAlchemy URL; default: sqlite in the data directory")
    influxdb_url: str = Field(
        "http://127.0.0.1:8086", validation_alias="INFLUXDB_V2_URL", description="InfluxDB 2, for influxdb://"
    )
    influxdb_token: SecretStr = Field(
        SecretStr(""), validation_alias="INFLUXDB_V2_TOKEN", description="token with read and write on the bucket"
    )
    influxdb_org: str = Field("kreispuls", validation_alias="INFLUXDB_V2_ORG", description="organisation")
    influxdb_bucket: str = Field("kreispuls", description="bucket that keeps the readings")
    api_host: str = Field("127.0.0.1", description="address the API listens on")
    api_port: Port = Field(8000, description="port the API listens on")
    ingest_metrics_port: Port = Field(9108, description="port of ingest's Prometheus metrics on 127.0.0.1; 0: none")
    ingest_metrics_host: str = Field("127.0.0.1", description="address of ingest's Prometheus metrics")
    municipalities: str = Field(
        "*",
        description="whose lights and rules ingest runs: marburg,kirchhain, in a session of their own named after the "
        "first; *: all that are on no other ingest's list",
    )
    lease_s: float = Field(
        6.0, ge=1, le=60, description="after so long without a sign of life of an ingest its standby takes over"
    )
    auto_register: bool = Field(default=False, description="register unknown devices at once instead of listing them")
    max_discovered: int = Field(10_000, ge=0, description="how many unadopted devices are listed at most")
    retention_days: int = Field(3650, ge=1, description="readings observed longer ago are rejected and deleted")
    retention_presence_hours: int = Field(
        48, ge=1, description="presence values observed longer ago are deleted (data protection); counters stay"
    )
    retention_hours: str = Field(
        "", description="the same for any quantity, also per municipality: temperature_c=720, marburg/presence=24"
    )
    rejected_keep: int = Field(100_000, ge=1, description="how many rejected messages are kept at most")
    batch_max_readings: int = Field(1000, ge=1, le=100_000, description="a batch is stored when it has this many")
    batch_max_age_ms: int = Field(50, ge=0, le=10_000, description="or when its first reading has waited this long")
    spool_max_mb: int = Field(
        1024, ge=0, le=1_000_000, description="MB of readings kept on disk while their store is away; 0: none"
    )
    presence_dim_level: float = Field(1.0, ge=0, le=1, description="level of a lamp while somebody is there")
    standby_dim_level: float = Field(0.2, ge=0, le=1, description="level of a lamp when nobody is there")
    presence_hold_s: float = Field(60.0, ge=5, le=1200, description="how long a lamp stays up after the last presence")
    presence_fade_s: float = Field(1.0, ge=0, le=90.5, description="fade time of light commands")
    presence_repeat_s: float = Field(
        5.0, ge=0, le=10, description="a lamp that does not answer is told again by further presence only after so long"
    )
    presence_neighbours: int = Field(
        2,
        ge=0,
        le=10,
        description="how many lamps ahead of somebody light up, to both sides while the direction is unknown",
    )
    command_expires_s: float = Field(
        30.0, ge=1, le=3600, description="how long a light command is good: later it is not sent, and lamps refuse it"
    )
    command_attempts: int = Field(
        5, ge=1, le=10, description="how often a light command is sent that the lamp does not answer"
    )
    notify_schemes: str = Field(
        "form,forms,json,jsons,mailto,mailtos,matrix,matrixs,mmost,mmosts,msteams,nctalk,nctalks,ntfy,ntfys,rocket,rockets,"
        "signal,signals,slack,threema,workflow,workflows",
        description="where notifications may go: schemes of Apprise's URLs",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="encrypts targets of notifications where they are kept (openssl rand -hex 32); "
        "empty: secret.key in the data folder",
    )
    co2_g_per_kwh: float = Field(363.0, ge=0, le=2000, description="grams of CO2 per kilowatt hour from the grid")
    co2_source: str = Field(
        "German electricity mix 2024, Umweltbundesamt 2025",
        max_length=200,
        description="whose factor it is, of which year",
    )
    osm_pbf: Path | None = Field(None, description="OpenStreetMap extract (.osm.pbf) that ways by road are computed on")
    roads_url: str = Field(
        "", description="routing service to ask instead: osrm+http://host:5000 or valhalla+http://host:8002"
    )
    navigation_link: str = Field(
        "https://www.google.com/maps/dir/?api=1&destination={latitude},{longitude}",
        max_length=200,
        description="what the codes on drivers' sheets open, with {latitude} and {longitude}; also geo:",
    )
    timezone: str = Field("Europe/Berlin", description="local time of the municipalities")
    plan_again_on_change: bool = Field(
        default=True, description="make a day's plan anew when far more is known or due than when it was made"
    )
    holidays_state: FederalState = Field("HE", description="federal state whose public holidays count")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much is logged")

    @field_validator("mqtt_url")
    @classmethod
    def _mqtt_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError("expected mqtt://[user:password@]host[:port] or mqtts://...")
        _ = parts.port  # raises ValueError with its reason when it is no port
        return url

    @field_validator("mqtt_topic_root")
    @classmethod
    def _topic_root(cls, root: str) -> str:
        if not root.strip("/") or any(sign in root for sign in "+#\0") or root.startswith("$"):
            raise ValueError("expected topic levels without + and #")
        return root.strip("/")

    @field_validator("municipalities")
    @classmethod
    def _municipalities(cls, text: str) -> str:
        names = parse_municipalities(text)
        return "*" if names is None else ",".join(names)

    @field_validator("retention_hours")
    @classmethod
    def _retention_hours(cls, text: str) -> str:
        parse_retention(text)
        return text

    @field_validator("roads_url")
    @classmethod
    def _roads_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ROADS_SCHEMES or not parts.hostname):
            raise ValueError("expected osrm+http://host[:port], valhalla+http://host[:port], or either with https")
        _ = parts.port
        return url

    @field_validator("navigation_link")
    @classmethod
    def _navigation_link(cls, link: str) -> str:
        if not link.startswith(("https://", "http://", "geo:")):
            raise ValueError("expected https://..., http://... or geo:...")
        if "{latitude}" not in link or "{longitude}" not in link or not link.isprintable() or " " in link:
            raise ValueError("expected {latitude} and {longitude} in it, and no spaces")
        return link

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("expected a time zone name such as Europe/Berlin") from error
        return name

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"expected at least {SHORTEST_KEY} characters, as openssl rand -hex 32 makes them")
        return value

    @model_validator(mode="after")
    def _default_urls(self) -> Self:
        if not self.readings_url:
            object.__setattr__(self, "readings_url", f"sqlite:///{self.data_dir / 'readings.db'}")
        if not self.state_url:
            object.__setattr__(self, "state_url", f"sqlite:///{self.data_dir / 'state.db'}")
        if not self.readings_url.startswith(("sqlite:///", "influxdb://")):
            raise ValueError("KREISPULS_READINGS_URL: expected sqlite:///FILE or influxdb://")
        return self

    @property
    def municipality_list(self) -> tuple[str, ...] | None:
        """Whose lights and rules ingest runs; None: all that are on no other ingest's list."""
        return parse_municipalities(self.municipalities)

    @property
    def ingest_session(self) -> str:
        """Name of ingest's persistent session at the broker, of its lease and of its folder in the spool."""
        names = self.municipality_list
        return f"{self.mqtt_client_id}-{names[0]}" if names else self.mqtt_client_id

    @property
    def hours_kept(self) -> dict[tuple[str | None, str], int]:
        """Retention of single quantities, by (municipality or None for all, quantity)."""
        return {(None, "presence"): self.retention_presence_hours} | parse_retention(self.retention_hours)

    @property
    def notify_scheme_set(self) -> frozenset[str]:
        """The schemes of targets that notifications may go to."""
        return frozenset(scheme.strip().lower() for scheme in self.notify_schemes.split(",") if scheme.strip())

    @property
    def spool_dir(self) -> Path:
        """Where ingest keeps readings whose store is away, in a folder for each session."""
        return self.data_dir / "spool"

    @property
    def zone(self) -> ZoneInfo:
        """Local time of the municipalities."""
        return ZoneInfo(self.timezone)


def environment_name(field: str) -> str:
    """The environment variable that sets a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"KREISPULS_{field.upper()}"


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        SettingsError: a value is wrong or a KREISPULS_ variable is unknown; names each.
    """
    known = {environment_name(field) for field in Settings.model_fields}
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("KREISPULS_") and name.upper() not in known and not name.startswith(TEST_PREFIXES)
    )
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)} in the environment")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(dict(detail)) for detail in error.errors())) from error


def _sentence(detail: dict[str, object]) -> str:
    location = detail["loc"]
    field = str(location[0]) if isinstance(location, tuple) and location else ""
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not field:
        return message
    name = environment_name(field) if field in Settings.model_fields else field.upper()
    return f"{name}: {message}"
