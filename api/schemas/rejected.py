"""Rejected messages as the API gives them."""

import base64
from dataclasses import asdict

from pydantic import BaseModel, Field

from api.schemas.fields import TimeOut
from core.rejected import RejectedMessage


class RejectedShown(BaseModel):
    """A message, or a part of one, that could not be used."""

    rejected_id: int
    topic: str
    payload: str = Field(description="as text; what is not UTF-8 shows as U+FFFD", examples=['{"filling_level": 7}'])
    payload_base64: str = Field(description="the bytes as they came", examples=["eyJmaWxsaW5nX2xldmVsIjogN30="])
    payload_size: int = Field(description="bytes that came")
    truncated: bool = Field(description="only the first part of the payload is kept")
    reason: str = Field(examples=["filling_level: 7 is outside 0 to 1"])
    partial: bool = Field(description="the rest of the message was kept as a reading")
    municipality: str | None
    device_type: str | None
    device_id: str | None
    received_at: TimeOut
    replayed_at: TimeOut | None


def show_rejected(message: RejectedMessage) -> RejectedShown:
    """A rejected message as the API gives it."""
    return RejectedShown.model_validate(
        asdict(message)
        | {
            "payload": message.payload.decode("utf-8", "replace"),
            "payload_base64": base64.b64encode(message.payload).decode(),
            "truncated": is_truncated(message),
        }
    )


def is_truncated(message: RejectedMessage) -> bool:
    """Whether only the first part of the payload is kept."""
    return message.payload_size > len(message.payload)
