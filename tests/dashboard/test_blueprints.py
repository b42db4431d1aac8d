from kaslite.dashboard.blueprints import HEADINGS, NOTHING, blueprint_rows, blueprint_text
from kaslite.telemetry.analytics import BlueprintStats


def test_a_blueprint_has_a_row_under_the_headings():
    stats = {"mlp": BlueprintStats(germinated=8, fossilized=1, culled=7, acc_deltas=(0.42,), churns=(-0.15,))}
    assert blueprint_rows(stats) == [("mlp", "8", "1", "7", "12.5%", "+0.42%", "-0.15%")]
    assert blueprint_text(stats).split() == [*HEADINGS, *blueprint_rows(stats)[0]]


def test_without_seeds_it_says_so():
    assert blueprint_text({}) == NOTHING


def test_a_name_cannot_steer_a_terminal():
    assert blueprint_rows({"\x1b[31mred": BlueprintStats()})[0][0] == "[31mred"
