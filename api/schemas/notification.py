"""Subscriptions to notifications as the API takes and gives them."""

from datetime import time
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from api.schemas.fields import Body, Line, Shown, Slug, TimeOut
from core.alert import Severity
from core.notification import DEFAULT_GROUP_S, Language

MAX_TARGET = 2000


def _clock(text: str) -> str:
    time.fromisoformat(text)
    return text


ClockTime = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    AfterValidator(_clock),
    Field(examples=["22:00"]),
]


class SubscriptionBody(Body):
    """Somebody who wants to be told of alerts."""

    name: Annotated[Line, Field(min_length=1)] = Field(examples=["Bauhof Marburg"])
    target: SecretStr | None = Field(
        None,
        min_length=1,
        max_length=MAX_TARGET,
        description="a URL of Apprise (docs/notifications.md); never shown again; missing in a change: as it was",
        examples=["mailtos://user:password@example.org?to=bauhof@example.org"],
    )
    municipality: Slug | None = Field(None, description="only of this one; null: of all")
    min_severity: Severity = Field(Severity.WARNING, strict=False, description="of alerts at least this severe")
    language: Language = Field(Language.GERMAN, strict=False)
    quiet_from: ClockTime | None = Field(None, description="local time from which only critical alerts are told")
    quiet_until: ClockTime | None = Field(None, description="local time until which it is quiet")
    group_s: int = Field(DEFAULT_GROUP_S, ge=0, le=86_400, description="what comes within so long is one message")
    resolved: bool = Field(default=True, description="also tell when an alert is over")
    enabled: bool = True

    @model_validator(mode="after")
    def _both_or_none(self) -> "SubscriptionBody":
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until: expected both or none")
        return self


class SubscriptionShown(Shown):
    """Somebody who is told of alerts, and how that fares; the target stays secret."""

    subscription_id: str
    name: str
    service: str = Field(description="scheme of the target's URL", examples=["mailtos"])
    municipality: str | None
    min_severity: Severity
    language: Language
    quiet_from: str | None
    quiet_until: str | None
    group_s: int
    resolved: bool
    enabled: bool
    created_at: TimeOut
    waiting: int = Field(description="notifications that are not told yet")
    failed: int = Field(description="notifications that were given up, of the last 90 days")
    last_sent_at: TimeOut | None
    last_error: str | None = Field(description="why an attempt failed, the latest of those kept")


class TestResult(Shown):
    """Whether the target took a test message."""

    delivered: bool
    detail: str | None = Field(description="why not")
