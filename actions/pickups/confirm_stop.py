"""What drivers say of their stops: the bin was emptied, or why not. Who said it is not kept."""

from datetime import datetime
from zoneinfo import ZoneInfo

from core.clock import LARGEST_LEAD
from core.errors import InvalidInputError
from core.pickup import SkipReason, Stop
from state.state import State


def confirm_stop(state: State, stop_id: str, *, now: datetime, zone: ZoneInfo, at: datetime | None = None) -> Stop:
    """Confirm that a bin was emptied, now or earlier on the day of its plan; again: the first confirmation stays.

    Raises:
        NotFoundError: there is no such stop.
        InvalidInputError: `at` lies in the future or on another local day than the plan.
    """
    if at is not None:
        if at > now + LARGEST_LEAD:
            raise InvalidInputError("at: lies in the future")
        day = state.pickups.day_of_stop(stop_id)
        if at.astimezone(zone).date() != day:
            raise InvalidInputError(f"at: is not on {day.isoformat()}, the day of the stop's plan")
    return state.pickups.stop_done(stop_id, min(at or now, now))


def skip_stop(state: State, stop_id: str, reason: SkipReason, text: str = "") -> Stop:
    """Keep why a bin was not emptied: it stays due and is planned again. A stop that is done stays done.

    Raises:
        NotFoundError: there is no such stop.
        InvalidInputError: the reason is OTHER and there is no text.
    """
    text = " ".join(text.split())
    if reason is SkipReason.OTHER and not text:
        raise InvalidInputError("text: is missing, the reason is other")
    return state.pickups.stop_skipped(stop_id, f"{reason.value}: {text}" if text else reason.value)
