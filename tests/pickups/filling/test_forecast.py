"""Learning how places fill, and forecasting from it; expected values follow from how the histories are made."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pickups.filling.emptying import Levels
from pickups.filling.forecast import LEARNED, OF_KIND, STUCK, Learned, PlaceModel, learn, predict
from pickups.filling.inflow_ahead import NewestLevel
from pickups.filling.observed_levels import CELLS, observed_levels
from pickups.filling.place_model import model_from_json, model_to_json

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
STEP = timedelta(hours=6)


def history(
    daily: Callable[[datetime, np.random.Generator], float], days: int = 84, *, seed: int = 1, emptied_at: float = 0.8
) -> Levels:
    """Four levels a day of a bin that fills by `daily` and is emptied once it has reached a level."""
    rng, level, levels = np.random.default_rng(seed), 0.0, []
    for number in range(days * 4):
        at = MONDAY + STEP * number
        level = 0.0 if level >= emptied_at else min(1.0, level + daily(at, rng) / 4)
        levels.append((at + timedelta(hours=5), level))
    return levels


def steady(share: float) -> Callable[[datetime, np.random.Generator], float]:
    return lambda _at, _rng: share


def uneven(share: float) -> Callable[[datetime, np.random.Generator], float]:
    """Bags of a tenth of the bin, Poisson distributed."""
    return lambda _at, rng: 4 * 0.1 * rng.poisson(share / 0.4)


def learned(histories: dict[str, Levels], **changes: object) -> Learned:
    newest = max(at for levels in histories.values() for at, _ in levels)
    options = {"kinds": {}, "zone": ZoneInfo("UTC"), "learned_at": newest} | changes
    return learn(histories, **options)  # type: ignore[arg-type]


def newest(levels: Levels) -> NewestLevel:
    return NewestLevel(levels[-1][1], levels[-1][0])


def test_a_steady_bin_goes_on_as_it_did() -> None:
    levels = history(steady(0.1))
    model = learned({"p": levels}).places["p"]
    assert model.rate == pytest.approx(0.1, rel=0.03)
    start = NewestLevel(0.3, levels[-1][0])
    (found,) = predict([model], [start], start.observed_at + 2 * DAY, zone=ZoneInfo("UTC"))
    assert found.filling_level == pytest.approx(0.5, abs=0.02)
    assert found.full_at is not None
    assert abs(found.full_at - (start.observed_at + 7 * DAY)) < DAY
    assert found.method == LEARNED


@pytest.mark.parametrize("gap", [0, 2, 9])
def test_gaps_change_nothing(gap: int) -> None:
    """Every tenth step on a stretch of silence of so many days."""
    levels = [item for number, item in enumerate(history(steady(0.1))) if not 100 <= number < 100 + 4 * gap]
    assert learned({"p": levels}).places["p"].rate == pytest.approx(0.1, rel=0.05)


def test_time_at_full_is_not_slow_filling() -> None:
    """Full in ten of fifteen days: only the five before tell how fast."""
    levels = [(MONDAY + STEP * n, min(1.0, 0.05 * (n % 60))) for n in range(600)]
    assert learned({"p": levels}).places["p"].rate == pytest.approx(0.2, rel=0.15)


def test_weekdays_are_told_apart() -> None:
    """Three times as much on Saturdays and Sundays: 0.3 against 0.1 of a mean 11/70."""
    levels = history(lambda at, _rng: 0.3 if at.weekday() >= 5 else 0.1, 140)
    week = np.array(learned({str(n): levels for n in range(4)}).places["0"].week).reshape(7, 4).mean(axis=1)
    assert week[:5].mean() == pytest.approx(0.1 / (1.1 / 7), abs=0.12)
    assert week[5:].mean() == pytest.approx(0.3 / (1.1 / 7), abs=0.25)


def test_the_season_is_learned_from_a_year_of_several_places() -> None:
    """Fills 1 + 0.5 cos of the year around 1 July: the wave is -0.5 in January's cosine."""

    def wave(at: datetime, _rng: np.random.Generator) -> float:
        return float(0.1 * np.exp(-0.4 * np.cos(2 * np.pi * at.timetuple().tm_yday / 365.25)))

    places = {str(seed): history(wave, 380, seed=seed) for seed in range(3)}
    cosine, sine = learned(places).kinds[""].season
    assert cosine == pytest.approx(-0.4, abs=0.12)
    assert sine == pytest.approx(0.0, abs=0.1)


def test_public_holidays_fill_as_they_did() -> None:
    """Every second Wednesday is a feast with four times the filling."""
    feasts = frozenset(date(2026, 3, 4) + timedelta(days=14 * number) for number in range(20))
    levels = history(lambda at, _rng: 0.32 if at.date() in feasts else 0.08, 200)
    model = learned({str(n): levels for n in range(4)}, holidays=feasts).places["0"]
    assert model.holiday == pytest.approx(4.0, rel=0.25)
    assert all(day > levels[-1][0].date() for day in model.days_off)


def test_a_new_place_leans_on_its_kind() -> None:
    """Markets 0.2 a day, parks 0.05: a market of one day is taken for a market, one of many weeks for itself."""
    places = {f"market-{n}": history(uneven(0.2), seed=n) for n in range(6)}
    places |= {f"park-{n}": history(uneven(0.05), seed=n) for n in range(6)}
    places["market-new"] = history(uneven(0.2), 1, seed=77)
    places["market-slow"] = history(uneven(0.05), seed=9)
    found = learned(places, kinds={place: place.partition("-")[0] for place in places})
    assert found.kinds["market"].rate > 2 * found.kinds["park"].rate
    assert found.places["market-new"].rate == pytest.approx(0.17, abs=0.06)
    assert found.places["market-slow"].rate == pytest.approx(0.05, abs=0.02)
    assert found.places["market-new"].rate_variance > 3 * found.places["market-0"].rate_variance
    start = NewestLevel(0.0, MONDAY + DAY)
    (forecast,) = predict([found.places["market-new"]], [start], MONDAY + 3 * DAY, zone=ZoneInfo("UTC"))
    assert forecast.method == OF_KIND


