"""The printable sheet of a plan, with what the registry adds to it."""

from core.notification import Language
from core.pickup import Plan
from core.settings import Settings
from state.state import State


def pickup_sheet(
    state: State, plan: Plan, settings: Settings, *, language: Language, route_id: str | None = None
) -> bytes:
    """The sheets of a finished plan's routes, or of one, as PDF; long routes take some seconds.

    Raises:
        NotFoundError: the plan has no such route.
        StorageError: the registry does not answer.
    """
    from pickups.sheet.sheet import plan_sheet  # noqa: PLC0415 - loading the PDF library takes half a second

    known = [state.municipalities.find(slug) for slug in plan.municipalities or (plan.municipality,)]
    names = [place.name or place.municipality for place in known if place is not None]
    return plan_sheet(
        plan,
        municipality=", ".join(names) or plan.municipality,
        language=language,
        navigation_link=settings.navigation_link,
        route_id=route_id,
    )
