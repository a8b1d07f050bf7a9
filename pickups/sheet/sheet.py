"""The sheet that a driver takes along: map and list of each route as PDF, a QR code a stop that opens navigation."""

import re
from collections.abc import Sequence
from typing import Final

from core.notification import Language
from core.pickup import Plan, Route, Stop, StopState
from core.travel import Position
from pickups.sheet.itinerary import Halt, HaltKind, itinerary, knows_roads, line, numbered_routes, time_of_day
from pickups.sheet.map import Box, MapView, Point, detail_of, is_crowded, view_of
from pickups.sheet.page import BLACK, GREY, MARGIN, PALE, SheetPage
from pickups.sheet.texts import WORDS, day_text, duration_text, number

HEADER_MM: Final = 31.0
TABLE_HEAD_MM: Final = 6.0
ROW_MM: Final = 18.0
SHORT_ROW_MM: Final = 7.0
LEAST_MAP_MM: Final = 110.0
LEGEND_MM: Final = 5.0
MOST_UNPLANNED: Final = 40
_WIDTHS: Final = (9.0, 13.0, 56.0, 20.0, 13.0, 37.0, 12.0, 12.0, 18.0)
_QR_COLUMN: Final = 8
_TICK_MM: Final = 6.0
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def plan_sheet(
    plan: Plan,
    *,
    municipality: str,
    language: Language = Language.GERMAN,
    navigation_link: str,
    route_id: str | None = None,
) -> bytes:
    """The sheets of all routes of a plan, or of one, as a PDF of A4 pages; each route begins on a new page.

    `municipality`: its name as people write it. `navigation_link`: what a QR code holds, with `{latitude}` and
    `{longitude}` in degrees. The same plan gives the same sheet.

    Raises:
        NotFoundError: the plan has no such route.
    """
    routes = numbered_routes(plan, route_id)
    words = WORDS[language]
    head = f"{_clean(municipality)} · {day_text(words, plan.date)}"
    page = SheetPage(words)
    page.set_creation_date(plan.finished_at or plan.created_at)
    page.set_title(f"{words.title} {_clean(municipality)} {plan.date.isoformat()}")
    for number_, route in routes:
        name = f"{words.route} {number_} · {_clean(route.vehicle)}"
        _Sheet(page, plan, route, head=head, name=name, link=navigation_link).draw()
    if not routes:
        page.begin_page(head)
    if route_id is None:
        _draw_unplanned(page, plan, head)
    return bytes(page.output())