def test_nine_of_ten_levels_lie_in_the_interval_and_overflows_are_as_probable_as_said() -> None:
    """Two bags of a tenth a day: learned from a year, tried on 4,000 draws of two days from 0.1, and three from 0.4."""

    def bags(_at: datetime, rng: np.random.Generator) -> float:
        return float(4 * rng.gamma(2 * max(rng.poisson(0.5), 1e-9), 0.05))

    places = {str(seed): history(bags, 365, seed=seed) for seed in range(4)}
    model, at = learned(places).places["2"], places["2"][-1][0]
    rng = np.random.default_rng(5)
    (near,) = predict([model], [NewestLevel(0.1, at)], at + 2 * DAY, zone=ZoneInfo("UTC"))
    draws = np.minimum(1.0, 0.1 + rng.gamma(2 * rng.poisson(4, 4000) + 1e-9, 0.05))
    assert near.low is not None
    assert near.high is not None
    assert 0.85 <= np.mean((draws >= near.low) & (draws <= near.high)) <= 0.95
    assert near.filling_level == pytest.approx(draws.mean(), abs=0.06)
    (far,) = predict([model], [NewestLevel(0.4, at)], at + 3 * DAY, zone=ZoneInfo("UTC"))
    draws = 0.4 + rng.gamma(2 * rng.poisson(6, 4000) + 1e-9, 0.05)
    assert far.overflow_probability == pytest.approx(np.mean(draws >= 1.0), abs=0.1)


def test_a_stuck_sensor_teaches_nothing_and_the_level_is_reckoned_on() -> None:
    levels = list(history(uneven(0.2), seed=4))
    begin, level = next(
        (number, level) for number, (_, level) in enumerate(levels) if number > 200 and 0.2 < level < 0.5
    )
    stuck = levels[:begin] + [(at, level) for at, _ in levels[begin:]]
    model = learned({"p": stuck}).places["p"]
    assert model.rate == pytest.approx(0.2, rel=0.4)  # fifty days of two bags
    assert model.unchanged_since is not None
    start = NewestLevel(level, stuck[-1][0], model.unchanged_since)
    (found,) = predict([model], [start], stuck[-1][0] + DAY, zone=ZoneInfo("UTC"))
    assert found.method == STUCK
    assert found.filling_level > 0.95
    shown = observed_levels([model], [start], [stuck[-1][0] + DAY], zone=ZoneInfo("UTC"))[0, 0]
    assert shown[round(level * (CELLS - 1))] > 0.9


def test_what_others_empty_is_part_of_the_level_as_observed_but_not_of_the_level_for_choosing() -> None:
    """Always emptied within hours at 0.8: the next day shows a low level, though nobody said that we need not come."""
    levels = history(steady(0.2), 200)
    model = learned({"p": levels}).places["p"]
    start = NewestLevel(0.8, levels[-1][0])
    at = start.observed_at + DAY
    (shown,) = observed_levels([model], [start], [at], zone=ZoneInfo("UTC"))[0]
    assert shown.sum() == pytest.approx(1.0)
    assert shown @ np.arange(CELLS) / (CELLS - 1) < 0.4
    (found,) = predict([model], [start], at, zone=ZoneInfo("UTC"))
    assert found.filling_level > 0.9


def test_the_further_ahead_the_fuller_and_the_wider() -> None:
    model = learned({"p": history(uneven(0.1), seed=6)}).places["p"]
    start = NewestLevel(0.1, MONDAY + 84 * DAY)
    found = [predict([model], [start], start.observed_at + DAY * n, zone=ZoneInfo("UTC"))[0] for n in range(6)]
    means = [forecast.filling_level for forecast in found]
    risks = [forecast.overflow_probability or 0.0 for forecast in found]
    assert means == sorted(means)
    assert risks == sorted(risks)
    assert found[0].filling_level == pytest.approx(0.1, abs=0.001)


def test_of_an_empty_history_only_the_kind_speaks() -> None:
    found = learned({"p": history(steady(0.1)), "q": []})
    assert found.places["q"].rate == pytest.approx(0.1, rel=0.2)
    assert learn({"q": []}, {}, zone=ZoneInfo("UTC"), learned_at=MONDAY) == Learned({}, {})
    assert predict([], [], MONDAY, zone=ZoneInfo("UTC")) == []


def test_levels_after_the_instant_of_learning_are_not_used() -> None:
    levels = history(steady(0.1))
    at = levels[200][0]
    assert learned({"p": levels}, learned_at=at) == learned({"p": levels[:201]}, learned_at=at)


def test_a_model_comes_back_from_json_to_four_digits() -> None:
    model = replace(learned({"p": history(uneven(0.1))}).places["p"], days_off=(date(2026, 12, 25),))
    stored = json.loads(json.dumps(model_to_json(model)))
    back = model_from_json(stored)
    assert isinstance(back, PlaceModel)
    assert model_to_json(back) == stored
    assert back.week == pytest.approx(model.week, rel=1e-3)
    assert (back.days_off, back.learned_at) == (model.days_off, model.learned_at)
    assert model_from_json(stored | {"format": 0}) is None
