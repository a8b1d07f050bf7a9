"""Whose lights and rules an ingest runs, and who hears whom."""

from ingest.keeping.share import Share, listed_twice, run_elsewhere, share_of
from state.ingests import IngestRow


def row(session: str, *municipalities: str, hears: tuple[str, ...] = ()) -> IngestRow:
    return IngestRow(session, frozenset(municipalities), frozenset(municipalities) | frozenset(hears))


REST = IngestRow("rest", None)
WEST = row("west", "marburg", "kirchhain")
EAST = row("east", "biedenkopf", hears=("kirchhain",))


def test_a_list_is_a_list_whatever_others_have() -> None:
    share = share_of("west", ["marburg", "kirchhain"], [REST, WEST, row("other", "marburg")])
    assert [share.runs(name) for name in ("marburg", "kirchhain", "biedenkopf")] == [True, True, False]


def test_the_rest_is_what_is_on_no_other_list() -> None:
    share = share_of("rest", None, [REST, WEST, EAST])
    assert [share.runs(name) for name in ("marburg", "kirchhain", "biedenkopf", "wetter")] == [
        False,
        False,
        False,
        True,
    ]
    assert share_of("rest", None, []).runs("marburg")


def test_what_cannot_be_used_is_kept_by_who_alone_may_hear_it() -> None:
    rest, west = share_of("rest", None, [REST, WEST]), share_of("west", ["marburg"], [REST, WEST])
    assert [rest.keeps_rejected(name) for name in ("marburg", "wetter", None)] == [False, True, True]
    assert west.keeps_rejected("marburg")
    assert west.keeps_rejected("kirchhain"), "it was on the list, and its messages may wait in this session only"


def test_a_session_may_stop_to_hear_what_another_hears() -> None:
    assert run_elsewhere("west", [WEST, EAST], ["kirchhain", "marburg"]) == {"kirchhain"}
    assert run_elsewhere("west", [WEST], ["kirchhain"]) == frozenset()
    assert run_elsewhere("west", [WEST, REST], ["kirchhain", "marburg"]) == {"kirchhain", "marburg"}
    listed = IngestRow("east", frozenset({"kirchhain"}), frozenset())
    assert run_elsewhere("west", [WEST, listed], ["kirchhain"]) == frozenset(), "on its list, and not subscribed yet"


def test_nobodys_share() -> None:
    assert not Share(frozenset()).runs("marburg")
    assert Share(frozenset()).keeps_rejected("marburg")


def test_who_is_listed_twice_is_named() -> None:
    assert listed_twice([REST, WEST, EAST, row("south", "kirchhain", "wetter")]) == {"kirchhain": ["west", "south"]}
