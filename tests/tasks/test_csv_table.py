import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kaslite.errors import DataError, UsageError
from kaslite.tasks.csv_table import read_csv, read_header

FILE = Path("it.csv")


def read(content, target="y"):
    return read_csv(FILE, content if isinstance(content, bytes) else content.encode(), target)


def test_every_column_but_the_target_is_an_input_in_the_order_of_the_file():
    table = read("a,y,b\n1,no,2\n3,yes,4\n")
    assert table.inputs.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert table.targets.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    "content",
    [
        *("a;y\n1;2\n", "a\ty\n1\t2\n", " a , y \n 1 , 2 \n", "a,y\r\n1,2\r\n", "a,y\r1,2\r", "\ufeff\na,y\n\n1,2\n\n"),
        *('"a","y"\n"1","2"', '"a",y\n1,2', '"a",y\r1,2\n'),
    ],
)
def test_usual_ways_to_write_a_table_are_read_alike(content):
    table = read(content)
    assert (table.inputs.tolist(), table.targets.tolist()) == ([[1.0]], [2])


@given(some.lists(some.tuples(some.floats(-1e9, 1e9), some.sampled_from(["a, b", 'quote "', "two\nlines", "é"])), min_size=1))
def test_what_a_csv_writer_writes_is_read_back(rows):
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["x", "y"])
    writer.writerows(rows)
    table = read(stream.getvalue())
    assert table.inputs[:, 0].tolist() == [number for number, _ in rows]
    assert table.targets.tolist() == [text for _, text in rows]


@given(
    some.lists(some.tuples(some.floats(-1e9, 1e9), some.sampled_from(["a b", "x", "7"])), min_size=1),
    some.sampled_from([",", ";", "\t"]),
)
def test_a_table_is_read_alike_with_quotes_and_without(rows, between):
    plain = "".join(f"{x}{between}{y}\n" for x, y in [("x", "y"), *rows])
    quoted = "".join(f'"{x}"{between}"{y}"\n' for x, y in [("x", "y"), *rows])
    one, other = read(plain), read(quoted)
    assert one.inputs.tobytes() == other.inputs.tobytes()
    assert one.targets.tolist() == other.targets.tolist()


def test_the_columns_are_separated_by_what_stands_outside_of_quotes():
    table = read('"price, net, EUR";"a ""b"", c";y\n1;2;x\n')
    assert (table.columns, table.targets.tolist()) == (("price, net, EUR", 'a "b", c'), ["x"])


def test_a_table_longer_than_a_block_is_read_whole_and_its_places_are_right():
    rows = "".join(f'{number},"{number % 2}"\n' for number in range(25_000))
    assert read(f"a,y\n{rows}").inputs[:, 0].tolist() == list(range(25_000))
    with pytest.raises(DataError, match="line 25002, column 'a' is 'x', which is no number"):
        read(f"a,y\n{rows}x,1\n")


def test_the_header_alone_is_read_without_looking_at_the_rows():
    assert read_header(FILE, b"a,b,y\n1,x\n", "y") == ["a", "b", "y"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("\n\n", "the data file it.csv is empty"),
        ("a,y\n", "it.csv has no line after its header"),
        ("1,2\n3,4\n", "the first line of it.csv holds numbers"),
        ("a,a,y\n1,2,3\n", "two columns of it.csv are called 'a'"),
        ("y\n1\n", "it.csv has no column beside 'y'"),
        ("a,y\n1,2\n\n3\n", "it.csv, line 4 has 1 cells, and the header 2"),
        ("a,y\n1,2\n,3\n", "it.csv, line 3, column 'a' is missing"),
        ("a,y\n,\n", "it.csv, line 2, column 'a' is missing"),
        ("a,y\n1,2\n3,\n", "it.csv, line 3, column 'y' is missing"),
        ("a,y\nRome,1\n", "it.csv, line 2, column 'a' is 'Rome', which is no number"),
        ("a,y\n1_000,1\n", "it.csv, line 2, column 'a' is '1_000', which is no number"),
        ("a,y\ninf,1\n", "it.csv, line 2, column 'a' is inf, which is out of range"),
        (b"a,y\n\xff,1\n", "it.csv is no CSV file in UTF-8"),
        ("a,y\n" + "1" * 200_000 + ",1\n", "it.csv is no CSV file in UTF-8: field larger than field limit"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(content, complaint):
    with pytest.raises(DataError, match=re.escape(complaint)):
        read(content)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (None, "say which column is to be learned with --target: alpha, y"),
        ("alhpa", "unknown column 'alhpa': did you mean 'alpha'? Known are: alpha, y."),
    ],
)
def test_a_target_that_is_no_column_is_refused(target, complaint):
    with pytest.raises(UsageError, match=re.escape(complaint)):
        read("alpha,y\n1,2\n", target)


def test_columns_named_by_years_are_no_headless_file():
    assert np.array_equal(read("2019,2020,y\n1,2,3\n").inputs, [[1.0, 2.0]])
