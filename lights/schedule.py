"""Schedules: which level a lamp's profile gives at an instant, and until when."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from core.device import Attribute
from lights.calendar import Calendar
from lights.lighting_class import permitted_level
from lights.profile import LightingProfile, NightPlan, Step, SunTime
from lights.sun import Missing, SunEvent, SunNight, sun_night

_DAY: Final = timedelta(days=1)
_NOON: Final = time(12)
_NO_ATTRIBUTES: Final[Mapping[str, Attribute]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ScheduledLevel:
    """The level (0-1) that the schedule gives from `since` until just before `until`; instants in UTC.

    `lit`: the schedule wants light, though it may be 0 by a step that switches off; False: off because it is day.
    """

    dim_level: float
    fade_s: float
    since: datetime
    until: datetime
    lit: bool = True


@dataclass(frozen=True, slots=True)
class _PlacedStep:
    """A step of one night; `local` is the local time it names, which orders steps that take place at one instant."""

    at: datetime
    local: datetime
    step: Step


class Schedule:
    """The schedule of all lamps of one profile at one place; share it: what it knows of a night is kept.

    A night lasts from the solar noon of the date on which it begins to the next. The light is on from the profile's
    `on` to its `off`; steps before `on` have passed by then, steps after `off` are not reached, unless they are
    `by_day`. Where the sun never comes down to `on`, the light stays off; where it never comes up to `off`, the light
    stays on, and so it does all day without position (the sun is unknown then), following the steps at local times.
    """

    def __init__(
        self,
        profile: LightingProfile,
        calendar: Calendar,
        latitude: float | None,
        longitude: float | None,
        zone: ZoneInfo,
    ) -> None:
        """Position in degrees WGS 84, None where it is not known; zone of the profile's local times."""
        self.profile = profile
        self.calendar = calendar
        self.zone = zone
        self._position = None if latitude is None or longitude is None else (latitude, longitude)
        self._alone = lru_cache(maxsize=8)(self._levels_alone)
        self._known: tuple[list[datetime], tuple[ScheduledLevel, ...]] = ([], ())

    def at(self, now: datetime) -> ScheduledLevel:
        """What the schedule gives at an aware instant; `until` is when it changes next.

        Raises:
            ValueError: the instant has no zone.
        """
        if now.tzinfo is None:
            raise ValueError("an instant without time zone has no place in a schedule")
        since, levels = self._known  # one value, so that several threads may ask
        if not levels or not since[0] <= now < levels[-1].until:
            levels = self._joined(self.night_at(now))
            since = [level.since for level in levels]
            self._known = since, levels
        return levels[bisect_right(since, now) - 1]

    def night_at(self, now: datetime) -> date:
        """The date to which an aware instant's night belongs: that of the solar noon before it."""
        night = now.astimezone(self.zone).date()
        while now < self._span(night)[0]:
            night -= _DAY
        while now >= self._span(night)[1]:
            night += _DAY
        return night

    def night(self, night: date) -> tuple[ScheduledLevel, ...]:
        """The levels of the night that begins on a date, in order and without gap, from solar noon to solar noon."""
        return self._alone(night)

    def sun(self, night: date) -> SunNight | None:
        """The sun of the night that begins on a date; None: the place is not known."""
        return None if self._position is None else sun_night(night, *self._position)

    def _joined(self, night: date) -> tuple[ScheduledLevel, ...]:
        """The same, the first and last one as long as they really are: a solar noon changes nothing by itself."""
        levels = list(self._alone(night))
        before, after = self._alone(night - _DAY), self._alone(night + _DAY)
        if _continues(before, tuple(levels)):
            levels[0] = replace(before[-1], until=levels[0].until)
        if _continues(tuple(levels), after):
            levels[-1] = replace(levels[-1], until=after[0].until)
        return tuple(levels)

    def _levels_alone(self, night: date) -> tuple[ScheduledLevel, ...]:
        begins, ends = self._span(night)
        plan = self.profile.nights[self.calendar.kind(night)]
        steps = self._placed(night, plan)
        before = self._placed(night - _DAY, self.profile.nights[self.calendar.kind(night - _DAY)])
        held = before[-1].step if before and before[-1].step.by_day else None
        dark = self._dark(night)
        changes = sorted({begins, *(step.at for step in steps), *(at for at in dark if begins < at < ends)})
        levels: list[ScheduledLevel] = []
        for since, until in zip(changes, [*changes[1:], ends], strict=True):
            reached = [placed for placed in steps if placed.at <= since]
            step = reached[-1].step if reached else held
            fade_s = reached[-1].step.fade_s if reached and reached[-1].at == since else plan.fade_s
            if step is not None and step.by_day:
                level, lit = step.dim_level, True
            elif dark[0] <= since < dark[1]:
                level, lit = reached[-1].step.dim_level if reached else plan.dim_level, True
            else:
                level, lit = 0.0, False
            if levels and (levels[-1].dim_level, levels[-1].lit) == (level, lit):
                levels[-1] = replace(levels[-1], until=until)
            else:
                levels.append(ScheduledLevel(level, fade_s, since, until, lit))
        return tuple(levels)

    def _span(self, night: date) -> tuple[datetime, datetime]:
        sun = self.sun(night)
        if sun is not None:
            return sun.begins, sun.ends
        noons = (datetime.combine(day, _NOON, self.zone).astimezone(UTC) for day in (night, night + _DAY))
        return next(noons), next(noons)

    def _dark(self, night: date) -> tuple[datetime, datetime]:
        """From when until when there is light; both the same: not at all."""
        begins, ends = self._span(night)
        sun = self.sun(night)
        if sun is None:
            return begins, ends
        on, off = (sun.event(edge.event) for edge in (self.profile.on, self.profile.off))
        if on is Missing.ABOVE:
            return begins, begins
        if off is Missing.ABOVE:  # the sun sets, but it never gets darker than `off` asks for: until it has risen
            off = sun.event(SunEvent.SUNRISE)
        start = begins if isinstance(on, Missing) else on + timedelta(minutes=self.profile.on.offset_min)
        end = ends if isinstance(off, Missing) else off + timedelta(minutes=self.profile.off.offset_min)
        return max(start, begins), min(end, ends)

    def _placed(self, night: date, plan: NightPlan) -> list[_PlacedStep]:
        """The steps that take place in a night, in order; those relative to an event that is missing do not."""
        placed = [place for step in plan.steps for place in self._places(night, step)]
        return sorted(placed, key=lambda place: (place.at, place.local))

    def _places(self, night: date, step: Step) -> Iterator[_PlacedStep]:
        begins, ends = self._span(night)
        if isinstance(step.at, SunTime):
            sun = self.sun(night)
            event = None if sun is None else sun.event(step.at.event)
            if isinstance(event, datetime):
                at = event + timedelta(minutes=step.at.offset_min)
                if begins <= at < ends:
                    yield _PlacedStep(at, at.astimezone(self.zone).replace(tzinfo=None), step)
            return
        for day in (night, night + _DAY):
            at = instant_of(day, step.at, self.zone)
            if begins <= at < ends:
                yield _PlacedStep(at, datetime.combine(day, step.at), step)


