from functools import reduce

from kaslite.events import SeedCulled, SeedFossilized, SeedGerminated
from kaslite.telemetry.analytics import BlueprintStats, fold_blueprints
from tests.course import course

AT = {"epoch": 3, "layer": "blocks.1", "seed": 0}


def folded(*events):
    return reduce(fold_blueprints, events, {})


def germinated(blueprint="mlp"):
    return SeedGerminated(**AT, blueprint_id=blueprint, params=8)


def fossilized(improvement, blueprint="mlp"):
    return SeedFossilized(**AT, blueprint_id=blueprint, improvement=improvement, params_added=8, removal_cost=None)


def culled(improvement, blueprint="mlp"):
    return SeedCulled(**AT, blueprint_id=blueprint, reason="it does harm", improvement=improvement)


def test_seeds_are_counted_by_what_they_grew_into():
    stats = folded(germinated(), fossilized(2.0), germinated("lora"), culled(-1.0, "lora"), germinated("lora"))
    assert stats["mlp"] == BlueprintStats(germinated=1, fossilized=1, acc_deltas=(2.0,))
    assert stats["lora"] == BlueprintStats(germinated=2, culled=1, churns=(-1.0,))


def test_rate_and_means_are_of_the_seeds_that_came_to_an_end():
    stats = folded(*[germinated()] * 5, fossilized(2.0), fossilized(3.0), culled(-1.0), culled(None))["mlp"]
    assert (stats.fossilization_rate, stats.mean_acc_delta, stats.mean_churn) == (50.0, 2.5, -1.0)


def test_what_was_not_measured_is_not_a_number():
    assert BlueprintStats(germinated=3).as_dict() == {
        "germinated": 3,
        "fossilized": 0,
        "culled": 0,
        "fossilization_rate": None,
        "mean_acc_delta": None,
        "mean_churn": None,
    }


def test_other_events_change_nothing():
    stats = {"mlp": BlueprintStats(germinated=1)}
    assert reduce(fold_blueprints, course(), stats) is stats
