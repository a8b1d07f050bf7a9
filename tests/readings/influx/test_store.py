"""What only the InfluxDB backend has to stand: servers that are away, tokens that may not, foreign data."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from influxdb_client import InfluxDBClient, Permission, PermissionResource, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS

from core.errors import SettingsError, StorageError, StorageUnavailableError
from core.quantity import Value
from core.reading import Aggregate, GroupBy, Reading
from core.settings import Settings
from readings.influx import store as influxdb
from readings.influx.line_protocol import encode_lines
from readings.influx.store import InfluxReadings
from readings.open import open_readings
from readings.store import ReadingStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
LAMP = Reading("lamp-1", "streetlight", "marburg", NOON, NOON, {"dim_level": 0.5})


@pytest.fixture
def admin(influxdb_server: Any) -> Iterator[Any]:
    with InfluxDBClient(url=influxdb_server.url, token=influxdb_server.token, org=influxdb_server.org) as client:
        yield client


@pytest.fixture
def bucket(admin: Any) -> Iterator[str]:
    """A name; the bucket is removed if the test made it."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    made = admin.buckets_api().find_bucket_by_name(name)
    if made is not None:
        admin.buckets_api().delete_bucket(made)


def token_for(admin: Any, org: str, *permissions: tuple[str, str | None]) -> str:
    """A token that may `read` or `write` the bucket with this id (None: list the organisation)."""
    org_id = admin.organizations_api().find_organizations(org=org)[0].id
    allowed = [
        Permission(action=action, resource=PermissionResource(type="buckets" if of else "orgs", id=of, org_id=org_id))
        for action, of in permissions
    ]
    token: str = admin.authorizations_api().create_authorization(org_id=org_id, permissions=allowed).token
    return token


def test_a_missing_bucket_is_made_once(influxdb_server: Any, admin: Any, bucket: str) -> None:
    for _ in range(2):
        with closing(
            InfluxReadings(url=influxdb_server.url, token=influxdb_server.token, org=influxdb_server.org, bucket=bucket)
        ) as store:
            store.write([LAMP])
            assert len(store.latest()) == 1
    assert admin.buckets_api().find_bucket_by_name(bucket).retention_rules[0].every_seconds == 0


def test_a_token_for_the_bucket_is_enough(influxdb_server: Any, admin: Any, bucket: str) -> None:
    made = admin.buckets_api().create_bucket(bucket_name=bucket)
    token = token_for(admin, influxdb_server.org, ("read", made.id), ("write", made.id))
    with closing(InfluxReadings(url=influxdb_server.url, token=token, org=influxdb_server.org, bucket=bucket)) as store:
        store.ping()
        store.write([LAMP])
        assert len(store.latest()) == 1
        store.delete(device_id="lamp-1")
        assert store.latest() == []


def test_a_token_that_may_not_make_the_bucket_is_told_so(influxdb_server: Any, admin: Any, bucket: str) -> None:
    other = admin.buckets_api().find_bucket_by_name("_monitoring")
    token = token_for(admin, influxdb_server.org, ("read", other.id))
    with pytest.raises(StorageError, match=bucket):
        InfluxReadings(url=influxdb_server.url, token=token, org=influxdb_server.org, bucket=bucket)


def test_a_wrong_token_is_refused_and_not_shown(influxdb_server: Any, bucket: str) -> None:
    with pytest.raises(StorageError, match="401") as caught:
        InfluxReadings(url=influxdb_server.url, token="wrong-secret", org=influxdb_server.org, bucket=bucket)
    assert not isinstance(caught.value, StorageUnavailableError)
    assert "wrong-secret" not in str(caught.value)


def test_an_unknown_organisation_is_refused(influxdb_server: Any, bucket: str) -> None:
    with pytest.raises(StorageError):
        InfluxReadings(url=influxdb_server.url, token=influxdb_server.token, org="nobody", bucket=bucket)


def test_a_bucket_that_vanished_is_named(influx_readings: InfluxReadings, admin: Any) -> None:
    influx_readings.write([LAMP])
    gone = admin.buckets_api().find_bucket_by_name(influx_readings._bucket)
    admin.buckets_api().delete_bucket(gone)
    for call in (influx_readings.ping, influx_readings.latest, lambda: influx_readings.write([LAMP])):
        with pytest.raises(StorageError, match=influx_readings._bucket):
            call()
    admin.buckets_api().create_bucket(bucket_name=influx_readings._bucket)


def test_a_server_that_is_away_is_unavailable(free_port: int) -> None:
    with pytest.raises(StorageUnavailableError, match=str(free_port)):
        InfluxReadings(url=f"http://127.0.0.1:{free_port}", token="t", org="o", bucket="b")


def test_a_server_that_says_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influxdb, "_TIMEOUT_MS", (200, 200))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StorageUnavailableError, match="does not answer"):
            InfluxReadings(url=f"http://127.0.0.1:{port}", token="t", org="o", bucket="b")


