"""An ingest's list counts for others when the broker has granted it, and what is off the list is left when heard."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.settings import Settings
from core.topics import Topics
from ingest.keeping.listing import NOBODYS, Listing
from ingest.pipe import Unsubscribe
from state.ingests import IngestRow, Ingests
from state.state import State, open_state

Make = Callable[[str], tuple[Listing, list[Unsubscribe]]]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(open_state(f"sqlite:///{tmp_path / 'state.db'}")) as opened:
        yield opened


@pytest.fixture
def ingests(state: State) -> Ingests:
    return state.ingests


@pytest.fixture
def make(ingests: Ingests) -> Make:
    def made(municipalities: str) -> tuple[Listing, list[Unsubscribe]]:
        said: list[Unsubscribe] = []
        settings = Settings(_env_file=None, municipalities=municipalities)
        return Listing(settings, ingests, Topics("k"), said.append, drains=False), said

    return made


def names(*municipalities: str) -> frozenset[str]:
    return frozenset(municipalities)


def test_the_list_is_noted_when_the_broker_has_granted_it(make: Make, ingests: Ingests) -> None:
    listing, _ = make("marburg,kirchhain")
    assert listing.share().runs("marburg")
    assert listing.filters() == ["k/kirchhain/+/+/event/#", "k/marburg/+/+/event/#"]
    assert ingests.all() == []
    assert listing.unsettled
    listing.subscribed()
    listing.share()
    both = names("marburg", "kirchhain")
    assert ingests.all() == [IngestRow("kreispuls-ingest-marburg", both, both)]
    assert not listing.unsettled


def test_everything_is_heard_by_who_has_no_list(make: Make, ingests: Ingests) -> None:
    listing, _ = make("*")
    listing.share()
    assert "k/+/+/+/event/#" in listing.filters()
    listing.subscribed()
    listing.share()
    assert ingests.all() == [IngestRow("kreispuls-ingest", None, names())]
    assert not listing.unsettled


def test_what_is_off_the_list_is_left_when_another_hears_it(make: Make, ingests: Ingests) -> None:
    ingests.put(IngestRow("kreispuls-ingest-marburg", names("marburg", "kirchhain"), names("marburg", "kirchhain")))
    listing, said = make("marburg")
    assert not listing.share().runs("kirchhain")
    assert listing.filters() == ["k/kirchhain/+/+/event/#", "k/marburg/+/+/event/#"], "its messages may wait there"
    listing.subscribed()
    listing.share()
    assert said == [], "nobody else hears it"
    assert ingests.all()[0].municipalities == names("marburg")
    ingests.put(IngestRow("east", names("kirchhain"), names("kirchhain")))
    assert listing.unsettled
    listing.share()
    listing.share()
    assert said == [Unsubscribe(names("kirchhain"))] * 2, "said again until it is done"
    listing.unsubscribed(names("kirchhain"))
    listing.share()
    assert not listing.unsettled
    assert ingests.all()[1] == IngestRow("kreispuls-ingest-marburg", names("marburg"), names("marburg"))


def test_a_session_that_is_drained_is_on_no_list(ingests: Ingests) -> None:
    settings = Settings(_env_file=None, mqtt_client_id="old")
    listing = Listing(settings, ingests, Topics("k"), lambda _: None, drains=True)
    assert listing.share() == NOBODYS
    assert listing.filters() == []
    listing.subscribed()
    assert not listing.unsettled
    assert ingests.all() == []


def test_a_change_of_lists_is_one_of_the_registry(state: State) -> None:
    before = state.devices.revision()
    state.ingests.put(IngestRow("east", names("kirchhain")))
    state.ingests.remove("east")
    assert state.devices.revision() == before + 2
    assert state.ingests.all() == []
