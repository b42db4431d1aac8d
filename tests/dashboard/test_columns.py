from kaslite.dashboard.columns import in_columns, widths_of


def test_a_column_is_as_wide_as_its_widest_text():
    assert widths_of(("Name", "N"), [("a", "100"), ("bc", "7")]) == [4, 3]


def test_without_rows_there_are_the_headings():
    assert in_columns(("Name", "N"), []) == "Name  N"
