"""What drivers say of their stops: emptied, or why not."""

from typing import Annotated

from fastapi import APIRouter, Body

from actions.pickups.confirm_stop import confirm_stop, skip_stop
from api.dependencies import SettingsDep, StateDep
from api.errors import problems
from api.filters import IdPath
from api.schemas.pickup import StopShown
from api.schemas.pickup_stop import StopDone, StopSkipped
from core.clock import utc_now

router = APIRouter(prefix="/v1/pickups/stops", tags=["pickups"])


@router.post("/{stop_id}/done", responses=problems(400, 404, 413))
def set_stop_done(
    stop_id: IdPath, state: StateDep, settings: SettingsDep, done: Annotated[StopDone | None, Body()] = None
) -> StopShown:
    """Confirm as the driver that a bin was emptied; again: the first time stays.

    Without a body: now. A driver who was offline says when, on the day of the plan.
    """
    at = done.at if done is not None else None
    return StopShown.model_validate(confirm_stop(state, stop_id, now=utc_now(), zone=settings.zone, at=at))


@router.post("/{stop_id}/skipped", responses=problems(400, 404, 413))
def set_stop_skipped(stop_id: IdPath, skipped: StopSkipped, state: StateDep) -> StopShown:
    """Say as the driver why a bin was not emptied; it stays due and is planned again.

    Again: the last reason counts. A stop that is done stays done. Write nothing personal into the text.
    """
    return StopShown.model_validate(skip_stop(state, stop_id, skipped.reason, skipped.text))
