"""However a QoS 1 session delivers, breaks off and delivers again: a reading without a time is one reading."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.reading import Reading
from core.rejected import RejectedMessage
from ingest.keeping.decoding import Understood
from ingest.keeping.receipt import take_first_receipts
from mqtt.client import Message
from state.state import State, open_state

START = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC = "kreispuls/v1/marburg/waste_bin/b1/event/up"
PACKETS = 4
"""So few packet identifiers, that they are given again and again."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    folder: Path = tmp_path_factory.mktemp("receipts")
    opened = open_state(f"sqlite:///{folder / 'state.db'}")
    yield opened
    opened.close()


@dataclass
class Session:
    """A persistent session as a broker keeps it (MQTT 3.1.1, 4.3.2 and 4.4)."""

    name: str
    waiting: list[bytes]
    sent: dict[int, bytes] = field(default_factory=dict)
    """Unacknowledged, in the order of their first sending."""
    again: list[int] = field(default_factory=list)
    """To be sent again in this connection, before anything new."""

    def reconnect(self) -> None:
        self.again = list(self.sent)

    def send(self) -> Message | None:
        if self.again:
            packet = self.again.pop(0)
            return self._message(packet, repeated=True)
        free = next((packet for packet in range(1, PACKETS + 1) if packet not in self.sent), None)
        if free is None or not self.waiting:
            return None
        self.sent[free] = self.waiting.pop(0)
        return self._message(free, repeated=False)

    def acknowledged(self, packet: int) -> None:
        self.sent.pop(packet, None)

    def _message(self, packet: int, *, repeated: bool) -> Message:
        return Message(TOPIC, self.sent[packet], 1, False, packet, 0, repeated, self.name)


@dataclass
class Ingest:
    """What is durable outlives a kill; what was received and is not acknowledged does not."""

    state: State
    session: Session
    clock: Iterator[int] = field(default_factory=itertools.count)
    stored: dict[datetime, bytes] = field(default_factory=dict)
    received: list[Understood] = field(default_factory=list)

    def receive(self) -> None:
        message = self.session.send()
        if message is not None:
            at = START + timedelta(seconds=next(self.clock))
            reading = Reading("b1", "waste_bin", "marburg", at, at, {})
            self.received.append(Understood(message, at, reading, undated=True))

    def settle(self, how_far: str) -> None:
        """Store and acknowledge what was received, and be killed on the way, or lose the acknowledgements."""
        batch = self.received
        if how_far != "nothing":
            take_first_receipts(batch, self.state.receipts)
        if how_far in {"stored", "acknowledged"}:
            for each in batch:
                assert each.reading is not None
                self.stored[each.reading.observed_at] = each.message.payload
        if how_far == "acknowledged":
            for each in batch:
                self.session.acknowledged(each.message.mid)
            self.received = []
        else:
            self.killed()

    def killed(self) -> None:
        self.received = []
        self.session.reconnect()

    def connection_breaks(self, *, one_on_its_way: bool) -> None:
        """What has been received stays in hand, but cannot be acknowledged any more; one more message is lost."""
        if one_on_its_way:
            self.session.send()
        take_first_receipts(self.received, self.state.receipts)
        for each in self.received:
            assert each.reading is not None
            self.stored[each.reading.observed_at] = each.message.payload
        self.received = []
        self.session.reconnect()


STEPS = ["receive", "receive", "receive", "nothing", "remembered", "stored", "acknowledged", "acknowledged", "break"]
_names = itertools.count()


@pytest.mark.parametrize("alike", [False, True], ids=["different", "all alike"])
@given(steps=st.lists(st.sampled_from([*STEPS, "lost"]), max_size=60), messages=st.integers(1, 15))
@settings(max_examples=150)
def test_every_undated_message_is_one_reading(state: State, *, alike: bool, steps: list[str], messages: int) -> None:
    """Messages that are all alike are told apart as well, as long as the first delivery of each is remembered."""
    said = [b"same" if alike else str(number).encode() for number in range(messages)]
    session = Session(f"session {next(_names)}", list(said))
    ingest = Ingest(state, session)
    for step in steps:
        if step == "receive":
            ingest.receive()
        elif step in {"break", "lost"}:
            ingest.connection_breaks(one_on_its_way=step == "lost" and not alike)
        else:
            ingest.settle("remembered" if step == "nothing" and alike else step)
    ingest.settle("remembered" if alike else "nothing")
    while session.waiting or session.sent:
        ingest.receive()
        if len(ingest.received) == PACKETS or not (session.waiting or session.again):
            ingest.settle("acknowledged")
    assert Counter(ingest.stored.values()) == Counter(said)


def test_what_tells_its_time_or_comes_with_qos_0_needs_no_database(state: State) -> None:
    state.close()  # it opens again by itself
    at = START
    dated = Understood(Message(TOPIC, b"x", 1, False, 1, 0), at, Reading("b1", "waste_bin", "marburg", at, at, {}))
    unsure = Understood(Message(TOPIC, b"x", 0, False, 0, 0), at, dated.reading, undated=True)
    take_first_receipts([dated, unsure], None)  # type: ignore[arg-type] # nothing is asked of it
    assert dated.reading == unsure.reading
    assert dated.received_at == unsure.received_at == at


def test_a_rejected_message_that_comes_again_was_received_when_it_came_first(state: State) -> None:
    def understood(second: int, *, repeated: bool) -> Understood:
        at = START + timedelta(seconds=second)
        message = Message(TOPIC, b"{", 1, False, 7, 0, repeated, "rejected")
        rejected = RejectedMessage(topic=TOPIC, payload=b"{", payload_size=1, reason="no JSON", received_at=at)
        return Understood(message, at, rejected=[rejected])

    first, second = understood(0, repeated=False), understood(9, repeated=True)
    take_first_receipts([first], state.receipts)
    take_first_receipts([second], state.receipts)
    assert first.rejected == second.rejected
    assert second.received_at == START
