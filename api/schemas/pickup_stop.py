"""What drivers say of their stops, as the API takes it."""

from typing import Annotated

from pydantic import Field

from api.schemas.fields import Body, Line, TimeIn
from core.pickup import SkipReason


class StopDone(Body):
    """When a bin was emptied."""

    at: TimeIn | None = Field(None, description="missing: now; on the local day of the plan, not in the future")


class StopSkipped(Body):
    """Why a bin was not emptied."""

    reason: Annotated[SkipReason, Field(strict=False, examples=["blocked"])]
    text: Line = Field("", description="more about it, nothing personal; must be there with `other`")
