"""The printed sheet, read back as a person and a phone would: text and QR codes from the rendered pages."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from core.errors import NotFoundError
from core.notification import Language
from core.pickup import Plan, StopState
from core.settings import Settings
from pickups.sheet.sheet import plan_sheet as sheet_with_link

LINK = str(Settings.model_fields["navigation_link"].default)


def plan_sheet(plan: Plan, *, navigation_link: str = LINK, **options: Any) -> bytes:
    return sheet_with_link(plan, navigation_link=navigation_link, **options)


def texts(sheet: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(sheet)
    return [re.sub(r" +", " ", page.get_textpage().get_text_range().replace("\r\n", "\n")) for page in document]


def codes(sheet: bytes, page: int) -> list[str]:
    """What a scanner reads from a page printed at 150 dots an inch, from top to bottom."""
    picture = pypdfium2.PdfDocument(sheet)[page].render(scale=150 / 72).to_pil()
    found = zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return [code.text for code in sorted(found, key=lambda code: code.position.top_left.y)]


def test_everything_a_driver_needs_is_on_one_page(driven_plan: Callable[..., Plan]) -> None:
    (text,) = texts(plan_sheet(driven_plan(), municipality="Marburg"))
    for part in (
        "Marburg · Mittwoch, 06.05.2026",
        "Tourenblatt: Tour 1 · Müllwagen",
        "2 h 30 min",
        "12,3 km",
        "720 l",
        "06:15",
        "Köhlersgrund 7",
        "Platz 1",
        "bin-1",
        "Restmüll",
        "90 %",
        "Schlüssel beim",
        "A Bauhof E Deponie Straßen: © OpenStreetMap-Mitwirkende",
        "Seite 1 von 1",
    ):
        assert part in text, part
    order = ["Abfahrt: Bauhof", "Platz 1", "Pause, 30 min", "Platz 2", "Entladen: Deponie, 15 min", "Platz 3", "Ende:"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_a_code_opens_navigation_to_its_stop(driven_plan: Callable[..., Plan]) -> None:
    sheet = plan_sheet(driven_plan(), municipality="Marburg")
    start = "https://www.google.com/maps/dir/?api=1&destination="
    assert codes(sheet, 0) == [f"{start}50.81000,8.71000", f"{start}50.82000,8.72000", f"{start}50.83000,8.73000"]
    sheet = plan_sheet(driven_plan(), municipality="Marburg", navigation_link="geo:{latitude},{longitude}")
    assert codes(sheet, 0)[0] == "geo:50.81000,8.71000"


def test_in_english(driven_plan: Callable[..., Plan]) -> None:
    (text,) = texts(plan_sheet(driven_plan(), municipality="Marburg", language=Language.ENGLISH))
    for part in ("Marburg · Wednesday, 2026-05-06", "12.3 km", "Break, 30 min", "Unloading: Deponie", "Page 1 of 1"):
        assert part in text


def test_every_stop_of_a_long_route_is_printed_once(driven_plan: Callable[..., Plan]) -> None:
    """No row is lost, printed twice or cut where pages break; each has its own code."""
    sheet = plan_sheet(driven_plan(stops=40), municipality="Marburg")
    pages = texts(sheet)
    rows = [line for page in pages for line in page.split("\n") if line.startswith("bin-")]
    assert rows == [f"bin-{number}" for number in range(1, 41)]
    assert f"Seite {len(pages)} von {len(pages)}" in pages[-1]
    links = [code for page in range(len(pages)) for code in codes(sheet, page)]
    assert [link.partition("=1&destination=")[2].split(",")[0] for link in links] == [
        f"{50.80 + number / 100:.5f}" for number in range(1, 41)
    ]


def test_letters_beyond_latin_1_and_control_characters(driven_plan: Callable[..., Plan]) -> None:
    named = driven_plan()
    stop = replace(named.routes[0].stops[0], street="Łódź-Straße Ž\x00\x1b", remark="ß" * 300, name="Ω\nκ")
    named = replace(named, routes=(replace(named.routes[0], stops=(stop,)),))
    (text,) = texts(plan_sheet(named, municipality="Marburg"))
    assert "Łódź-Straße Ž" in text
    assert "Ω κ" in text
    assert "…" in text  # what finds no room is cut, visibly


def test_routes_begin_on_pages_of_their_own_and_one_can_be_asked_for(driven_plan: Callable[..., Plan]) -> None:
    plan = driven_plan()
    second = replace(plan.routes[0], route_id="r2", vehicle="Transporter")
    plan = replace(plan, routes=(*plan.routes, second), unplanned=("bin-77",), unplanned_reasons={"bin-77": "no road"})
    pages = texts(plan_sheet(plan, municipality="Marburg"))
    assert ["Tour 1" in page for page in pages] == [True, False, False]
    assert ["Tour 2 · Transporter" in page for page in pages] == [False, True, False]
    assert "bin-77: no road" in pages[2]
    (alone,) = texts(plan_sheet(plan, municipality="Marburg", route_id="r2"))
    assert "Tour 2 · Transporter" in alone
    with pytest.raises(NotFoundError, match="no route 'r9'"):
        plan_sheet(plan, municipality="Marburg", route_id="r9")


@pytest.mark.parametrize("change", [{"routes": ()}, {"depot_latitude": None}, {"disposal_latitude": None}])
def test_a_plan_that_knows_little_still_prints(driven_plan: Callable[..., Plan], change: dict[str, object]) -> None:
    assert texts(plan_sheet(driven_plan(**change), municipality="Marburg"))
    plan = driven_plan(**change)
    bare = tuple(replace(route, legs=(), pauses=(), stops=()) for route in plan.routes)
    assert texts(plan_sheet(replace(plan, routes=bare), municipality="Marburg"))


def test_what_is_done_already_is_ticked(driven_plan: Callable[..., Plan]) -> None:
    """A sheet printed again at noon shows what is left: the tick is drawn in the done column of its row."""
    plan = driven_plan()
    done = replace(plan.routes[0].stops[0], state=StopState.DONE)
    ticked = replace(plan, routes=(replace(plan.routes[0], stops=(done, *plan.routes[0].stops[1:])),))
    before, after = (
        pypdfium2.PdfDocument(plan_sheet(each, municipality="Marburg"))[0].render(scale=2).to_pil()
        for each in (plan, ticked)
    )
    changed = [
        (x, y)
        for x in range(0, before.width, 2)
        for y in range(0, before.height, 2)
        if before.getpixel((x, y)) != after.getpixel((x, y))
    ]
    assert changed
    points_of_mm = 72 / 25.4 * 2
    left, right = (edge * points_of_mm for edge in (10 + 148, 10 + 160))
    assert all(left < x < right for x, _ in changed)
