import pytest

from core.errors import InvalidInputError, NotFoundError, SettingsError
from devices.registry import device_type
from rules.catalogue import effective_rule, load_rules, rule_named
from rules.rule_file import parse_rules

HEAD = 'name = "x"\nseverity = "info"\nsummary = "a"\nsummary_de = "b"\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('quantity = "filling_level"\nabove = 0.5\nbelow = 0.1', "exactly one of above, below"),
        ('quantity = "filling_level"', "exactly one of"),
        ("above = 0.5", "rule x: expected exactly one of quantity, attribute, derived"),
        ('quantity = "dim_level"\nabove = 0.5', "rule x: quantity: dim_level is none of a waste_bin"),
        ('quantity = "lid_open"\nabove = 0.5', "lid_open is none"),
        ('quantity = "filling_level"\ncontains = "lamp_failure"', "expected the quantity faults"),
        ('quantity = "filling_level"\nabove = "often"', "rule x: above: expected a number"),
        ("silent_s = -1", "silent_s"),
        ('quantity = "filling_level"\nabove = 0.5\ncolour = "red"', "rule 1 colour"),
        ('quantity = "filling_level"\nabove = 0.5\nactions = ["dance"]', "rule 1 actions 1"),
    ],
)
def test_a_wrong_rule_names_file_and_place(body: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        parse_rules(device_type("waste_bin"), f"[[rule]]\n{HEAD}{body}\n")
    assert str(caught.value).startswith("devices/waste_bin/rules.toml: ")


def test_two_rules_of_one_name_and_broken_toml_are_refused() -> None:
    rule = f'[[rule]]\n{HEAD}quantity = "fire_detected"\nequals = true\n'
    with pytest.raises(SettingsError, match="rule x: there are two"):
        parse_rules(device_type("waste_bin"), rule + rule)
    with pytest.raises(SettingsError, match="at the end of an array"):
        parse_rules(device_type("waste_bin"), "[[rule")


def test_an_override_lies_over_the_municipalitys_threshold() -> None:
    (rule,) = rule_named("bin_full")
    assert effective_rule(rule, {}, filling_threshold=0.6).parameters == {"above": 0.6, "hysteresis": 0.1}
    overridden = effective_rule(rule, {"parameters": {"above": 0.9}}, filling_threshold=0.6)
    assert overridden.parameters == {"above": 0.9, "hysteresis": 0.1}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"parameters": {"over": 0.5}}, "unknown parameter 'over'; known: above, hysteresis"),
        ({"parameters": {"above": "high"}}, "parameters.above"),
        ({"parameters": {"above": float("nan")}}, "parameters.above"),
        ({"parameters": {"hysteresis": -1}}, "hysteresis: must not be negative"),
        ({"severity": "loud"}, "severity"),
        ({"enabled": "no"}, "enabled"),
        ({"name": "other"}, "name"),
    ],
)
def test_a_wrong_override_is_refused(override: dict[str, object], says: str) -> None:
    (rule,) = rule_named("bin_full")
    with pytest.raises(InvalidInputError, match=says):
        effective_rule(rule, override)


def test_an_unknown_rule_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="unknown rule 'x'"):
        rule_named("x")


def test_every_summary_can_be_filled_in_both_languages() -> None:
    for rules in load_rules().values():
        for rule in rules:
            value: object = "lamp_failure" if rule.name == "reported_fault" else 0.5
            fields = {"name": "Marktplatz", "value": value, "since": "2026-11-20T08:00:00Z"}
            for text in (rule.summary, rule.summary_de):
                said = text.format(**fields, circuit="K 7", count=5, members=9)
                assert ("Marktplatz" if rule.group is None else "5 ") in said
