"""`event/ack`: a device's answer to a command, the same for every native device type (INTERFACES section 1)."""

import json
from dataclasses import dataclass
from typing import Final

from core.command import CommandState
from core.errors import PayloadError
from devices.base import parse_object

MAX_DETAIL: Final = 200


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A device's answer to a command."""

    command_id: str
    result: CommandState
    detail: str


def encode_ack(answer: Acknowledgement) -> bytes:
    """The payload of `event/ack`."""
    message = {"command_id": answer.command_id, "result": answer.result.value, "detail": answer.detail}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def decode_ack(payload: bytes) -> Acknowledgement:
    """What an `event/ack` says.

    Raises:
        PayloadError: a key is missing or wrong.
    """
    message = parse_object(payload)
    command_id, result, detail = message.get("command_id"), message.get("result"), message.get("detail", "")
    if not isinstance(command_id, str) or not isinstance(detail, str):
        raise PayloadError("ack: expected command_id and detail as strings")
    if result not in (CommandState.DONE, CommandState.REJECTED):
        raise PayloadError("ack: expected result done or rejected")
    return Acknowledgement(command_id[:64], CommandState(result), detail[:MAX_DETAIL])
