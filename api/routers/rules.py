"""Rules as they hold, and what municipalities change of them."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path

from actions.alerts.try_rules import Bounds, try_rules
from api.dependencies import ReadingsDep, StateDep
from api.errors import problems
from api.filters import MunicipalityPath, MunicipalityQuery
from api.paging import PagingDep, page_of
from api.schemas.alert import show_alert
from api.schemas.fields import Items, RuleName
from api.schemas.rule import Override, RuleShown, TrialAsked, TrialShown, show_rule
from core.clock import utc_now
from core.device import Municipality
from core.errors import ConflictError, InvalidInputError, SettingsError
from devices.registry import device_type
from rules.catalogue import effective_rule, load_rules, rule_named
from rules.rule import Rule
from rules.rule_file import build_rules
from state.state import State

router = APIRouter(tags=["rules"])

RulePath = Annotated[RuleName, Path(description="the rule's name")]
TRIAL_S: Final = 20.0
TRIAL_READINGS: Final = 2_000_000
TRIAL_ALERTS: Final = 1000
_trying: Final = threading.Lock()
_OVERRIDE = "/v1/municipalities/{municipality}/rules/{name}"


@router.get("/v1/rules", responses=problems(404))
def list_rules(state: StateDep, paging: PagingDep, municipality: MunicipalityQuery = None) -> Items[RuleShown]:
    """List the rules as they hold in a municipality; without one, as they ship."""
    rules = [rule for of_type in load_rules().values() for rule in of_type]
    if municipality is None:
        shown = [show_rule(rule, municipality=None, overridden=False) for rule in rules]
    else:
        shown = _effective(rules, state.municipalities.get(municipality), _overrides(state, municipality))
    page, cursor = page_of(shown, lambda rule: f"{rule.device_type}/{rule.name}", paging)
    return Items(items=page, next_cursor=cursor)


@router.post("/v1/rules/try", responses=problems(400, 404, 409, 413))
def try_rules_on_history(asked: TrialAsked, state: StateDep, readings: ReadingsDep) -> TrialShown:
    """List the alerts that rules would have raised on what is stored; one trial runs at a time, for a bounded time."""
    try:
        rules = build_rules(device_type(asked.device_type), asked.rules, "body")
    except SettingsError as error:
        raise InvalidInputError(str(error)) from error
    if not _trying.acquire(blocking=False):
        raise ConflictError("rules are being tried already; try again when that is done")
    try:
        end, until_s = utc_now(), time.monotonic() + TRIAL_S
        trial = try_rules(
            {asked.device_type: rules},
            state,
            readings,
            start=end - asked.since,
            end=end,
            municipality=asked.municipality,
            bounds=Bounds(readings=TRIAL_READINGS, alerts=TRIAL_ALERTS, enough=lambda: time.monotonic() >= until_s),
        )
    finally:
        _trying.release()
    return TrialShown(
        alerts=[show_alert(alert, muted=False) for alert in trial.alerts],
        by_rule=Counter(alert.rule for alert in trial.alerts),
        devices=trial.devices,
        readings=trial.readings,
        start=trial.start,
        end=trial.end,
        complete=trial.complete,
    )


@router.put(_OVERRIDE, responses=problems(400, 404, 413))
def override_rule(
    municipality: MunicipalityPath, name: RulePath, override: Override, state: StateDep
) -> Items[RuleShown]:
    """Replace what a municipality has different of a rule; gives the rule as it holds now, once per device type."""
    place = state.municipalities.get(municipality)
    rules = rule_named(name)
    changes = override.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    shown = _effective(rules, place, {name: changes})
    state.rule_overrides.put(municipality, name, changes)
    return Items(items=shown, next_cursor=None)


@router.delete(_OVERRIDE, status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
def reset_rule(municipality: MunicipalityPath, name: RulePath, state: StateDep) -> None:
    """Let a rule hold in a municipality as it ships."""
    state.rule_overrides.delete(municipality, name)


def _overrides(state: State, municipality: str) -> Mapping[str, Mapping[str, object]]:
    return state.rule_overrides.all().get(municipality, {})


def _effective(
    rules: list[Rule], municipality: Municipality, overrides: Mapping[str, Mapping[str, object]]
) -> list[RuleShown]:
    return [
        show_rule(
            effective_rule(rule, overrides.get(rule.name, {}), filling_threshold=municipality.filling_threshold),
            municipality=municipality.municipality,
            overridden=rule.name in overrides,
        )
        for rule in rules
    ]
