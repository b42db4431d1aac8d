import itertools
import logging
import time

import pytest
import torch

from kaslite.errors import NewerFormatError, StorageError, UsageError
from kaslite.training import checkpoint_file
from kaslite.training.checkpoint_file import read_tree
from kaslite.training.checkpoints import Cadence, Checkpoints

SHARE = 0.02
START_S = 1000.0  # clocks begin anywhere


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "checkpoints"


def tree(epoch):
    return {"epoch": epoch, "weights": torch.full((5,), float(epoch))}


def written(folder, *epochs, keep=3):
    checkpoints = Checkpoints(folder, keep)
    for epoch in epochs:
        checkpoints.write(epoch, tree(epoch))
    return checkpoints


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def damage(folder, *epochs):
    for epoch in epochs:
        path = folder / f"epoch_{epoch:06d}.safetensors"
        path.write_bytes(path.read_bytes()[:-1])


def test_the_newest_checkpoint_is_read_back(folder):
    checkpoints = written(folder, 9, 12)
    path, latest = checkpoints.latest()
    assert path == folder / "epoch_000012.safetensors"
    assert latest["epoch"] == 12
    assert torch.equal(latest["weights"], tree(12)["weights"])


def test_writing_returns_the_file(folder):
    assert read_tree(Checkpoints(folder).write(12, tree(12)))["epoch"] == 12


def test_a_folder_without_checkpoints_has_no_latest(folder):
    assert Checkpoints(folder).latest() is None
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("epoch_000001")
    assert Checkpoints(folder).latest() is None


@pytest.mark.parametrize(("keep", "kept"), [(1, [4]), (2, [3, 4]), (3, [2, 3, 4]), (9, [1, 2, 3, 4])])
def test_the_last_ones_are_kept(folder, keep, kept):
    written(folder, 1, 2, 3, 4, keep=keep)
    assert names(folder) == [f"epoch_{epoch:06d}.safetensors" for epoch in kept]


def test_epochs_count_as_numbers_however_long(folder):
    assert written(folder, 999_998, 999_999, 1_000_000, keep=2).latest()[1]["epoch"] == 1_000_000
    assert names(folder) == ["epoch_1000000.safetensors", "epoch_999999.safetensors"]


def test_none_is_not_a_number_to_keep(folder):
    with pytest.raises(UsageError, match="keep is 0"):
        Checkpoints(folder, 0)


def test_damaged_ones_are_passed_over_and_named_with_what_is_used_instead(folder, caplog):
    checkpoints = written(folder, 1, 2, 3)
    damage(folder, 2, 3)
    assert checkpoints.latest()[1]["epoch"] == 1
    assert [record.name for record in caplog.records] == ["kaslite"] * 2
    for epoch, record in zip([3, 2], caplog.records, strict=True):
        assert f"epoch_{epoch:06d}.safetensors is damaged" in record.message
        assert record.message.endswith("Using epoch_000001.safetensors instead.")


def test_where_all_are_damaged_the_warning_says_that_none_is_left(folder, caplog):
    checkpoints = written(folder, 1)
    damage(folder, 1)
    assert checkpoints.latest() is None
    assert "no older one reads well" in caplog.text


def test_a_checkpoint_that_reads_well_is_no_warning(folder, caplog):
    caplog.set_level(logging.WARNING)
    checkpoints = written(folder, 1, 2)
    damage(folder, 1)
    assert checkpoints.latest()[1]["epoch"] == 2
    assert caplog.records == []


def test_one_of_a_newer_format_is_not_passed_over(folder, monkeypatch):
    checkpoints = written(folder, 1)
    with monkeypatch.context() as newer:
        newer.setattr(checkpoint_file, "FORMAT_VERSION", 2)
        checkpoints.write(2, tree(2))
    with pytest.raises(NewerFormatError, match="epoch_000002"):
        checkpoints.latest()


def test_after_going_on_from_before_damaged_ones_the_new_one_is_the_latest_and_is_kept(folder):
    checkpoints = written(folder, 1, 7, 8, 9, keep=4)
    damage(folder, 7, 8, 9)
    checkpoints.write(2, tree(2))
    assert names(folder) == ["epoch_000001.safetensors", "epoch_000002.safetensors"]
    assert checkpoints.latest()[1]["epoch"] == 2


