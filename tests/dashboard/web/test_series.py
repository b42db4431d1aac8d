from kaslite.dashboard.web.series import Series


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


def test_what_belongs_to_no_epoch_does_not_fill_a_series_for_ever():
    series = Series("loss")
    for _ in range(9):
        series.add(0, 1.0)
    series.keep(2)
    assert len(series) == 0
