import inspect

import pytest

from kaslite import errors
from kaslite.errors import KasliteError, UsageError, unknown_name

ERRORS = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, Exception)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_the_same_root(error):
    assert issubclass(error, KasliteError)


def test_an_unknown_name_suggests_the_nearest_one():
    error = unknown_name("blueprint", "low_rnak", ["mlp", "low_rank"])
    assert isinstance(error, UsageError)
    assert str(error) == "unknown blueprint 'low_rnak': did you mean 'low_rank'? Known are: low_rank, mlp."


def test_a_name_unlike_all_others_gets_no_suggestion():
    assert str(unknown_name("problem", "zzz", ["digits", "spirals"])) == "unknown problem 'zzz': Known are: digits, spirals."


def test_where_nothing_is_known_the_error_says_so():
    assert str(unknown_name("run", "a", [])) == "unknown run 'a': Known are: none."
