"""Rejected messages: bad input is data about a problem, kept with its reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

KEPT_PAYLOAD_BYTES: Final = 4096
"""How much of a rejected payload is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A message, or a part of one, that could not be used. `payload` holds at most the first 4 KiB."""

    topic: str
    payload: bytes
    payload_size: int
    reason: str
    received_at: datetime
    municipality: str | None = None
    device_type: str | None = None
    device_id: str | None = None
    partial: bool = False
    """Only some values were rejected; the rest of the message was kept as a reading."""
    rejected_id: int | None = None
    replayed_at: datetime | None = None
