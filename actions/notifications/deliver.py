"""Tells people of alerts: queues what happened, groups it, keeps quiet hours, tries again; nothing is lost."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from actions.notifications import target as notification_target
from actions.notifications.target_secrets import seal_kept_targets, target_secrets
from actions.notifications.text import Message, message, trial_message
from core.alert import Severity
from core.errors import SettingsError
from core.notification import Notification, Subscription
from core.settings import Settings
from state.state import State

FIRST_RETRY: Final = timedelta(minutes=1)
"""Longer than any attempt takes."""
LONGEST_RETRY: Final = timedelta(hours=1)
GIVEN_UP_AFTER: Final = timedelta(days=3)
"""A target that is away over a weekend gets everything; what is older helps nobody."""
KEPT: Final = timedelta(days=90)


def deliver_due(state: State, settings: Settings, clock: Callable[[], datetime]) -> None:
    """Queue what happened to alerts, and tell what is due now; a job for every few seconds, in one process.

    An attempt is noted before it is made and its end after it: what a killed process leaves is told again, and says so
    in its text. A target that does not answer holds this job up for some seconds, and nothing else.

    Raises:
        StorageUnavailableError: the state database does not answer; nothing is lost.
        SettingsError: there is no key to seal targets with that an earlier version has kept as they were.
    """
    now = clock()
    while state.notifications.queue(now):
        pass
    seal_kept_targets(state, settings)
    subscriptions = {each.subscription_id: each for each in state.notifications.subscriptions()}
    for subscription_id, waiting in groupby(state.notifications.waiting(), key=attrgetter("subscription_id")):
        subscription = subscriptions.get(subscription_id)
        if subscription is not None:
            told = to_be_told(subscription, list(waiting), now, settings.zone)
            _deliver(state, settings, subscription, told, clock)
    state.notifications.prune(now - KEPT)


def to_be_told(
    subscription: Subscription, waiting: Sequence[Notification], now: datetime, zone: ZoneInfo
) -> list[Notification]:
    """Which of a subscription's waiting notifications, in order of queueing, are to be told now, in one message.

    None before the first has waited for `group_s`, in quiet hours, or while the target is given time after a failure.
    What is critical and was not tried yet waits for none of these; others that may be told go with it.
    """
    quiet = subscription.is_quiet(now.astimezone(zone))
    allowed = [each for each in waiting if not quiet or each.severity is Severity.CRITICAL]
    if any(each.severity is Severity.CRITICAL and each.attempts == 0 for each in allowed):
        return [each for each in allowed if not each.interrupted or each.next_at <= now]
    if not allowed or any(each.next_at > now for each in allowed):
        return []
    return allowed if now - allowed[0].queued_at >= timedelta(seconds=subscription.group_s) else []


def try_out(subscription: Subscription, settings: Settings) -> str | None:
    """Send a test message now; None: it was taken, else why not."""
    trial = trial_message(subscription.name, subscription.language)
    return _send(subscription, trial, settings)


def retry_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts, at least one: twice as long each time."""
    return min(LONGEST_RETRY, FIRST_RETRY * (1 << min(attempts - 1, 10)))


def _deliver(
    state: State,
    settings: Settings,
    subscription: Subscription,
    told: Sequence[Notification],
    clock: Callable[[], datetime],
) -> None:
    if not told:
        return
    now, attempts = clock(), max(each.attempts for each in told) + 1
    if not state.notifications.begin(told, now + retry_after(attempts)):
        return
    text = message(told, subscription.language, settings.zone)
    error = _send(subscription, text, settings)
    if error is None:
        state.notifications.sent([each.notification_id for each in told], clock())
        return
    old = [each.notification_id for each in told if now - each.queued_at > GIVEN_UP_AFTER]
    state.notifications.not_sent([each.notification_id for each in told if each.notification_id not in old], error)
    state.notifications.not_sent(old, error, given_up_at=now)


def _send(subscription: Subscription, text: Message, settings: Settings) -> str | None:
    try:
        target = target_secrets(settings).open(subscription.target)
    except SettingsError as error:
        return str(error)
    return notification_target.send(target, text, settings.notify_scheme_set)
