"""Rules as they hold, and what municipalities change of them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from api.dependencies import StateDep
from api.errors import problems
from api.filters import MunicipalityPath, MunicipalityQuery
from api.paging import PagingDep, page_of
from api.schemas.fields import Items, RuleName
from api.schemas.rule import Override, RuleShown, show_rule
from core.device import Municipality
from rules.catalogue import effective_rule, load_rules, rule_named
from rules.rule import Rule
from storage.state import State

router = APIRouter(tags=["rules"])

RulePath = Annotated[RuleName, Path(description="the rule's name")]
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
