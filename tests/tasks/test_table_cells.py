import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kaslite.errors import DataError
from kaslite.tasks.table_cells import MISSING, check_numbers, check_texts, is_number, read_numbers, read_targets


def place(*indices):
    return f"cell {indices}"


@given(some.lists(some.floats(-1e100, 1e100), min_size=1))
def test_numbers_are_read_as_they_were_written(numbers):
    assert read_numbers(list(map(repr, numbers)), place).tolist() == numbers


@pytest.mark.parametrize("gap", sorted(MISSING | {"NaN", "N/A"}))
def test_what_is_missing_is_told_with_its_place_among_numbers_and_among_texts(gap):
    for read in (read_numbers, read_targets):
        with pytest.raises(DataError, match=r"cell \(1,\) is missing; fill it in, or leave its row or its column out"):
            read(["1", gap, "x"], place)


def test_a_text_among_numbers_is_shown():
    with pytest.raises(DataError, match=r"cell \(2,\) is 'Rome', which is no number; encode it as numbers"):
        read_numbers(["1", "2", "Rome", "Pisa"], place)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e200])
def test_a_number_whose_square_is_infinite_is_refused(value):
    with pytest.raises(DataError, match=r"cell \(1, 0\) is .*, which is out of range"):
        check_numbers(np.array([[1.0, 2.0], [value, np.nan]]), place)


def test_texts_that_are_there_are_accepted():
    check_texts(["none", "0", "-"], place)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["3", "-1"], "i"),
        (["3", "1.0"], "f"),
        (["1e3", "2"], "f"),
        (["yes", "2"], "U"),
        (["99999999999999999999", "1"], "f"),
        (["1_000", "2"], "U"),
    ],
)
def test_targets_are_integers_if_all_are_or_else_numbers_or_else_texts(texts, kind):
    assert read_targets(texts, place).dtype.kind == kind


def test_whether_a_text_is_a_number():
    assert list(map(is_number, ["1", "-2e3", "x", "", "1_000"])) == [True, True, False, False, False]
