"""What a notification says, in German and English."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from core.alert import AlertState, Severity
from core.notification import Language, Notification

MOST_LISTED: Final = 20
"""A message lists so many alerts by name, first the most severe; the rest are counted."""
MOST_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Message:
    """Title and plain text."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class _Words:
    one: str
    many: str
    critical: str
    begun: str
    ended: str
    more: str
    since: str
    repeated: str
    test_title: str
    test_body: str
    severities: dict[Severity, str]
    time_format: str


_WORDS: Final[dict[Language, _Words]] = {
    Language.ENGLISH: _Words(
        one="1 alert",
        many="{} alerts",
        critical="{} critical",
        begun="Begun",
        ended="Over",
        more="and {} more",
        since="{}",
        repeated="Some of this may have been sent before: the last attempt was interrupted.",
        test_title="Kreispuls: test",
        test_body="This is a test of the subscription {}. Alerts would arrive here.",
        severities={Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "critical"},
        time_format="%Y-%m-%d %H:%M",
    ),
    Language.GERMAN: _Words(
        one="1 Meldung",
        many="{} Meldungen",
        critical="{} kritisch",
        begun="Neu",
        ended="Beendet",
        more="und {} weitere",
        since="{} Uhr",
        repeated="Manches davon kam vielleicht schon an: Der letzte Versuch wurde unterbrochen.",
        test_title="Kreispuls: Test",
        test_body="Dies ist ein Test des Abonnements {}. Meldungen kämen hier an.",
        severities={Severity.INFO: "Hinweis", Severity.WARNING: "Warnung", Severity.CRITICAL: "kritisch"},
        time_format="%d.%m.%Y %H:%M",
    ),
}
_SEVERITIES: Final = list(Severity)


def message(notifications: Sequence[Notification], language: Language, zone: ZoneInfo) -> Message:
    """One message about all of these, at least one, with local times; a line each, the most severe first."""
    words = _WORDS[language]
    count = len(notifications)
    title = f"Kreispuls: {words.one if count == 1 else words.many.format(count)}"
    critical = sum(each.severity is Severity.CRITICAL and each.state is AlertState.FIRING for each in notifications)
    if critical:
        title += f", {words.critical.format(critical)}"
    places = sorted({each.municipality for each in notifications})
    if len(places) == 1:
        title += f" ({places[0]})"
    listed = sorted(
        notifications,
        key=lambda each: (each.state is AlertState.RESOLVED, -_SEVERITIES.index(each.severity), each.at),
    )[:MOST_LISTED]
    parts: list[str] = []
    for state, heading in ((AlertState.FIRING, words.begun), (AlertState.RESOLVED, words.ended)):
        lines = [_line(each, language, words, zone) for each in listed if each.state is state]
        if lines:
            parts.append("\n".join([f"{heading}:", *lines]))
    if count > MOST_LISTED:
        parts.append(f"... {words.more.format(count - MOST_LISTED)}")
    if any(each.interrupted for each in notifications):
        parts.append(words.repeated)
    return Message(title, "\n\n".join(parts))


def trial_message(name: str, language: Language) -> Message:
    """What the test of a subscription says."""
    words = _WORDS[language]
    return Message(words.test_title, words.test_body.format(_one_line(name)))


def _line(notification: Notification, language: Language, words: _Words, zone: ZoneInfo) -> str:
    summary = (notification.summary_de if language is Language.GERMAN else None) or notification.summary
    at = words.since.format(notification.at.astimezone(zone).strftime(words.time_format))
    return f"- {words.severities[notification.severity]}, {notification.municipality}: {_one_line(summary)} ({at})"


def _one_line(text: str) -> str:
    """Names and summaries come from devices and people: no line of theirs looks like one of ours."""
    return " ".join(text.split())[:MOST_CHARACTERS]