@pytest.mark.parametrize(
    ("url", "token", "named"),
    [
        ("127.0.0.1:8086", "t", "INFLUXDB_V2_URL"),
        ("ftp://127.0.0.1", "t", "INFLUXDB_V2_URL"),
        ("http://", "t", "INFLUXDB_V2_URL"),
        ("http://127.0.0.1:8086", "", "INFLUXDB_V2_TOKEN"),
        ("http://127.0.0.1:8086", "tökén", "INFLUXDB_V2_TOKEN"),
        ("http://127.0.0.1:8086", "two\nlines", "INFLUXDB_V2_TOKEN"),
    ],
)
def test_settings_that_cannot_be_right_are_named(url: str, token: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        InfluxReadings(url=url, token=token, org="o", bucket="b")


def test_foreign_points_in_the_bucket_are_left_alone(influx_readings: InfluxReadings, admin: Any) -> None:
    lines = [
        "cpu,host=a usage=1 0",
        "streetlight,device_id=lamp-1,municipality=marburg unknown=1 1772366400000000",
        'cpu,device_id=lamp-1,municipality=marburg dim_level="text" 1772366400000000',
    ]
    with admin.write_api(write_options=SYNCHRONOUS) as write_api:
        write_api.write(influx_readings._bucket, record="\n".join(lines), write_precision=WritePrecision.US)
    influx_readings.write([LAMP])
    assert [one.quantity for one in influx_readings.latest()] == ["dim_level"]
    assert [one.value for one in influx_readings.series("lamp-1", None, *ALWAYS)] == [0.5]
    hours = influx_readings.series("lamp-1", None, *ALWAYS, every=HOUR, aggregate=Aggregate.TIME_WEIGHTED_MEAN)
    assert [one.value for one in hours] == [0.5]
    totals = influx_readings.totals("dim_level", *ALWAYS, group_by=GroupBy.DEVICE_TYPE, every=HOUR)
    assert [(total.group, total.value) for total in totals] == [("streetlight", 0.5)]


def test_a_field_that_others_wrote_with_another_type_is_an_error(influx_readings: InfluxReadings, admin: Any) -> None:
    line = 'streetlight,device_id=lamp-1,municipality=marburg dim_level="text" 1772366400000000'
    with admin.write_api(write_options=SYNCHRONOUS) as write_api:
        write_api.write(influx_readings._bucket, record=line, write_precision=WritePrecision.US)
    with pytest.raises(StorageError, match="dim_level"):
        influx_readings.write([LAMP])
    for call in (
        influx_readings.latest,
        lambda: influx_readings.series("lamp-1", None, *ALWAYS),
        lambda: influx_readings.series("lamp-1", ["dim_level"], *ALWAYS, every=HOUR, aggregate=Aggregate.MEAN),
    ):
        with pytest.raises(StorageError):
            call()


def test_line_protocol() -> None:
    """As in InfluxData's reference: 1772366400 s is 2026-03-01T12:00:00Z."""
    values: dict[str, Value] = {
        "dim_level": 1,
        "presence_count": 2**53,
        "presence": True,
        "faults": 'a"b\\',
        "active_power_w": 1e-7,
        "power_state": "",
    }
    reading = Reading("A.b_c-1", "streetlight", "bad-endbach", NOON.replace(microsecond=7), NOON, values)
    start, fields, instant = next(iter(encode_lines([reading]))).split(" ")
    assert start == "streetlight,device_id=A.b_c-1,municipality=bad-endbach"
    assert fields.split(",") == [
        "dim_level=1.0",
        "presence_count=9007199254740992i",
        "presence=true",
        r'faults="a\"b\\"',
        "active_power_w=1e-07",
        'power_state=""',
    ]
    assert instant == "1772366400000007"


def test_open_readings_takes_the_settings(influxdb_server: Any, bucket: str) -> None:
    settings = Settings(
        readings_url="influxdb://",
        influxdb_url=influxdb_server.url,
        influxdb_token=influxdb_server.token,
        influxdb_org=influxdb_server.org,
        influxdb_bucket=bucket,
        _env_file=None,
    )
    with closing(open_readings(settings)) as store:
        store.write([LAMP])
        assert len(store.latest()) == 1


def test_newest_values_follow_the_bucket_when_renewed(influx_readings_as_opened: InfluxReadings, admin: Any) -> None:
    """Others write into the bucket, or it is restored: `kreispuls check --fix` renews."""
    store = influx_readings_as_opened
    store.write([LAMP])
    line = "streetlight,device_id=lamp-2,municipality=marburg dim_level=0.25 1772366400000000"
    with admin.write_api(write_options=SYNCHRONOUS) as write_api:
        write_api.write(store._bucket, record=line, write_precision=WritePrecision.US)
    assert [one.device_id for one in store.latest()] == ["lamp-1"]
    store.renew(NOON)
    assert [(one.device_id, one.value) for one in store.latest()] == [("lamp-1", 0.5), ("lamp-2", 0.25)]
    admin.delete_api().delete(
        "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", 'device_id="lamp-1"', store._bucket, store._org
    )
    store.renew(NOON)
    assert [one.device_id for one in store.latest()] == ["lamp-2"]


def test_newest_values_of_another_bucket_are_not_taken(influxdb_server: Any, bucket: str, tmp_path: Any) -> None:
    """The state stays, the bucket is another: the newest values are those of the bucket, from the first moment on."""

    def opened(name: str) -> ReadingStore:
        return open_readings(
            Settings(
                readings_url="influxdb://",
                influxdb_url=influxdb_server.url,
                influxdb_token=influxdb_server.token,
                influxdb_org=influxdb_server.org,
                influxdb_bucket=name,
                data_dir=tmp_path,
                _env_file=None,
            )
        )

    with closing(opened(bucket)) as store:
        store.write([LAMP])
    with closing(opened(f"{bucket}-2")) as store:
        assert store.latest() == []
    with closing(opened(bucket)) as store:
        assert [one.device_id for one in store.latest()] == ["lamp-1"]
