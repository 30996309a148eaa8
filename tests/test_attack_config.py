"""No value at any leaf of the configuration is accepted unreviewed, and none is a fault."""

import random

import pytest

import attack_config
from attack_config import SCHEMA, attack, cases, full, outcome, places, reviewed

ROWS = ("mmimdb.table1.*", "mosei.table2.*")
SAMPLE = 150  # cases; the whole takes minutes: make attack


def resolved(rule):
    """A rule of the schema with what it refers to, which it goes over."""
    if "$ref" not in rule:
        return rule
    target = resolved(SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]])
    inner = target.get("properties", {}) | {
        key: resolved(target.get("properties", {}).get(key, {})) | value
        for key, value in rule.get("properties", {}).items()
    }
    return target | rule | ({"properties": inner} if inner else {})


def schema_rules(rule, path=()):
    """(path, rule) of every block, list and leaf of the schema; "*" is any name, 0 any item."""
    rule = resolved(rule)
    yield path, rule
    for key, value in rule.get("properties", {}).items():
        if value is not False:
            yield from schema_rules(value, (*path, key))
    if isinstance(rule.get("additionalProperties"), dict):
        yield from schema_rules(rule["additionalProperties"], (*path, "*"))
    if isinstance(rule.get("items"), dict):
        yield from schema_rules(rule["items"], (*path, "0"))
    for option in rule.get("anyOf", []):
        yield from schema_rules(option, path)


def test_every_leaf_of_the_schema_is_attacked():
    attacked = {place.partition("options(")[0] for place in places(full())}
    attacked = {
        place.rstrip(".") + (".options" if place.endswith(".") else "") for place in attacked
    }
    expected = {".".join(path) for path, _ in schema_rules(SCHEMA) if path}
    # a row has one budget of three units, which are those of gates
    expected -= {f"{row}.budget.{unit}" for row in ROWS for unit in ("ms", "madds_m")}
    assert sorted(expected - attacked) == []


def test_every_number_of_the_schema_has_a_least_and_a_most():
    loose = []
    for path, rule in schema_rules(SCHEMA):
        kinds = rule.get("type", [])
        if {"number", "integer"} & set([kinds] if isinstance(kinds, str) else kinds):
            least = {"minimum", "exclusiveMinimum"} & set(rule)
            if not least or not {"maximum", "exclusiveMaximum"} & set(rule):
                loose.append(".".join(path))
    assert loose == []


def test_the_attacked_configuration_is_itself_accepted():
    assert outcome(full()) == "accepted"


def test_a_sample_of_the_cases_is_refused_or_was_reviewed():
    chosen = random.Random(0).sample(cases(), SAMPLE)
    counts, faults = attack(chosen, reviewed())
    assert faults == []
    assert counts["refused"] > 0.8 * SAMPLE and counts["accepted"] > 0


def test_what_was_reviewed_is_tried():
    known = set(cases())
    untried = [(place, kind) for place, kinds in reviewed().items() for kind in kinds]
    assert [case for case in untried if case not in known] == []


def test_every_review_says_why():
    groups = attack_config.read_yaml(attack_config.REVIEWED, "the reviewed values")["groups"]
    assert all(len(group["because"]) > 10 for group in groups)


def test_a_value_that_was_not_reviewed_is_a_fault():
    _, faults = attack([("nyuv2.training.epochs", "1")], {})
    assert faults == ["nyuv2.training.epochs: 1: accepted, refused is expected"]


@pytest.mark.slow
def test_a_larger_sample_is_refused_or_was_reviewed():
    _, faults = attack(random.Random(1).sample(cases(), 15 * SAMPLE), reviewed())
    assert faults == []
