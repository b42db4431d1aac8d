from kaslite.dashboard.web.lifelines import Lifelines
from kaslite.events import GovernorRolledBack, SeedRestored
from tests.course import moved

SEED = "blocks.1:0"


def lifelines_of(*events):
    lifelines = Lifelines()
    for event in events:
        lifelines.take(event)
    return lifelines


def spans(*events):
    ((seed, spans),) = (line.values() for line in lifelines_of(*events).since(0))
    assert seed == SEED
    return [(span["state"], span["from"], span["to"], span["cause"]) for span in spans]


def test_a_state_lasts_until_the_next_and_says_why_it_began():
    events = [moved(3, "dormant", "germinated", "the loss is flat"), moved(3, "germinated", "training", "first tick")]
    assert spans(*events) == [("germinated", 3, 3, "the loss is flat"), ("training", 3, None, "first tick")]


def test_a_dormant_seed_has_no_span():
    assert spans(moved(3, "dormant", "germinated", "flat"), moved(9, "resetting", "dormant")) == [("germinated", 3, 9, "flat")]
    assert lifelines_of().since(0) == []


def test_a_rollback_ends_what_it_takes_back():
    seed = SeedRestored(layer="blocks.1", seed=0, state="training", blueprint_id="mlp", alpha=0.0)
    other = SeedRestored(layer="blocks.0", seed=0, state="dormant", blueprint_id=None, alpha=0.0)
    back = GovernorRolledBack(epoch=7, reason="inf", to_epoch=5, seeds=(seed, other))
    assert spans(moved(6, "training", "blending", "ready"), back) == [
        ("blending", 6, 7, "ready"),
        ("training", 7, None, "rolled back: inf"),
    ]


def test_only_the_lifelines_of_seeds_that_moved_are_news():
    lifelines = lifelines_of(moved(3, "dormant", "germinated"))
    known = lifelines.moves
    assert lifelines.since(known) == []
    lifelines.take(moved(4, "germinated", "training"))
    assert [line["seed"] for line in lifelines.since(known)] == [SEED]
