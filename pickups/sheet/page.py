"""The paper of a driver's sheet: fonts, text in boxes, QR codes, and the map drawn on it. Millimetres throughout."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from pickups.sheet.map import Box, MapView, Point, arrows, label_size, place_labels, scale_bar, thinned
from pickups.sheet.texts import Words, number

MARGIN: Final = 10.0
FONT: Final = "DejaVu"
BLACK: Final = (0, 0, 0)
GREY: Final = (110, 110, 110)
PALE: Final = (235, 238, 240)
WAY: Final = (38, 92, 158)
PLACE: Final = (176, 58, 46)
WHITE: Final = (255, 255, 255)
DOT_MM: Final = 0.7
_MM_PER_POINT: Final = 25.4 / 72
_ELLIPSIS: Final = "…"
_FONTS: Final = Path(__file__).parent / "fonts"


class SheetPage(FPDF):
    """An A4 document with the fonts and drawings of a sheet; pages are broken by its user.

    The fonts are DejaVu Sans: Latin, Greek and Cyrillic letters.
    """

    def __init__(self, words: Words) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self.words = words
        self._foot = ""
        self.add_font(FONT, "", _FONTS / "DejaVuSans.ttf")
        self.add_font(FONT, "B", _FONTS / "DejaVuSans-Bold.ttf")
        self.set_auto_page_break(auto=False)
        self.set_margin(MARGIN)
        self.c_margin = 0.6
        self.alias_nb_pages("{pages}")

    def begin_page(self, foot: str) -> None:
        """A new page with this at its foot."""
        self.add_page()  # closes the page before with its own foot
        self._foot = foot

    def footer(self) -> None:
        """At the foot of each page: what it belongs to, and which page it is."""
        middle = self.h - MARGIN + 1
        self.text_in(Box(MARGIN, middle, self.w - 2 * MARGIN - 40, 4), self._foot, size=7, colour=GREY)
        self.set_xy(self.w - MARGIN - 26, middle)
        self.cell(26, 4, self.words.page.format(self.page_no(), "{pages}"))  # the total is filled in at the end

    def text_in(
        self,
        box: Box,
        text: str,
        *,
        size: float = 8,
        bold: bool = False,
        colour: tuple[int, int, int] = BLACK,
        align: str = "L",
    ) -> None:
        """One line of text in the middle of a box's height, cut to its width."""
        self.set_font(FONT, "B" if bold else "", size)
        self.set_text_color(*colour)
        self.set_xy(box.x, box.y)
        self.cell(box.width, box.height, self._cut(text, box.width - 2 * self.c_margin), align=align)

    def lines_in(self, box: Box, paragraphs: Sequence[tuple[str, float, bool, tuple[int, int, int]]]) -> None:
        """Paragraphs of (text, size, bold, colour) one below the other; lines that find no room are left out."""
        y = box.y
        for text, size, bold, colour in paragraphs:
            self.set_font(FONT, "B" if bold else "", size)
            self.set_text_color(*colour)
            height = size * _MM_PER_POINT * 1.18
            self.set_xy(box.x, y)
            lines = self._wrapped(text, box.width)
            room = int((box.y + box.height - y) / height)
            if len(lines) > room > 0:
                lines = [*lines[: room - 1], lines[room - 1] + _ELLIPSIS]
            for line in lines[:room]:
                self.set_xy(box.x, y)
                self.cell(box.width, height, self._cut(line, box.width - 2 * self.c_margin))
                y += height

    def qr_code(self, x: float, y: float, side: float, content: str) -> None:
        """A QR code with its quiet zone in a square; the largest error correction that its size leaves room for."""
        picture = io.BytesIO()
        segno.make_qr(content, error="l").save(picture, kind="png", scale=4, border=4)
        picture.seek(0)
        self.image(picture, x=x, y=y, w=side, h=side)

    def tick_box(self, x: float, y: float, side: float, *, ticked: bool = False) -> None:
        """A square to tick."""
        self.set_draw_color(*BLACK)
        self.set_line_width(0.3)
        self.rect(x, y, side, side)
        if ticked:
            self.set_line_width(0.5)
            self.polyline([(x + side * 0.15, y + side * 0.55), (x + side * 0.4, y + side * 0.85), (x + side * 0.9, y)])

    def draw_map(
        self,
        view: MapView,
        way: Sequence[Point],
        stops: Sequence[tuple[Point, str]],
        places: Sequence[tuple[Point, str]],
        detail: Box | None = None,
    ) -> None:
        """A route's line, its stops with their numbers, places with their letters, scale and north.

        Stops inside `detail` have no number: another map shows them.
        """
        box = view.box
        self.set_fill_color(252, 252, 250)
        self.set_draw_color(*GREY)
        self.set_line_width(0.2)
        self.rect(box.x, box.y, box.width, box.height, style="DF")
        with self.rect_clip(box.x, box.y, box.width, box.height):
            self._draw_way(thinned(way))
        scale = Box(box.x, box.y + box.height - 9, 52, 9)
        signs = [(self._sign_at(view, point, scale), letter) for point, letter in places]
        taken = [Box(x - 2.4, y - 2.4, 4.8, 4.8) for (x, y), _ in signs]
        taken += [scale, Box(box.x + box.width - 10, box.y, 10, 13)]
        here = [(point, text) for point, text in stops if box.holds(point)]
        numbered = [(point, text) for point, text in here if detail is None or not detail.holds(point)]
        self.set_fill_color(*BLACK)
        for (x, y), _ in here:
            self.circle(x, y, DOT_MM, style="F")
        if detail is not None:
            self.set_draw_color(*PLACE)
            self.set_line_width(0.4)
            self.rect(detail.x, detail.y, detail.width, detail.height)
            self.text_in(Box(detail.x, detail.y - 4, 40, 4), self.words.detail, size=7, colour=PLACE)
            taken.append(detail)
        self._draw_numbers(numbered, box, taken)
        self.set_draw_color(*PLACE)
        self.set_line_width(0.4)
        for ((x, y), letter), (point, _) in zip(signs, places, strict=True):
            is_here = (x, y) == point  # one beyond the edge is hollow
            self.set_fill_color(*(PLACE if is_here else WHITE))
            self.rect(x - 2.2, y - 2.2, 4.4, 4.4, style="DF")
            colour = WHITE if is_here else PLACE
            self.text_in(Box(x - 2.6, y - 2.2, 5.2, 4.4), letter, size=7, bold=True, colour=colour, align="C")
        self._draw_scale(view)
        self._draw_north(box)

    def _draw_way(self, way: Sequence[Point]) -> None:
        if len(way) > 1:
            self.set_draw_color(*WAY)
            self.set_line_width(0.6)
            self.polyline(list(way))
        self.set_fill_color(*WAY)
        for (x, y), turn in arrows(way):
            corners = ((1.6, 0.0), (-1.1, 1.1), (-1.1, -1.1))
            cos, sin = math.cos(turn), math.sin(turn)
            self.polygon([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in corners], style="F")

    def _draw_numbers(self, stops: Sequence[tuple[Point, str]], box: Box, taken: Sequence[Box]) -> None:
        sizes = [label_size(text) for _, text in stops]
        labels = place_labels([point for point, _ in stops], sizes, box, taken)
        self.set_draw_color(*GREY)
        self.set_line_width(0.15)
        for (point, _), label in zip(stops, labels, strict=True):
            if label is not None:
                self.line(*point, *label)
        self.set_fill_color(*WHITE)
        self.set_draw_color(*BLACK)
        self.set_line_width(0.25)
        for (_, text), (width, height), label in zip(stops, sizes, labels, strict=True):
            if label is not None:
                x, y = label[0] - width / 2, label[1] - height / 2
                self.rect(x, y, width, height, style="DF", round_corners=True, corner_radius=height / 2)
                self.text_in(Box(x - 1, y, width + 2, height), text, size=6.5, bold=True, align="C")

    @staticmethod
    def _sign_at(view: MapView, point: Point, scale: Box) -> Point:
        if view.box.holds(point, 2.5):
            return point
        x, y = view.at_edge(point, 3)
        return (x, scale.y - 3) if scale.holds((x, y)) else (x, y)

    def _draw_scale(self, view: MapView) -> None:
        metres = scale_bar(view)
        length = metres / view.m_per_mm
        x, y = view.box.x + 3, view.box.y + view.box.height - 3
        self.set_draw_color(*BLACK)
        self.set_line_width(0.4)
        self.polyline([(x, y - 1.5), (x, y), (x + length, y), (x + length, y - 1.5)])
        text = f"{number(self.words, metres / 1000)} km" if metres >= 1000 else f"{metres} m"  # noqa: PLR2004
        self.text_in(Box(x, y - 5, length, 4), text, size=7, align="C")

    def _draw_north(self, box: Box) -> None:
        x, y = box.x + box.width - 5, box.y + 2
        self.set_fill_color(*BLACK)
        self.polygon([(x, y), (x - 1.8, y + 6), (x, y + 4.6), (x + 1.8, y + 6)], style="F")
        self.text_in(Box(x - 3, y + 6, 6, 4), self.words.north, size=7, bold=True, align="C")

    def _wrapped(self, text: str, width: float) -> list[str]:
        lines = self.multi_cell(width, text=text, dry_run=True, output=MethodReturnValue.LINES, align="L")
        return lines if isinstance(lines, list) else []

    def _cut(self, text: str, width: float) -> str:
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(text + _ELLIPSIS) > width:
            text = text[:-1]
        return text + _ELLIPSIS