class _Sheet:
    """One route on its pages."""

    def __init__(self, page: SheetPage, plan: Plan, route: Route, *, head: str, name: str, link: str) -> None:
        self._page = page
        self._words = page.words
        self._plan = plan
        self._route = route
        self._link = link
        self._halts = itinerary(plan, route)
        self._name = name
        self._head = head
        self._width = page.w - 2 * MARGIN
        self._bottom = page.h - MARGIN - LEGEND_MM

    def draw(self) -> None:
        self._page.begin_page(f"{self._head} · {self._name}")
        self._draw_header()
        top = MARGIN + HEADER_MM
        table = TABLE_HEAD_MM + sum(_height(halt) for halt in self._halts)
        room = self._bottom - top - LEGEND_MM
        # A short list goes below its map; a long one leaves the page to the map.
        own_page = room - table < LEAST_MAP_MM
        self._draw_map(Box(MARGIN, top, self._width, room if own_page else room - table - 3))
        if own_page:
            self._next_page()
        else:
            self._draw_table_head(self._bottom - table)
        for halt in self._halts:
            if self._y + _height(halt) > self._bottom:
                self._next_page()
            self._draw_row(halt)

    def _draw_header(self) -> None:
        page, words, route = self._page, self._words, self._route
        page.text_in(Box(MARGIN, MARGIN, self._width, 8), self._head, size=15, bold=True)
        page.text_in(Box(MARGIN, MARGIN + 8, self._width, 6), f"{words.title}: {self._name}", size=11)
        load = f"{number(words, route.load_l)} l"
        weight = sum(stop.weight_kg for stop in route.stops)
        if weight > 0:
            load += f" · {number(words, weight)} kg"
        facts = (
            (words.start, time_of_day(route, 0)),
            (words.back, time_of_day(route, route.duration_s)),
            (words.time_needed, duration_text(words, route.duration_s)),
            (words.distance, f"{number(words, route.distance_m / 1000, 1)} km"),
            (words.stops, number(words, len(route.stops))),
            (words.load, load),
        )
        widths = (23.0, 23.0, 32.0, 28.0, 22.0, self._width - 128.0)
        x = MARGIN
        page.set_fill_color(*PALE)
        page.rect(MARGIN, MARGIN + 16, self._width, 12, style="F")
        for (title, value), width in zip(facts, widths, strict=True):
            page.text_in(Box(x + 1, MARGIN + 16.5, width, 4), title, size=6.5, colour=GREY)
            page.text_in(Box(x + 1, MARGIN + 20.5, width, 7), value, size=10, bold=True)
            x += width

    def _draw_map(self, box: Box) -> None:
        stops = [halt.position for halt in self._halts if halt.kind is HaltKind.STOP]
        places = self._places()
        if not stops and not places:
            self._page.text_in(Box(box.x, box.y, box.width, 8), self._words.no_map, colour=GREY)
            return
        view = view_of(stops, list(places), box)
        detail = None
        if is_crowded(self._numbers(view), box):
            detail = detail_of(stops, view, Box(MARGIN, MARGIN + 8, self._width, self._bottom - MARGIN - 8 - LEGEND_MM))
        self._draw_view(view, view.frame(detail) if detail else None)
        if detail is not None:
            self._begin_page()
            self._draw_view(detail, None)

    def _draw_view(self, view: MapView, detail: Box | None) -> None:
        places = self._places()
        self._page.draw_map(
            view,
            [view.point(position) for position in line(self._plan, self._route)],
            self._numbers(view),
            [(view.point(position), letters) for position, (letters, _) in places.items()],
            detail,
        )
        names = [f"{letters}  {name}" for letters, name in places.values()]
        names.append(self._words.roads if knows_roads(self._plan, self._route) else self._words.straight)
        below = Box(view.box.x, view.box.y + view.box.height + 0.5, view.box.width, LEGEND_MM)
        self._page.text_in(below, "     ".join(names), size=7, colour=GREY)

    def _numbers(self, view: MapView) -> list[tuple[Point, str]]:
        return [(view.point(halt.position), str(halt.stop.sequence)) for halt in self._halts if halt.stop]

    def _places(self) -> dict[Position, tuple[str, str]]:
        """Depot and disposal sites by position, with a letter and a name; what is at one place shares its sign."""
        found: dict[Position, tuple[str, str]] = {}
        letters = {HaltKind.START: self._words.start_letter, HaltKind.UNLOADING: self._words.unloading[0]}
        for halt in self._halts:
            if halt.kind in letters:
                known = found.get(halt.position, ("", ""))
                letter = letters[halt.kind]
                sign = known[0] if letter in known[0] else known[0] + letter
                names = known[1] if halt.name in known[1] else " / ".join(filter(None, (known[1], _clean(halt.name))))
                found[halt.position] = sign, names
        return found

    def _begin_page(self) -> None:
        title = f"{self._head} · {self._name}"
        self._page.begin_page(title)
        self._page.text_in(Box(MARGIN, MARGIN, self._width, 6), title, size=9, bold=True)

    def _next_page(self) -> None:
        self._begin_page()
        self._draw_table_head(MARGIN + 8)

    def _draw_table_head(self, y: float) -> None:
        page, words = self._page, self._words
        page.set_fill_color(*PALE)
        page.rect(MARGIN, y, self._width, TABLE_HEAD_MM, style="F")
        for (x, width), title in zip(_columns(), words.columns, strict=True):
            page.text_in(Box(x, y, width, TABLE_HEAD_MM), title, size=6.5, bold=True)
        self._y = y + TABLE_HEAD_MM
        reasons = ", ".join(f"{letter} = {meaning}" for letter, meaning in words.reasons.values())
        legend = Box(MARGIN, self._bottom + 0.5, self._width, 4)
        page.text_in(legend, f"{words.legend}: {reasons}", size=6.5, colour=GREY)

    def _draw_row(self, halt: Halt) -> None:
        page, height = self._page, _height(halt)
        if halt.stop is None:
            page.set_fill_color(*PALE)
            page.rect(MARGIN, self._y, self._width, height, style="F")
            self._draw_pause(halt)
        else:
            self._draw_stop(halt, halt.stop)
        page.set_draw_color(*GREY)
        page.set_line_width(0.15)
        page.line(MARGIN, self._y + height, MARGIN + self._width, self._y + height)
        self._y += height

    def _draw_pause(self, halt: Halt) -> None:
        page, words = self._page, self._words
        title = {
            HaltKind.START: words.leave,
            HaltKind.UNLOADING: words.unloading,
            HaltKind.BREAK: words.pause,
            HaltKind.END: words.end,
        }[halt.kind]
        text = f"{title}: {_clean(halt.name)}" if halt.name else title
        if halt.duration_s:
            text += f", {duration_text(words, halt.duration_s)}"
        if halt.arrival_s is not None:
            time = time_of_day(self._route, halt.arrival_s)
            page.text_in(Box(_columns()[1][0], self._y, 14, SHORT_ROW_MM), time, bold=True)
        page.text_in(Box(_columns()[2][0], self._y, 150, SHORT_ROW_MM), text)

    def _draw_stop(self, halt: Halt, stop: Stop) -> None:
        page, words = self._page, self._words
        boxes = [Box(x, self._y + 1, width, ROW_MM - 2) for x, width in _columns()]
        level = "" if stop.filling_level is None else f"{round(stop.filling_level * 100)} %"
        kind = words.kinds.get(stop.waste_kind, _clean(stop.waste_kind))
        street, name = _clean(stop.street or ""), _clean(stop.name)
        place = [text for text in (street, name) if text] or [stop.device_id]
        page.lines_in(boxes[0], [(str(stop.sequence), 10, True, BLACK)])
        page.lines_in(boxes[1], [(time_of_day(self._route, stop.arrival_s), 9, True, BLACK)])
        page.lines_in(
            boxes[2],
            [
                (place[0], 8.5, True, BLACK),
                *((text, 7.5, False, BLACK) for text in place[1:]),
                (_clean(stop.device_id), 6.5, False, GREY),
            ],
        )
        page.lines_in(boxes[3], [(kind, 7.5, False, BLACK), (f"{number(words, stop.volume_l)} l", 6.5, False, GREY)])
        page.lines_in(boxes[4], [(level, 9, True, BLACK)])
        page.lines_in(boxes[5], [(_clean(stop.remark or ""), 7, False, BLACK)])
        for box, state in zip(boxes[6:8], (StopState.DONE, StopState.SKIPPED), strict=True):
            x, y = box.x + (box.width - _TICK_MM) / 2, box.y + (box.height - _TICK_MM) / 2
            page.tick_box(x, y, _TICK_MM, ticked=stop.state is state)
        link = self._link.replace("{latitude}", f"{halt.latitude:.5f}").replace("{longitude}", f"{halt.longitude:.5f}")
        qr = _columns()[_QR_COLUMN]
        page.qr_code(qr[0] + 0.5, self._y + 0.5, ROW_MM - 1, link)


