import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import utc_now
from core.command import Reason, SetLight
from core.device import DeviceStatus
from core.errors import BrokerError, SettingsError
from core.pickup import DueReason, Plan, PlanState, Route, Stop, StopState
from core.settings import Settings
from devices.streetlight.codec import encode_set_light
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from simulators import program
from state.state import State, open_state

LAMP = "kreispuls/v1/marburg/streetlight/lamp-marburg-0003"
PATIENCE_S = 30.0


class Listener:
    """Everything published on the broker, and a way to wait for it."""

    def __init__(self, url: str) -> None:
        self._changed = threading.Condition()
        self.messages: list[Message] = []
        self.client = MqttClient(url, "test-listener", filters=["kreispuls/#"], on_message=self._heard)
        self.client.start()
        self.client.wait_connected(10)

    def _heard(self, message: Message) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait_for(self, what: Callable[[Message], bool]) -> Message:
        """The first message, heard already or to come, of which `what` is true."""
        deadline = time.monotonic() + PATIENCE_S
        seen = 0
        with self._changed:
            while True:
                for message in self.messages[seen:]:
                    if what(message):
                        return message
                seen = len(self.messages)
                left = deadline - time.monotonic()
                assert left > 0, f"not among {seen} messages"
                self._changed.wait(left)


@pytest.fixture
def listener(mosquitto: Any) -> Iterator[Listener]:
    listener = Listener(mosquitto.url)
    yield listener
    listener.client.stop()


@pytest.fixture
def settings(mosquitto: Any, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, mqtt_url=mosquitto.url)


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    state = open_state(settings.state_url)
    yield state
    state.close()


@pytest.fixture
def simulate(settings: Settings) -> Iterator[Callable[..., Callable[[], None]]]:
    """Starts the program in a thread; gives back what stops it and waits for its end."""
    ends = []

    def start(*, speed: float = 1.0, history_days: int = 0, progress_json: bool = False) -> Callable[[], None]:
        stop = threading.Event()
        failures: list[Exception] = []

        def work() -> None:
            try:
                program.run(
                    settings,
                    lamps=6,
                    bins=2,
                    seed=0,
                    speed=speed,
                    history_days=history_days,
                    progress_json=progress_json,
                    stop=stop,
                )
            except Exception as error:  # noqa: BLE001 - told to the test
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()

        def end() -> None:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
            assert failures == []

        ends.append(end)
        return end

    yield start
    for end in ends:
        end()


def _is_up(message: Message, start: str = "kreispuls/") -> bool:
    return message.topic.startswith(start) and message.topic.endswith("/event/up")


def test_publishes_obeys_commands_and_says_goodbye(
    listener: Listener, state: State, simulate: Callable[..., Callable[[], None]]
) -> None:
    end = simulate(speed=10.0)
    listener.wait_for(lambda message: message.topic == f"{LAMP}/event/status" and message.payload == b"online")
    listener.wait_for(lambda message: _is_up(message, LAMP))
    assert state.devices.get("lamp-marburg-0003").street == "Beltershäuser Straße"
    assert state.municipalities.get("amoeneburg").name == "Amöneburg"
    now = utc_now()
    set_light = SetLight(
        command_id="c-1",
        dim_level=0.55,
        fade_s=0.2,
        hold_s=60.0,
        reason=Reason.OVERRIDE,
        issued_at=now,
        expires_at=now + timedelta(seconds=30),
    )
    listener.client.publish(f"{LAMP}/command/set_light", encode_set_light(set_light))
    answer = listener.wait_for(lambda message: message.topic == f"{LAMP}/event/ack")
    assert json.loads(answer.payload) == {"command_id": "c-1", "result": "done", "detail": ""}
    listener.wait_for(lambda message: _is_up(message, LAMP) and json.loads(message.payload).get("dim_level") == 0.55)
    end()
    listener.wait_for(lambda message: message.topic == f"{LAMP}/event/status" and message.payload == b"offline")


