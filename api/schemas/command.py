"""Commands as the API takes and gives them."""

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.fields import Body, DeviceId, Share, Shown, Slug, TimeOut
from core.command import CommandState, Reason

Duration = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
FadeTime = Annotated[float, Field(ge=0, le=90.5, allow_inf_nan=False)]


class NewCommand(Body):
    """A light command for one lamp."""

    name: Literal["set_light"] = Field(examples=["set_light"])
    dim_level: Share = Field(description="wanted level, share of full light", examples=[0.5])
    duration_s: Duration | None = Field(
        None, description="how long it holds, in seconds; null: until told otherwise", examples=[600]
    )
    fade_s: FadeTime | None = Field(
        None, description="fade time in seconds; missing: as `KREISPULS_PRESENCE_FADE_S` says", examples=[1]
    )


class CommandShown(Shown):
    """A command and what became of it."""

    command_id: str
    device_id: DeviceId
    device_type: str = Field(examples=["streetlight"])
    municipality: Slug
    name: str = Field(examples=["set_light"])
    dim_level: float
    fade_s: float
    hold_s: float | None = Field(description="how long it holds, in seconds; null: until told otherwise")
    reason: Reason
    state: CommandState
    detail: str = Field(description="what the device said about it")
    issued_at: TimeOut
    expires_at: TimeOut
    answered_at: TimeOut | None