def _continues(night: tuple[ScheduledLevel, ...], following: tuple[ScheduledLevel, ...]) -> bool:
    """Whether what a night ends with goes on in the following one.

    Levels that last from noon to noon stay apart: a polar night would join to one level of weeks.
    """
    if len(night) == 1 or len(following) == 1:
        return False
    last, first = night[-1], following[0]
    return (last.dim_level, last.lit) == (first.dim_level, first.lit)


def instant_of(day: date, local: time, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, of a local time: the first of two, and the first that exists after one that is left out."""
    named = datetime.combine(day, local, zone)
    first, second = (named.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) == named.replace(tzinfo=None):
        return first
    low, high = int(second.timestamp()), int(first.timestamp())  # the clocks are put forward between these
    after = datetime.fromtimestamp(high, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        is_after = datetime.fromtimestamp(middle, zone).utcoffset() == after
        low, high = (low, middle) if is_after else (middle, high)
    return datetime.fromtimestamp(high, UTC)


def profile_settings(
    schedule: Schedule, night: date, attributes: Mapping[str, Attribute] = _NO_ATTRIBUTES
) -> list[tuple[datetime, float]]:
    """What a lamp that follows profiles is to be told for the night that begins on a date: from when, which level.

    From solar noon to solar noon, instants in UTC, ascending, at most three more than the night has steps; what lasts
    from the first noon is told too. Levels are those that a lamp of these attributes may show.
    """
    settings: list[tuple[datetime, float]] = []
    for level in schedule.night(night):
        shown = permitted_level(attributes, level.dim_level, dark=level.lit)
        if not settings or settings[-1][1] != shown:
            settings.append((level.since, shown))
    return settings