def test_drives_the_routes_in_force(
    *,
    listener: Listener,
    settings: Settings,
    state: State,
    simulate: Callable[..., Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    monkeypatch.setattr(program, "POLL_PLANS", timedelta(seconds=0.2))
    simulate(speed=10.0)
    first = listener.wait_for(lambda message: _is_up(message) and "/waste_bin/" in message.topic)
    municipality, _, device_id = first.topic.split("/")[2:5]
    stop = Stop(
        stop_id="s-1",
        sequence=1,
        device_id=device_id,
        name="",
        latitude=50.8,
        longitude=8.8,
        filling_level=0.9,
        volume_l=100,
        reasons=(DueReason.REQUESTED,),
        arrival_s=5,
        distance_m=1000,
    )
    route = Route(route_id="r-1", vehicle="truck", stops=(stop,), distance_m=1, duration_s=1, load_l=1)
    state.pickups.add_plan(
        Plan(
            plan_id="p-1",
            municipality=municipality,
            date=utc_now().astimezone(settings.zone).date(),
            state=PlanState.DONE,
            created_at=utc_now(),
            routes=(route,),
        )
    )
    attributes = state.devices.get(device_id).attributes

    def is_empty(message: Message) -> bool:
        if message.topic != first.topic:
            return False
        values = json.loads(message.payload)
        if "filling_level" in values:
            return bool(values["filling_level"] < 0.08)
        full_m = float(attributes["sensor_offset_m"] or 0) + float(attributes["height_m"] or 0)
        return bool(values["distance_m"] > full_m - 0.06)

    listener.wait_for(is_empty)
    wait_until(lambda: state.pickups.get_plan("p-1").routes[0].stops[0].state is StopState.DONE, "the driver confirmed")


def test_history_is_written_once_and_then_resumed(
    settings: Settings,
    listener: Listener,
    state: State,
    simulate: Callable[..., Callable[[], None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    end = simulate(history_days=8, progress_json=True)
    listener.wait_for(_is_up)
    end()
    told = [json.loads(line)["progress"] for line in capsys.readouterr().out.splitlines()]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 3
    store = open_readings(settings)
    before = store.series("lamp-marburg-0003", ["active_energy_kwh"], utc_now() - timedelta(days=9), utc_now())
    assert len(before) > 300
    assert state.devices.get("lamp-marburg-0003").last_seen_at is not None
    assert state.emptyings.last()
    heard = len(listener.messages)
    end = simulate(history_days=8, progress_json=True)
    listener.wait_for(lambda message: _is_up(message, LAMP) and message not in listener.messages[:heard])
    end()
    assert capsys.readouterr().out == '{"progress": 1.0}\n'
    after = store.series("lamp-marburg-0003", ["active_energy_kwh"], utc_now() - timedelta(days=9), utc_now())
    store.close()
    assert after == before
    last_up = [message for message in listener.messages if _is_up(message, LAMP)][-1]
    assert json.loads(last_up.payload)["active_energy_kwh"] >= before[-1].value


def test_registering_again_keeps_what_operators_set(
    listener: Listener, state: State, simulate: Callable[..., Callable[[], None]]
) -> None:
    end = simulate()
    listener.wait_for(_is_up)
    end()
    state.devices.change("lamp-marburg-0003", lambda kept: replace(kept, status=DeviceStatus.MAINTENANCE))
    heard = len(listener.messages)
    simulate()
    listener.wait_for(lambda message: _is_up(message) and message not in listener.messages[:heard])
    assert state.devices.get("lamp-marburg-0003").status is DeviceStatus.MAINTENANCE


def test_stopped_while_writing_history(settings: Settings) -> None:
    stop = threading.Event()
    stop.set()
    program.run(
        settings, lamps=6, bins=2, seed=0, speed=1.0, history_days=2, progress_json=False, stop=stop, register=False
    )
    store = open_readings(settings)
    assert len(store.latest()) == 0
    store.close()


def test_an_absent_broker_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "CONNECT_WITHIN_S", 0.3)
    settings = Settings(data_dir=tmp_path, mqtt_url="mqtt://127.0.0.1:1")
    with pytest.raises(BrokerError, match=r"MQTT broker 127\.0\.0\.1:1: "):
        program.run(
            settings,
            lamps=1,
            bins=0,
            seed=0,
            speed=1.0,
            history_days=0,
            progress_json=False,
            stop=threading.Event(),
            register=False,
        )


def test_an_unknown_region_stops_before_anything_is_opened(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", mqtt_url="mqtt://127.0.0.1:1")
    with pytest.raises(SettingsError, match="unknown region"):
        program.run(
            settings,
            lamps=1,
            bins=0,
            seed=0,
            speed=1.0,
            history_days=0,
            progress_json=False,
            stop=threading.Event(),
            region="atlantis",
        )
    assert not (tmp_path / "data").exists()
