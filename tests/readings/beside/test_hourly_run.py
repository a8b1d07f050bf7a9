"""Making hourly totals anew: which spans are asked for, and what becomes of the values in them."""

import pytest

from core.errors import StorageError
from readings.beside.hourly_run import Run
from readings.contract import HOUR_US
from readings.influx.answers import hours


def spans(*marks: tuple[str, int]) -> list[tuple[float, float, list[str]]]:
    found = Run("streetlight", dict.fromkeys(marks, 0)).spans()
    return [(start / HOUR_US, end / HOUR_US, list(towns)) for start, end, towns in found]


def test_hours_of_the_same_municipalities_are_one_span() -> None:
    assert spans(("zoo", 7), ("marburg", 8), ("marburg", 7), ("zoo", 8)) == [(7, 9, ["marburg", "zoo"])]
    assert spans(("marburg", -1), ("marburg", 0), ("zoo", 1), ("zoo", 3)) == [
        (-1, 1, ["marburg"]),
        (1, 2, ["zoo"]),
        (3, 4, ["zoo"]),
    ]


ANSWER = """,result,table,_field,_time,_value,municipality
,0,0,dim_level,1970-01-01T01:00:00Z,0.5,marburg
,0,0,dim_level,1970-01-01T01:59:59.999999Z,0.25,marburg
,0,0,dim_level,1970-01-01T02:00:00Z,1,marburg
,0,0,dim_level,1969-12-31T23:30:00Z,0.75,marburg

,result,table,_field,_time,_value,municipality
,0,0,presence,1970-01-01T01:00:00Z,true,zoo
,0,0,presence,1970-01-01T01:00:01Z,false,zoo
,0,0,power_state,1970-01-01T01:00:00Z,on,zoo
"""


def test_every_value_counts_in_its_hour() -> None:
    """Booleans are 0 or 1; what is no number is only counted."""
    assert hours(ANSWER) == (
        {
            ("marburg", 1, "dim_level"): (2, 0.75, 0.25, 0.5),
            ("marburg", 2, "dim_level"): (1, 1.0, 1.0, 1.0),
            ("marburg", -1, "dim_level"): (1, 0.75, 0.75, 0.75),
            ("zoo", 1, "presence"): (2, 1.0, 0.0, 1.0),
            ("zoo", 1, "power_state"): (1, None, None, None),
        },
        7,
    )


def test_a_value_that_others_wrote_with_another_type_is_an_error() -> None:
    with pytest.raises(StorageError, match="dim_level"):
        hours(ANSWER.replace("0.25", "text"))
