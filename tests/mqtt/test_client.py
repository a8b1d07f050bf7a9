"""Our reading and writing under paho's: packets cut anywhere, joined, wrong; sessions against a real broker."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import MQTTErrorCode

from mqtt.client import Message, MqttClient, Will
from mqtt.lean_paho import LeanPaho

Wait = Callable[..., object]


def length_of(body: bytes) -> bytes:
    count, encoded = len(body), bytearray()
    while True:
        count, digit = divmod(count, 128)
        encoded.append(digit | (128 if count else 0))
        if not count:
            return bytes(encoded)


def publish(topic: str, payload: bytes, *, mid: int = 0, retain: bool = False, repeated: bool = False) -> bytes:
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + (mid.to_bytes(2, "big") if mid else b"") + payload
    return bytes([0x30 | (8 if repeated else 0) | (2 if mid else 0) | retain]) + length_of(body) + body


class Wire:
    """A socket that gives what it was given, in these pieces, and takes only so many bytes at once."""

    def __init__(self, pieces: list[bytes], takes: int = 1_000_000) -> None:
        self.pieces = pieces
        self.takes = takes
        self.sent = b""
        self.calls = 0

    def recv(self, _size: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        return self.pieces.pop(0)

    def send(self, data: bytes) -> int:
        self.calls += 1
        taken = data[: self.takes]
        self.sent += taken
        return len(taken)

    def close(self) -> None:
        pass


def client_on(wire: Wire, got: list[Any], *, acknowledge: bool = False) -> LeanPaho:
    client = LeanPaho(
        "test", persistent=True, acknowledge=acknowledge, deliver=lambda *parts: got.append(parts), renew=lambda: None
    )
    client._sock = wire  # type: ignore[assignment]
    client._thread = threading.current_thread()
    return client


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["a", "kreispuls/v1/m/streetlight/l-1/event/up", "ä/ö"]),
        st.one_of(st.binary(max_size=40), st.integers(100, 40_000).map(lambda size: b"x" * size)),
        st.sampled_from([0, 1, 258, 65_535]),
        st.booleans(),
        st.booleans(),
    ).map(lambda parts: (*parts[:4], parts[4] and parts[2] > 0)),  # with QoS 0 nothing is repeated
    max_size=8,
)


@given(MESSAGES, st.integers())
def test_packets_cut_anywhere_are_delivered_whole_and_in_order(
    messages: list[tuple[str, bytes, int, bool, bool]], seed: int
) -> None:
    stream = b"".join(
        publish(topic, payload, mid=mid, retain=retain, repeated=repeated)
        for topic, payload, mid, retain, repeated in messages
    )
    stream += b"\xd0\x00"  # an answer to a ping, which paho handles
    draw = random.Random(seed)
    pieces = []
    while stream:
        size = draw.choice((1, 2, 3, 50, 30_000))
        pieces.append(stream[:size])
        stream = stream[size:]
    got: list[Any] = []
    client = client_on(Wire(pieces), got)
    for _ in range(len(pieces)):
        assert client._packet_read() == MQTTErrorCode.MQTT_ERR_AGAIN
    assert got == [
        (topic, payload, int(mid > 0), retain, mid, repeated) for topic, payload, mid, retain, repeated in messages
    ]
    assert client._unread == b""


@pytest.mark.parametrize(
    "packet",
    [
        b"\x32\xff\xff\xff\xff\x01",  # a remaining length of five bytes
        b"\x30\x01a",  # too short for a topic
        b"\x30\x03\x00\x05a",  # a topic longer than the packet
        b"\x32\x04\x00\x01ab",  # QoS 1 without a packet identifier
        b"\xf0\x00",  # no packet of MQTT 3.1.1
        b"\x40\x01\x00",  # an acknowledgement without a number
    ],
)
def test_wrong_packets_end_the_connection(packet: bytes) -> None:
    got: list[Any] = []
    client = client_on(Wire([publish("before", b""), packet]), got)
    assert client._packet_read() == MQTTErrorCode.MQTT_ERR_AGAIN
    assert client._packet_read() == MQTTErrorCode.MQTT_ERR_PROTOCOL
    assert [parts[0] for parts in got] == ["before"]


def test_end_of_stream_is_a_lost_connection() -> None:
    assert client_on(Wire([b""]), [])._packet_read() == MQTTErrorCode.MQTT_ERR_CONN_LOST


def test_acknowledgements_are_joined_and_survive_a_full_socket() -> None:
    wire = Wire([publish("t", b"1", mid=7) + publish("t", b"2", mid=8) + publish("t", b"3")], takes=3)
    client = client_on(wire, [], acknowledge=True)
    client._packet_read()
    client.queue_acknowledgements([9])
    while client._out_packet:
        client._packet_write()
    assert wire.sent == b"\x40\x02\x00\x07\x40\x02\x00\x08\x40\x02\x00\x09"
    wire.takes = 1000
    calls = wire.calls
    for mid in range(100):
        client.queue_acknowledgements([mid])
    client._packet_write()
    assert wire.calls == calls + 1


def acknowledge(client: MqttClient, messages: list[Message]) -> None:
    client.acknowledge_all([(message.connection, message.mid) for message in messages])


def test_what_is_not_acknowledged_comes_again_and_old_acknowledgements_count_for_nothing(
    mosquitto: Any, wait_until: Wait
) -> None:
    """Two lives of one session; acknowledging the first life's messages in the second must not settle any of it."""
    first: list[Message] = []
    second: list[Message] = []
    third: list[Message] = []

    def session(into: list[Message]) -> MqttClient:
        client = MqttClient(
            mosquitto.url, "session", filters=["t/#"], on_message=into.append, persistent=True, manual_ack=True
        )
        client.start()
        client.wait_connected(10)
        return client

    subscriber = session(first)
    publisher = MqttClient(mosquitto.url, "publisher")
    publisher.start()
    publisher.wait_connected(10)

    def is_subscribed() -> bool:
        publisher.publish_confirmed("t/ready", b"")
        return bool(first)

    wait_until(is_subscribed, "subscribed")
    acknowledge(subscriber, [first.pop(0) for _ in range(len(first))])
    for number in range(50):
        publisher.publish_confirmed("t/x", b"%d" % number)
    wait_until(lambda: len([message for message in first if message.topic == "t/x"]) == 50, "all came")
    acknowledge(subscriber, [message for message in first if message.topic != "t/x"])
    expected = [message.payload for message in first if message.topic == "t/x"]
    subscriber.stop()

    subscriber = session(second)
    wait_until(lambda: len(second) >= 50, "all came again")
    acknowledge(subscriber, [message._replace(connection=message.connection - 1) for message in second])
    assert [message.payload for message in second] == expected
    subscriber.stop()

    subscriber = session(third)
    wait_until(lambda: len(third) >= 50, "and again")
    assert [message.payload for message in third] == expected
    acknowledge(subscriber, third)
    publisher.publish_confirmed("t/last", b"")
    wait_until(lambda: third[-1].topic == "t/last", "the last one comes after them")
    assert len(third) == 51
    subscriber.stop()
    publisher.stop()


def test_large_payloads_both_ways_retained_status_and_a_handler_that_fails(mosquitto: Any, wait_until: Wait) -> None:
    got: list[Message] = []

    def handle(message: Message) -> None:
        got.append(message)
        raise ValueError("a fault in the handler")

    client = MqttClient(mosquitto.url, "large", filters=["big", "status"], on_message=handle, will=Will("status"))
    client.start()
    client.wait_connected(10)
    wait_until(lambda: got, "its own status")
    sent = [b"a", b"x" * 300_000, b"y" * 20_000, b""]
    assert list(client.publish_all(("big", payload) for payload in sent))[-1] == 4
    wait_until(lambda: len(got) == 5, "all came back")
    assert [message.payload for message in got] == [b"online", *sent]
    assert all(message.qos == 1 for message in got)
    client.stop()
    late: list[Message] = []
    watcher = MqttClient(mosquitto.url, "watcher", filters=["status"], on_message=late.append)
    watcher.start()
    wait_until(lambda: late, "the status that was left")
    assert (late[0].payload, late[0].retain) == (b"offline", True)
    watcher.stop()
