import re
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest

from kaslite.errors import DataError, StorageError, UsageError
from kaslite.tasks.table_file import facts, read_table

INPUTS = np.arange(12.0).reshape(6, 2)
CLASSES = np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "it.npz"


def save(file, **arrays):
    np.savez(file, **({"X": INPUTS, "y": CLASSES} | arrays))
    return file


def facts_of(data, target=None, data_sha256=None):
    return facts(SimpleNamespace(data=data, target=target, data_sha256=data_sha256))


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (CLASSES, "i"),
        (CLASSES.astype(np.uint8), "i"),
        (CLASSES == 1, "i"),
        (CLASSES / 2, "f"),
        (CLASSES[:, None] / 2, "f"),
        (np.array(["no", "yes"])[CLASSES], "U"),
    ],
)
def test_an_npz_file_holds_inputs_and_targets_of_any_of_these_kinds(file, targets, kind):
    table = read_table(save(file, y=targets), None, None)
    assert np.array_equal(table.inputs, INPUTS)
    assert table.targets.shape == (6,)
    assert table.targets.dtype.kind == kind


def test_another_array_can_be_the_target(file):
    assert read_table(save(file, price=CLASSES * 2), "price", None).targets.tolist() == (CLASSES * 2).tolist()


def test_a_csv_file_is_known_by_its_name(tmp_path):
    file = tmp_path / "it.CSV"
    file.write_text("a,b,c\n1,2,3\n")
    assert read_table(file, "b", None).inputs.tolist() == [[1.0, 3.0]]
    assert facts_of(file, "b")["input_dim"] == 2


def test_the_file_fixes_the_number_of_inputs_and_its_checksum(file):
    content = save(file).read_bytes()
    assert facts_of(file) == {"input_dim": 2, "data_sha256": sha256(content).hexdigest()}


def test_a_file_that_has_the_expected_checksum_is_read_and_a_changed_one_refused(file):
    digest = facts_of(save(file))["data_sha256"]
    assert len(read_table(file, None, digest).inputs) == 6
    save(file, y=1 - CLASSES)
    for read in (lambda: read_table(file, None, digest), lambda: facts_of(file, None, digest)):
        with pytest.raises(DataError, match=r"is not what it was: .* put the old file back, or start a new run"):
            read()


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"y": CLASSES[:5]}, "y has shape (5,), and X (6, 2); it has to hold one value a row"),
        ({"y": INPUTS}, "y has shape (6, 2)"),
        ({"X": INPUTS[:, 0]}, "X has shape (6,); it has to be (samples, features)"),
        ({"X": INPUTS[:, :0]}, "X has shape (6, 0)"),
        ({"X": INPUTS.astype(str)}, "X holds <U32; it has to hold numbers"),
        ({"X": INPUTS * 1j}, "X holds complex128"),
        ({"X": np.where(INPUTS == 7, np.nan, INPUTS)}, "X[3, 1] is missing"),
        ({"y": np.where(CLASSES == 1, np.nan, 0.5)}, "y[1] is missing"),
        ({"y": np.array(["a", "b", "", "a", "b", "a"])}, "y[2] is missing"),
        ({"y": np.array([None, *CLASSES[1:]], dtype=object)}, "the array y cannot be read; it has to hold numbers"),
    ],
)
def test_an_array_that_does_not_do_is_refused(file, arrays, complaint):
    with pytest.raises(DataError, match=re.escape(complaint)):
        read_table(save(file, **arrays), None, None)


def test_an_array_that_is_not_there_is_named_with_those_that_are(tmp_path):
    np.savez(tmp_path / "it.npz", X=INPUTS, labels=CLASSES)
    with pytest.raises(UsageError, match=r"has no array y; it has X, labels; say with --target"):
        read_table(tmp_path / "it.npz", None, None)


def test_a_file_that_is_cut_off_or_no_npz_file_is_refused(file):
    whole = save(file).read_bytes()
    middle = bytearray(whole)
    middle[whole.index(INPUTS.tobytes()) + 3] ^= 255
    single = file.with_name("single.npy")
    np.save(single, INPUTS)
    for content in (whole[: len(whole) // 2], b"not at all", bytes(middle), single.read_bytes()):
        file.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(str(file))):
            read_table(file, None, None)


def test_an_empty_file_is_refused(file):
    file.touch()
    with pytest.raises(DataError, match="is empty"):
        facts_of(file)


@pytest.mark.parametrize("name", ["nope.csv", "nope.npz"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(StorageError, match=rf"cannot read the data file .*{name}: No such file or directory"):
        facts_of(tmp_path / name, "y")


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "it.csv").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        facts_of(tmp_path / "it.csv", "y")


def test_another_kind_of_file_is_refused_and_so_is_none(tmp_path):
    with pytest.raises(UsageError, match=r"give a CSV file with a header row \(\.csv\), or an NPZ file"):
        facts_of(tmp_path / "it.parquet")
    with pytest.raises(UsageError, match="give it: --data"):
        facts_of(None)


def test_facts_are_read_once_until_the_file_changes(file, monkeypatch):
    first = facts_of(save(file))
    read = []
    monkeypatch.setattr("kaslite.tasks.table_file.hashlib.sha256", lambda content: read.append(1) or sha256(content))
    assert facts_of(file) == first
    assert read == []
    assert facts_of(save(file, X=INPUTS[:, :1]))["input_dim"] == 1
    assert read == [1]
