import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.device import Device, DeviceStatus
from core.errors import BrokerError, InvalidInputError, NotFoundError
from core.reading import Observation
from core.settings import load_settings
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from state.state import open_state

CSV = """Bin ID,Fullness,timestamp
b2,8,14-08-2018
b1,2,13-08-2018
b1,4,13-08-2018
b1,6,15-08-2018
b 3,6,15-08-2018
"""
COLUMNS = ("--map", "device_id=Bin ID", "--map", "observed_at=timestamp", "--map", "filling_level=Fullness")
WYNDHAM = ("--type", "waste_bin", "--municipality", "wyndham", "--timezone", "Australia/Melbourne")
START, END = datetime(2018, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "recording.csv"
    file.write_text(CSV)
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, arguments)])


class Listener:
    """Collects what is published below the root."""

    def __init__(self, url: str, client_id: str = "listener") -> None:
        self.heard: list[Message] = []
        self.client = MqttClient(
            url, client_id, filters=["kreispuls/v1/#"], on_message=self.heard.append, persistent=True
        )
        self.client.start()
        self.client.wait_connected(10)


@pytest.fixture
def listener(mosquitto: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("KREISPULS_MQTT_URL", mosquitto.url)
    found = Listener(mosquitto.url)
    yield found
    found.client.stop()


def test_a_recording_is_published_as_devices_would(
    recording: Path, listener: Listener, wait_until: Callable[..., object]
) -> None:
    """Oldest first, with the times recorded, the last of a repeated instant; the summary says what was left out."""
    result = run(recording, *WYNDHAM, *COLUMNS)
    assert result.exit_code == 0, result.output
    wait_until(lambda: len(listener.heard) >= 3, "three readings on the topic")
    assert [(message.topic, json.loads(message.payload)) for message in listener.heard] == [
        ("kreispuls/v1/wyndham/waste_bin/b1/event/up", {"observed_at": "2018-08-12T14:00:00Z", "filling_level": 0.4}),
        ("kreispuls/v1/wyndham/waste_bin/b2/event/up", {"observed_at": "2018-08-13T14:00:00Z", "filling_level": 0.8}),
        ("kreispuls/v1/wyndham/waste_bin/b1/event/up", {"observed_at": "2018-08-14T14:00:00Z", "filling_level": 0.6}),
    ]
    assert "line 6: device_id 'b 3' is not" in result.stderr
    assert result.stdout == (
        "5 rows: 3 readings of 2 devices published; 1 rows repeat a device and time, the last counts;"
        " 1 rows cannot be used\n"
    )


def test_a_speed_and_keys_after_map_are_taken(
    recording: Path, listener: Listener, wait_until: Callable[..., object]
) -> None:
    """`--map a=b c=d` as well as `--map a=b --map c=d`; two days at a million times their speed."""
    result = run(
        recording,
        *WYNDHAM,
        "--speed",
        "1e6",
        "--map",
        "device_id=Bin ID",
        "observed_at=timestamp",
        "filling_level=Fullness",
    )
    assert result.exit_code == 0, result.output
    wait_until(lambda: len(listener.heard) >= 3, "three readings on the topic")


def test_a_recording_is_stored_directly(recording: Path) -> None:
    """The store has what ingest would have kept; unknown devices are listed, known ones left as they are."""
    settings = load_settings()
    state = open_state(settings.state_url)
    state.devices.add(Device(device_id="b1", device_type="waste_bin", municipality="wyndham", name="Bank"))
    assert run(recording, *WYNDHAM, *COLUMNS, "--direct").exit_code == 0
    assert run(recording, *WYNDHAM, *COLUMNS, "--direct").exit_code == 0
    readings = open_readings(settings)
    assert readings.series("b1", None, START, END) == [
        Observation("filling_level", datetime(2018, 8, 12, 14, tzinfo=UTC), 0.4),
        Observation("filling_level", datetime(2018, 8, 14, 14, tzinfo=UTC), 0.6),
    ]
    readings.close()
    known, found = state.devices.get("b1"), state.devices.get("b2")
    assert (known.name, known.status) == ("Bank", DeviceStatus.ACTIVE)
    assert known.last_seen_at == datetime(2018, 8, 14, 14, tzinfo=UTC)
    assert (found.status, found.municipality) == (DeviceStatus.DISCOVERED, "wyndham")
    assert state.municipalities.get("wyndham").name == "wyndham"
    state.close()


def test_a_distance_becomes_a_level_with_the_container_s_height(tmp_path: Path) -> None:
    """0.3 m below the lid of a container of 1.2 m: 75 %."""
    settings = load_settings()
    state = open_state(settings.state_url)
    state.devices.add(
        Device(device_id="b1", device_type="waste_bin", municipality="wyndham", attributes={"height_m": 1.2})
    )
    state.close()
    file = tmp_path / "distances.jsonl"
    file.write_text('{"id": "b1", "at": "2018-08-13T00:00:00Z", "d": 0.3}\n')
    columns = ("--map", "device_id=id", "--map", "observed_at=at", "--map", "distance_m=d")
    result = run(file, *WYNDHAM, *columns, "--direct")
    assert result.exit_code == 0, result.exception
    readings = open_readings(settings)
    found = {item.quantity: item.value for item in readings.series("b1", None, START, END)}
    readings.close()
    assert found == {"distance_m": 0.3, "filling_level": pytest.approx(0.75)}


def test_a_device_of_somebody_else_is_left_alone(recording: Path) -> None:
    state = open_state(load_settings().state_url)
    state.devices.add(Device(device_id="b1", device_type="waste_bin", municipality="marburg"))
    state.close()
    result = run(recording, *WYNDHAM, *COLUMNS, "--direct")
    assert isinstance(result.exception, InvalidInputError)
    assert str(result.exception) == "device b1 is a waste_bin of marburg, not a waste_bin of wyndham"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((*WYNDHAM, *COLUMNS, "--speed", "0"), InvalidInputError, "--speed: expected a number above 0 or max, got '0'"),
        ((*WYNDHAM, *COLUMNS, "--speed", "nan"), InvalidInputError, "--speed"),
        ((*WYNDHAM, *COLUMNS, "--scale", "filling_level=x"), InvalidInputError, "--scale filling_level: 'x'"),
        ((*WYNDHAM, *COLUMNS, "--timezone", "Mars/Base"), InvalidInputError, "--timezone: 'Mars/Base' is no time zone"),
        ((*WYNDHAM, *COLUMNS[:4], "--map", "filling_level=Full"), InvalidInputError, "has no column 'Full'"),
        (("--type", "toaster", "-m", "wyndham", *COLUMNS), NotFoundError, "unknown device type 'toaster'"),
        (("--type", "waste_bin", "-m", "Wyndham City", *COLUMNS), InvalidInputError, "--municipality: 'Wyndham City'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(
    recording: Path, arguments: tuple[str, ...], error: type[Exception], sentence: str
) -> None:
    result = run(recording, *arguments)
    assert isinstance(result.exception, error)
    assert sentence in str(result.exception)


def test_a_recording_of_nothing_usable_says_why(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("Bin ID,Fullness,timestamp\n" + "b 1,2,13-08-2018\n" * 12)
    result = run(file, *WYNDHAM, *COLUMNS)
    assert isinstance(result.exception, InvalidInputError)
    assert "no row of" in str(result.exception)
    assert "and 2 more lines that cannot be used" in result.stderr


def test_no_broker_is_one_sentence(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KREISPULS_MQTT_URL", "mqtt://127.0.0.1:1")
    monkeypatch.setattr("cli.replay.CONNECT_TIMEOUT_S", 0.2)
    result = run(recording, *WYNDHAM, *COLUMNS)
    assert isinstance(result.exception, BrokerError)


def test_publishing_survives_a_restart_of_the_broker(
    mosquitto: Any, listener: Listener, wait_until: Callable[..., object]
) -> None:
    """Everything acknowledged was delivered, though the broker went away in the middle."""
    sender = MqttClient(mosquitto.url, "sender")
    sender.start()
    sender.wait_connected(10)

    def messages() -> Iterator[tuple[str, bytes]]:
        for number in range(600):
            if number == 300:
                mosquitto.stop()
                mosquitto.start()
            yield "kreispuls/v1/test", str(number).encode()

    acknowledged = list(sender.publish_all(messages(), in_flight=50))
    sender.stop()
    assert acknowledged == sorted(acknowledged)
    assert acknowledged[-1] == 600
    assert max(sent - safe for sent, safe in enumerate(acknowledged[:600], start=1)) <= 50
    wait_until(lambda: len({message.payload for message in listener.heard}) == 600, "all messages", timeout_s=30)


def test_a_broker_that_stays_away_ends_publishing_with_what_is_safe(mosquitto: Any) -> None:
    sender = MqttClient(mosquitto.url, "sender")
    sender.start()
    sender.wait_connected(10)

    def messages() -> Iterator[tuple[str, bytes]]:
        for number in range(100):
            if number == 50:
                mosquitto.stop()
            yield "kreispuls/v1/test", b"x"

    with pytest.raises(BrokerError, match=r"after \d+ acknowledged messages: MQTT broker 127.0.0.1"):
        list(sender.publish_all(messages(), in_flight=10, timeout_s=0.5))
    sender.stop()
