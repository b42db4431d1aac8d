from itertools import product

import pytest

from kaslite.errors import IllegalTransitionError
from kaslite.lifecycle import GROWING, ISOLATED, LIVE, SeedState, check_transition

LEGAL = {
    "dormant": {"germinated"},
    "germinated": {"training", "culled"},
    "training": {"blending", "culled"},
    "blending": {"shadowing", "culled"},
    "shadowing": {"probationary", "culled"},
    "probationary": {"fossilized", "culled"},
    "fossilized": {"culled"},
    "culled": {"embargoed"},
    "embargoed": {"resetting"},
    "resetting": {"dormant"},
}
MOVES = list(product(SeedState, SeedState))


@pytest.mark.parametrize(("start", "to"), [move for move in MOVES if move[1] in LEGAL[move[0]]])
def test_a_legal_move_passes(start, to):
    check_transition(start, to)


@pytest.mark.parametrize(("start", "to"), [move for move in MOVES if move[1] not in LEGAL[move[0]]])
def test_any_other_move_is_refused_with_the_legal_ones(start, to):
    with pytest.raises(IllegalTransitionError) as refusal:
        check_transition(start, to)
    assert str(refusal.value) == (
        f"a {start} seed cannot become {to}; from here it can become: {', '.join(sorted(LEGAL[start]))}."
    )


def test_a_growing_seed_holds_a_module_and_is_not_proven():
    assert {str(state) for state in GROWING} == {"germinated", "training", "blending", "shadowing", "probationary"}


def test_a_live_seed_can_be_culled():
    assert {state for state in SeedState if "culled" in LEGAL[state]} == LIVE


def test_the_host_feels_no_seed_before_blending():
    assert {str(state) for state in ISOLATED} == {"germinated", "training"}