def _draw_unplanned(page: SheetPage, plan: Plan, head: str) -> None:
    """At the very end, for the office: due bins that no route has."""
    if not plan.unplanned:
        return
    words = page.words
    page.begin_page(head)
    page.text_in(Box(MARGIN, MARGIN, page.w - 2 * MARGIN, 8), words.unplanned, size=11, bold=True)
    shown: Sequence[str] = plan.unplanned[:MOST_UNPLANNED]
    lines = [f"{bin_}: {plan.unplanned_reasons[bin_]}" if bin_ in plan.unplanned_reasons else bin_ for bin_ in shown]
    if len(plan.unplanned) > len(shown):
        lines.append(words.more.format(len(plan.unplanned) - len(shown)))
    box = Box(MARGIN, MARGIN + 10, page.w - 2 * MARGIN, page.h - 3 * MARGIN)
    page.lines_in(box, [(_clean(text), 8, False, BLACK) for text in lines])


def _height(halt: Halt) -> float:
    return ROW_MM if halt.kind is HaltKind.STOP else SHORT_ROW_MM


def _columns() -> list[tuple[float, float]]:
    """Left edge and width of each column."""
    return [(MARGIN + sum(_WIDTHS[:index]), width) for index, width in enumerate(_WIDTHS)]


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()
