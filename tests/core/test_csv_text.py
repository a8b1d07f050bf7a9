import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.csv_text import unguard, write_csv


def test_cells_are_written_as_what_they_are() -> None:
    text = write_csv(
        ("name", "level", "full", "note"), [("Köhlersgrund, links", -0.5, True, None), ('"A"', 3, False, "")]
    )
    assert text == 'name,level,full,note\r\n"Köhlersgrund, links",-0.5,true,\r\n"""A""",3,false,\r\n'


@pytest.mark.parametrize("text", ["=1+1", "+49 6421", "-3", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_execute_is_guarded(text: str) -> None:
    (row,) = csv.reader(io.StringIO(write_csv((text,), []), newline=""))
    assert row == [f"'{text}"]


@given(st.text())
def test_unguard_gives_back_what_was_written(text: str) -> None:
    rows = list(csv.reader(io.StringIO(write_csv(("a", "b"), [(text, "x")]), newline="")))
    assert unguard(rows[1][0]) == text
