"""What is kept under the time of its receipt keeps it when the broker delivers it again."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from ingest.keeping.decoding import Understood
from mqtt.client import Message
from state.receipts import Receipt, Receipts


def take_first_receipts(batch: Sequence[Understood], receipts: Receipts) -> None:
    """Give readings without a time of their own, and rejected messages, the instant of their first delivery.

    It is remembered durably before anything of them is stored. Other messages cost nothing; with QoS 0, which is never
    delivered again, there is nothing to remember.

    Raises:
        StorageError: the state database failed; nothing is changed.
    """
    timed = [each for each in batch if each.message.qos and (each.undated or each.rejected)]
    if not timed:
        return
    firsts = receipts.remember([_receipt(each) for each in timed])
    for understood, first in zip(timed, firsts, strict=True):
        if first == understood.received_at:
            continue
        understood.received_at = first
        if understood.reading is not None and understood.undated:
            understood.reading = replace(understood.reading, observed_at=first, received_at=first)
        understood.rejected = [replace(rejected, received_at=first) for rejected in understood.rejected]


def _receipt(understood: Understood) -> Receipt:
    message = understood.message
    return Receipt(message.session, message.mid, _digest(message), understood.received_at, message.repeated)


def _digest(message: Message) -> bytes:
    return blake2b(message.topic.encode() + b"\0" + message.payload, digest_size=16).digest()
