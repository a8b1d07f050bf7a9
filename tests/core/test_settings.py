from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import load_settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a .env of the developer nor a variable of the machine."""
    monkeypatch.chdir(tmp_path)


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.mqtt_topic_root == "kreispuls/v1"
    assert settings.api_port == 8000
    assert settings.auto_register is False
    assert settings.readings_url == "sqlite:///data/readings.db"
    assert not list(tmp_path.iterdir())


def test_data_dir_moves_both_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KREISPULS_DATA_DIR", "elsewhere")
    settings = load_settings()
    assert settings.state_url == "sqlite:///elsewhere/state.db"
    assert settings.readings_url == "sqlite:///elsewhere/readings.db"


def test_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KREISPULS_API_PORT=9000\nINFLUXDB_V2_TOKEN=secret\nOTHER=1\n")
    assert load_settings().api_port == 9000
    assert load_settings().influxdb_token.get_secret_value() == "secret"
    monkeypatch.setenv("KREISPULS_API_PORT", "9001")
    assert load_settings().api_port == 9001


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("KREISPULS_API_PORT", "lots", "KREISPULS_API_PORT: Input should be a valid integer"),
        ("KREISPULS_API_PORT", "70000", "KREISPULS_API_PORT: Input should be less than or equal to 65535"),
        ("KREISPULS_MQTT_URL", "http://broker", "KREISPULS_MQTT_URL: expected mqtt://"),
        ("KREISPULS_MQTT_URL", "mqtt://broker:99999", "KREISPULS_MQTT_URL: Port out of range"),
        ("KREISPULS_MQTT_TOPIC_ROOT", "a/+/b", "KREISPULS_MQTT_TOPIC_ROOT: expected topic levels"),
        ("KREISPULS_READINGS_URL", "mysql://x", "KREISPULS_READINGS_URL: expected sqlite"),
        ("KREISPULS_TIMEZONE", "Mars/Base", "KREISPULS_TIMEZONE: expected a time zone"),
        ("KREISPULS_API_PRT", "1", "unknown setting KREISPULS_API_PRT"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        load_settings()


def test_a_password_in_the_broker_url_is_not_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KREISPULS_MQTT_URL", "https://user:hunter2@broker")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