def test_a_failed_write_leaves_the_earlier_ones(folder):
    checkpoints = written(folder, 1, keep=1)
    with pytest.raises(UsageError, match="hook cannot be stored"):
        checkpoints.write(2, {"hook": print})
    assert checkpoints.latest()[1]["epoch"] == 1


def test_what_a_killed_process_left_half_written_is_ignored_and_then_removed(folder):
    checkpoints = written(folder, 1)
    (folder / f"epoch_000002.safetensors.0a1b2c3d{checkpoint_file.HALF_WRITTEN}").write_bytes(b"half")
    (folder / "mine.tmp").write_bytes(b"of the user's")
    assert checkpoints.latest()[1]["epoch"] == 1
    checkpoints.write(3, tree(3))
    assert names(folder) == ["epoch_000001.safetensors", "epoch_000003.safetensors", "mine.tmp"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write to the folder of checkpoints .*checkpoints: Not a directory"):
        Checkpoints(tmp_path / "file" / "checkpoints").write(1, {})


class Clock:
    """Time that passes only when told."""

    def __init__(self):
        self.now_s = START_S

    def __call__(self):
        return self.now_s


def simulate(epoch_s, writes_s, epochs, **options):
    """Yield at the end of each epoch: the time so far, the part of it that was spent on writing, whether there was a write."""
    clock = Clock()
    cadence = Cadence(SHARE, clock=clock, **options)
    spent_s = 0.0
    for _ in range(epochs):
        clock.now_s += epoch_s
        if due := cadence.due():
            with cadence.writing():
                write_s = next(writes_s)
                clock.now_s += write_s
            spent_s += write_s
        yield clock.now_s - START_S, spent_s, due


GROWTH = {
    "steady": itertools.repeat,
    "growing": lambda write_s: (write_s * 1.05**number for number in itertools.count()),
    "uneven": lambda write_s: itertools.cycle([write_s, 0.7 * write_s, 1.3 * write_s, 0.9 * write_s]),
}


@pytest.mark.parametrize("growth", GROWTH)
@pytest.mark.parametrize("write_s", [0.003, 0.05, 2.0])
@pytest.mark.parametrize("epoch_s", [0.001, 0.05, 10.0])
def test_writing_never_takes_more_than_its_share_and_goes_on_as_often_as_that_allows(epoch_s, write_s, growth):
    epochs = min(300_000, max(100, round(30 * write_s / SHARE / epoch_s)))
    longest_s, before_s = write_s, 0.0
    for total_s, spent_s, wrote in simulate(epoch_s, GROWTH[growth](write_s), epochs, first_write_s=write_s):
        assert spent_s <= SHARE * total_s
        assert wrote or SHARE * total_s - spent_s < 1.5 * longest_s + 1e-9
        longest_s, before_s = max(longest_s, spent_s - before_s), spent_s
    assert spent_s > 0


@pytest.mark.parametrize("epoch_s", [0.05, 10.0])
def test_a_first_write_that_takes_longer_than_thought_is_paid_back_before_the_next(epoch_s):
    over = [spent > SHARE * total for total, spent, _ in simulate(epoch_s, itertools.repeat(2.0), 10_000)]
    first, kept = over.index(True), over.index(False, over.index(True))
    assert not any(over[kept:])
    assert (kept - first) * epoch_s <= 2.0 / SHARE


def test_a_write_that_fails_has_taken_its_time_too():
    clock = Clock()
    cadence = Cadence(SHARE, clock=clock)
    clock.now_s += 10
    assert cadence.due()

    def fail():
        with cadence.writing():
            clock.now_s += 1
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert not cadence.due()


def test_nothing_is_due_before_a_write_fits_into_the_share():
    clock = Clock()
    cadence = Cadence(SHARE, first_write_s=0.2, clock=clock)
    clock.now_s += 14.9
    assert not cadence.due()
    clock.now_s += 0.2
    assert cadence.due()


def test_the_clock_is_that_of_the_wall():
    cadence = Cadence(0.999, first_write_s=0.0)
    with cadence.writing():
        time.sleep(0.01)
    assert not cadence.due()


@pytest.mark.parametrize("share", [0, 1, -0.1, 2, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match="share is"):
        Cadence(share)
