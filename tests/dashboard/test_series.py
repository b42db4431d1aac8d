from kaslite.dashboard.series import Series


def series_of(epochs):
    series = Series("loss")
    for epoch in epochs:
        series.add(epoch, 1 / epoch)
    return series


def test_a_thinned_series_keeps_whole_rows_at_even_distances():
    series = series_of(range(1, 10))
    series.keep(4)
    assert series.columns == {"epoch": [4, 8], "loss": [1 / 4, 1 / 8]}


def test_what_is_new_are_the_rows_at_the_end():
    assert series_of([1, 2, 3]).since(2) == {"epoch": [3], "loss": [1 / 3]}
    assert series_of([1]).since(1) == {"epoch": [], "loss": []}
