"""Subscriptions to notifications."""

from dataclasses import replace
from datetime import time
from uuid import uuid4

from fastapi import APIRouter, Response

from actions.notifications.deliver import try_out
from actions.notifications.target import check_target
from actions.notifications.target_secrets import target_secrets
from api.dependencies import SettingsDep, StateDep
from api.errors import problems
from api.filters import IdPath, MunicipalityQuery
from api.paging import PagingDep, page_of
from api.schemas.fields import Items
from api.schemas.notification import SubscriptionBody, SubscriptionShown, TestResult
from core.clock import utc_now
from core.errors import InvalidInputError
from core.notification import DeliveryCounts, Subscription
from core.settings import Settings

router = APIRouter(prefix="/v1/notifications/subscriptions", tags=["notifications"])


@router.get("")
def list_subscriptions(
    state: StateDep, paging: PagingDep, municipality: MunicipalityQuery = None
) -> Items[SubscriptionShown]:
    """List who is told of alerts, by name; with `municipality` those of that one and of all."""
    every = state.notifications.subscriptions()
    wanted = [each for each in every if municipality is None or each.municipality in (None, municipality)]
    page, cursor = page_of(wanted, lambda each: each.subscription_id, paging)
    counts = state.notifications.counts()
    return Items(
        items=[_shown(each, counts.get(each.subscription_id, DeliveryCounts())) for each in page], next_cursor=cursor
    )


@router.post("", status_code=201, responses=problems(400, 409, 413))
def add_subscription(body: SubscriptionBody, state: StateDep, settings: SettingsDep) -> SubscriptionShown:
    """Tell somebody of alerts from now on."""
    if body.target is None:
        raise InvalidInputError("target: missing")
    sealed = _sealed(body.target.get_secret_value(), settings)
    subscription = _subscription(
        body, Subscription(subscription_id=str(uuid4()), name="", target=sealed, created_at=utc_now())
    )
    state.notifications.add(subscription)
    return _shown(subscription, DeliveryCounts())


@router.get("/{subscription_id}", responses=problems(404))
def get_subscription(subscription_id: IdPath, state: StateDep) -> SubscriptionShown:
    """Give one subscription."""
    subscription = state.notifications.subscription(subscription_id)
    return _shown(subscription, state.notifications.counts().get(subscription_id, DeliveryCounts()))


@router.put("/{subscription_id}", responses=problems(400, 404, 413))
def change_subscription(
    subscription_id: IdPath, body: SubscriptionBody, state: StateDep, settings: SettingsDep
) -> SubscriptionShown:
    """Change one as a whole; without `target` it keeps its own. What waits goes to the new target."""
    state.notifications.subscription(subscription_id)  # one that is not there matters more than a wrong target
    sealed = None if body.target is None else _sealed(body.target.get_secret_value(), settings)
    changed = state.notifications.change(
        subscription_id, lambda kept: replace(_subscription(body, kept), target=sealed or kept.target)
    )
    return _shown(changed, state.notifications.counts().get(subscription_id, DeliveryCounts()))


@router.delete("/{subscription_id}", status_code=204, responses=problems(404))
def delete_subscription(subscription_id: IdPath, state: StateDep) -> Response:
    """Tell them no more; what waits for them is forgotten."""
    state.notifications.delete(subscription_id)
    return Response(status_code=204)


@router.post("/{subscription_id}/test", responses=problems(404))
def test_subscription(subscription_id: IdPath, state: StateDep, settings: SettingsDep) -> TestResult:
    """Send a test message now and say whether the target took it."""
    error = try_out(state.notifications.subscription(subscription_id), settings)
    return TestResult(delivered=error is None, detail=error)


def _sealed(target: str, settings: Settings) -> str:
    check_target(target, settings.notify_scheme_set)
    return target_secrets(settings).seal(target)


def _subscription(body: SubscriptionBody, of: Subscription) -> Subscription:
    changes = body.model_dump(exclude={"target", "quiet_from", "quiet_until"})
    return replace(of, **changes, quiet_from=_time(body.quiet_from), quiet_until=_time(body.quiet_until))


def _time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)


def _shown(subscription: Subscription, counts: DeliveryCounts) -> SubscriptionShown:
    quiet = (subscription.quiet_from, subscription.quiet_until)
    quiet_from, quiet_until = (None if at is None else at.isoformat("minutes") for at in quiet)
    return SubscriptionShown(
        subscription_id=subscription.subscription_id,
        name=subscription.name,
        service=subscription.service,
        municipality=subscription.municipality,
        min_severity=subscription.min_severity,
        language=subscription.language,
        quiet_from=quiet_from,
        quiet_until=quiet_until,
        group_s=subscription.group_s,
        resolved=subscription.resolved,
        enabled=subscription.enabled,
        created_at=subscription.created_at,
        waiting=counts.waiting,
        failed=counts.failed,
        last_sent_at=counts.last_sent_at,
        last_error=counts.last_error,
    )
