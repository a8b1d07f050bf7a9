"""The broker's configuration and start script in a real Mosquitto: who gets in, and who may do what."""

import os
import pwd
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from mqtt.client import Message, MqttClient
from tests.required import missing

DEPLOY = Path(__file__).parents[2] / "deploy/mosquitto"
SEARCH = f"{os.environ['PATH']}:/usr/sbin:/usr/bin"
WAIT_S = 10.0


@dataclass
class Broker:
    """Mosquitto as compose runs it, but in a folder and on a port of the test's own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    clients: list[MqttClient] = field(default_factory=list)

    def start(self, **passwords: str) -> None:
        user = pwd.getpwuid(os.geteuid()).pw_name
        shipped = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
        here = (
            shipped.replace("/mosquitto/data", str(self.folder))
            .replace("/mosquitto/config", str(DEPLOY))
            .replace("listener 1883", f"listener {self.port} 127.0.0.1")
        )
        config = self.folder / "mosquitto.conf"
        config.write_text(f"{here}\nuser {user}\n", encoding="utf-8")
        self.process = subprocess.Popen(
            ["sh", DEPLOY / "start.sh", config],
            env={"PATH": SEARCH, **passwords},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "errors").open("ab"),
        )

    def start_and_wait(self, **passwords: str) -> None:
        self.start(**passwords)
        assert self.process is not None
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "errors").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        for client in self.clients:
            client.stop()
        self.clients.clear()
        if self.process is not None:
            self.process.terminate()
            self.process.wait(WAIT_S)

    def add_device(self, device_id: str, password: str) -> None:
        subprocess.run(
            ["mosquitto_passwd", "-b", self.folder / "passwords", device_id, password],
            env={"PATH": SEARCH},
            check=True,
            capture_output=True,
        )

    def connect(self, user: str, password: str, *filters: str) -> "Listener":
        listener = Listener()
        url = f"mqtt://{user}:{password}@127.0.0.1:{self.port}" if user else f"mqtt://127.0.0.1:{self.port}"
        listener.client = MqttClient(url, f"test-{len(self.clients)}", filters=filters, on_message=listener.heard)
        self.clients.append(listener.client)
        listener.client.start()
        listener.client.wait_connected(WAIT_S)
        return listener

    def refuses(self, user: str, password: str) -> bool:
        answers: queue.Queue[ReasonCode] = queue.Queue()
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(user, password)
        client.on_connect = lambda _client, _data, _flags, code, _properties: answers.put(code)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            return answers.get(timeout=WAIT_S).is_failure
        finally:
            client.disconnect()
            client.loop_stop()


class Listener:
    """A connection, and the topics on which it heard something."""

    client: MqttClient

    def __init__(self) -> None:
        self.topics: list[str] = []
        self._news = threading.Condition()

    def heard(self, message: Message) -> None:
        with self._news:
            self.topics.append(message.topic)
            self._news.notify_all()

    def wait_for(self, topic: str) -> list[str]:
        """What was heard up to a topic, without the earlier part."""
        with self._news:
            assert self._news.wait_for(lambda: topic in self.topics, WAIT_S), (topic, self.topics)
            heard, self.topics = self.topics, []
            return heard


def event(device_id: str, municipality: str = "marburg") -> str:
    return f"kreispuls/v1/{municipality}/streetlight/{device_id}/event/up"


def command(device_id: str) -> str:
    return f"kreispuls/v1/marburg/streetlight/{device_id}/command/set_light"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if shutil.which("mosquitto", path=SEARCH) is None:
        missing("mosquitto", "apt-get install mosquitto", "KREISPULS_REQUIRE_MOSQUITTO")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = Broker(tmp_path, port)
    yield started
    started.stop()


def test_without_the_platforms_password_it_does_not_start(broker: Broker) -> None:
    broker.start()
    assert broker.process is not None
    assert broker.process.wait(WAIT_S) != 0
    assert "set MQTT_PASSWORD in .env" in (broker.folder / "errors").read_text()


def test_nobody_gets_in_without_the_right_password(broker: Broker) -> None:
    broker.start_and_wait(MQTT_PASSWORD="right")
    assert broker.refuses("kreispuls", "wrong")
    assert broker.refuses("stranger", "right")
    assert broker.refuses("", "")
    assert broker.refuses("simulator", "")
    broker.connect("kreispuls", "right")


def test_the_password_file_has_no_password(broker: Broker) -> None:
    broker.start_and_wait(MQTT_PASSWORD="right", MQTT_SIMULATOR_PASSWORD="simulated")
    for file in broker.folder.glob("passwords*"):
        assert "right" not in file.read_text()
        assert "simulated" not in file.read_text()
        assert file.stat().st_mode & 0o077 == 0


def test_a_restart_keeps_devices_and_takes_over_new_passwords(broker: Broker) -> None:
    broker.start_and_wait(MQTT_PASSWORD="old", MQTT_SIMULATOR_PASSWORD="simulated")
    broker.add_device("L-1", "lamp")
    broker.stop()
    broker.start_and_wait(MQTT_PASSWORD="new")
    broker.connect("L-1", "lamp")
    broker.connect("kreispuls", "new")
    assert broker.refuses("kreispuls", "old")
    assert broker.refuses("simulator", "simulated")


class TestRights:
    @pytest.fixture(autouse=True)
    def _running(self, broker: Broker) -> None:
        broker.start_and_wait(MQTT_PASSWORD="platform", MQTT_SIMULATOR_PASSWORD="simulated")
        broker.stop()
        broker.add_device("L-1", "one")
        broker.add_device("L-2", "two")
        broker.start_and_wait(MQTT_PASSWORD="platform", MQTT_SIMULATOR_PASSWORD="simulated")

    def test_a_device_writes_its_own_events_only(self, broker: Broker) -> None:
        platform = broker.connect("kreispuls", "platform", "kreispuls/v1/#")
        lamp = broker.connect("L-1", "one")
        for topic in (event("L-2"), command("L-1"), command("L-2"), "kreispuls/v1/x", "elsewhere", event("L-1")):
            lamp.client.publish(topic, b"{}")
        assert platform.wait_for(event("L-1")) == [event("L-1")]

    def test_a_device_reads_its_own_commands_only(self, broker: Broker) -> None:
        curious = broker.connect("L-1", "one", "#", "kreispuls/v1/+/+/+/command/+")
        platform = broker.connect("kreispuls", "platform")
        for topic in (command("L-2"), event("L-2"), event("L-1"), command("L-1")):
            platform.client.publish_confirmed(topic, b"{}")
        assert set(curious.wait_for(command("L-1"))) == {command("L-1")}

    def test_the_simulator_is_every_device_and_nothing_more(self, broker: Broker) -> None:
        platform = broker.connect("kreispuls", "platform", "kreispuls/v1/#")
        simulator = broker.connect("simulator", "simulated", "kreispuls/v1/+/+/+/command/+")
        for topic in (command("L-1"), event("L-1"), event("L-9", "kirchhain")):
            simulator.client.publish(topic, b"{}")
        assert platform.wait_for(event("L-9", "kirchhain")) == [event("L-1"), event("L-9", "kirchhain")]
        platform.client.publish_confirmed(command("L-9"), b"{}")
        assert simulator.wait_for(command("L-9")) == [command("L-9")]

    def test_the_platform_sees_how_the_broker_is(self, broker: Broker) -> None:
        """Compose's health check of the broker asks for this topic."""
        broker.connect("kreispuls", "platform", "$SYS/broker/version").wait_for("$SYS/broker/version")


def test_a_whole_batch_is_delivered_before_it_is_acknowledged(broker: Broker) -> None:
    """With Mosquitto's default window, ingest's batches of 1000 would be cut to 20."""
    broker.start_and_wait(MQTT_PASSWORD="platform")
    everything, arrived = threading.Event(), []

    def keep(message: Message) -> None:
        arrived.append(message)
        if len(arrived) == 1000:
            everything.set()

    ingest = MqttClient(
        f"mqtt://kreispuls:platform@127.0.0.1:{broker.port}",
        "ingest",
        filters=["kreispuls/v1/+/+/+/event/#"],
        on_message=keep,
        persistent=True,
        manual_ack=True,
    )
    broker.clients.append(ingest)
    ingest.start()
    ingest.wait_connected(WAIT_S)
    sender = broker.connect("kreispuls", "platform").client
    for _ in range(1000):
        sender.publish(event("L-1"), b"{}")
    assert everything.wait(WAIT_S), len(arrived)
