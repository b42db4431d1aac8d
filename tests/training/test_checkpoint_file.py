import errno
import json
import os
import random
import resource
import time
from math import inf, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from safetensors.torch import load_file, save_file

from kaslite.errors import NewerFormatError, StorageError, UsageError
from kaslite.training import checkpoint_file
from kaslite.training.checkpoint_file import read_tree, write_tree
from kaslite.training.tree import DTYPES
from tests.training.test_tree import same

TREE = {"epoch": 3, "model": {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(7)}, "betas": (0.9, inf), "r": {0: None}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


@pytest.fixture
def written(path):
    write_tree(path, TREE)
    return path


def there(folder):
    return sorted(entry.name for entry in folder.iterdir())


def tensors():
    shapes = some.lists(some.integers(0, 3), max_size=3)
    dtypes = some.sampled_from(sorted(DTYPES, key=str))
    # Any bits, so NaNs of every kind: what comes back is compared bit for bit.
    return some.builds(
        lambda shape, dtype, rng_seed: (
            torch.randint(0, 2 if dtype is torch.bool else 256, (*shape, dtype.itemsize), generator=torch.manual_seed(rng_seed))
            .to(torch.uint8)
            .view(dtype)
            .squeeze(-1)
        ),
        shapes,
        dtypes,
        some.integers(0, 99),
    )


def trees():
    keys = some.text(max_size=3) | some.just("$") | some.integers(-(2**70), 2**70)
    leaves = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5) | tensors()
    return some.recursive(
        leaves,
        lambda inner: (
            some.lists(inner, max_size=4)
            | some.lists(inner, max_size=4).map(tuple)
            | some.dictionaries(keys, inner, max_size=4)
        ),
        max_leaves=12,
    )


def bits(tree):
    """The tree with each tensor as its dtype, shape and bytes."""
    match tree:
        case torch.Tensor():
            return (str(tree.dtype), tuple(tree.shape), bytes(tree.contiguous().reshape(-1).view(torch.uint8).numpy()).hex())
        case dict():
            return {key: bits(value) for key, value in tree.items()}
        case list() | tuple():
            return type(tree)(map(bits, tree))
        case _:
            return tree


@settings(deadline=None, max_examples=80)
@given(tree=trees())
def test_any_tree_comes_back_as_it_was_bit_for_bit(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("any") / "a"
    write_tree(path, tree)
    assert same(bits(read_tree(path)), bits(tree))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_of_every_type_come_back_on_the_cpu_in_memory_of_their_own(path, dtype):
    whole = torch.arange(24).reshape(4, 6).to(dtype)
    tree = [whole, whole.t(), whole[1:, ::2], whole[0, 1], whole[:0], whole.expand(2, 4, 6), torch.nn.Parameter(torch.ones(2))]
    write_tree(path, tree)
    read = read_tree(path)
    assert same(bits(read), bits(tree))
    assert not any(tensor.requires_grad for tensor in read)
    assert all(tensor.data_ptr() % 64 == 0 for tensor in read)
    os.truncate(path, 0)
    assert same(bits(read), bits(tree))


def test_a_view_that_conjugates_is_stored_as_what_it_shows(path):
    tensor = torch.tensor([1 + 2j, 3 - 4j]).conj()
    write_tree(path, [tensor, tensor.imag])
    assert same(read_tree(path), [tensor.resolve_conj(), torch.tensor([-2.0, 4.0])])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_tensors_of_another_device_come_back_on_the_cpu(path):
    write_tree(path, [torch.arange(6, device="cuda").reshape(2, 3).t()])
    assert same(read_tree(path), [torch.arange(6).reshape(2, 3).t()])


def test_the_file_is_a_safetensors_file_like_any_other(written):
    assert same(list(load_file(written).values()), [torch.tensor(7), torch.arange(6.0).reshape(2, 3)])


def test_a_tree_without_tensors_is_a_checkpoint_too(path):
    write_tree(path, {"loss": nan})
    assert same(read_tree(path), {"loss": nan})


def test_a_file_that_was_cut_off_at_any_byte_is_refused(written):
    content = written.read_bytes()
    for end in range(len(content)):
        written.write_bytes(content[:end])
        with pytest.raises(StorageError, match="damaged") as error:
            read_tree(written)
        assert str(written) in str(error.value)


def test_a_file_with_a_byte_too_many_is_refused(written):
    written.write_bytes(written.read_bytes() + b"\0")
    with pytest.raises(StorageError, match="damaged"):
        read_tree(written)


def test_a_flipped_bit_anywhere_is_found_and_never_taken_for_a_newer_format(written):
    content = written.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.randrange(8)
        written.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"damaged|not a checkpoint") as error:
            read_tree(written)
        assert not isinstance(error.value, NewerFormatError)


def test_a_checkpoint_of_a_newer_format_asks_for_an_update(path, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr(checkpoint_file, "FORMAT_VERSION", 2)
        write_tree(path, TREE)
    with pytest.raises(NewerFormatError, match=r"newer kaslite \(format 2; this one reads 1\): update kaslite\.$"):
        read_tree(path)


def test_a_checkpoint_with_an_entry_that_nobody_writes_is_refused(path, monkeypatch):
    with monkeypatch.context() as strange:
        strange.setattr(checkpoint_file, "encode", lambda tree: ({"$": "code", "value": tree}, []))
        write_tree(path, "import os")
    with pytest.raises(StorageError, match=r"holds what kaslite does not write: .*'code'"):
        read_tree(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_safetensors_file_of_another_program_is_told_as_such(path, metadata):
    save_file({"w": torch.zeros(2)}, path, metadata)
    with pytest.raises(StorageError, match="is a safetensors file, but not a checkpoint of kaslite"):
        read_tree(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle of torch.save", json.dumps({"a": 1}).encode(), bytes(1000)])
def test_a_file_of_another_kind_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(StorageError, match="is not a checkpoint of kaslite, or is damaged"):
        read_tree(path)


def test_a_file_that_is_not_there_is_named(path, tmp_path):
    with pytest.raises(StorageError, match=r"cannot read the checkpoint .*a\.safetensors: No such file"):
        read_tree(path)
    with pytest.raises(StorageError, match=r"cannot read the checkpoint .*: Is a directory"):
        read_tree(tmp_path)


def test_what_cannot_be_stored_leaves_the_old_file_as_it_was(written):
    with pytest.raises(UsageError, match=r"^hooks\.0 cannot be stored"):
        write_tree(written, {"hooks": [print]})
    assert same(read_tree(written), TREE)
    assert there(written.parent) == [written.name]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(written):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write the checkpoint .*a\.safetensors: File too large"):
            write_tree(written, torch.zeros(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(read_tree(written), TREE)
    assert there(written.parent) == [written.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_any_later_step_leaves_the_old_file_and_nothing_else(written, monkeypatch, step):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fail) if step == "fsync" else failing.setattr(type(written), "replace", fail)
        with pytest.raises(StorageError, match="No space left on device"):
            write_tree(written, [])
    assert same(read_tree(written), TREE)
    assert there(written.parent) == [written.name]


def test_an_interruption_leaves_the_old_file_and_nothing_else(written, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_tree(written, [])
    assert same(read_tree(written), TREE)
    assert there(written.parent) == [written.name]


def test_a_folder_that_is_not_there_is_an_error_with_the_name_of_the_file(tmp_path):
    with pytest.raises(StorageError, match=r"cannot write the checkpoint .*missing/a: No such file"):
        write_tree(tmp_path / "missing" / "a", {})
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write the checkpoint .*file/a: Not a directory"):
        write_tree(tmp_path / "file" / "a", {})


def test_a_tree_whose_texts_do_not_fit_into_a_header_is_refused(path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "_LONGEST_HEADER", 10_000)
    with pytest.raises(UsageError, match="put long lists of numbers into tensors"):
        write_tree(path, list(range(10_000)))


def test_a_checkpoint_of_a_small_network_is_a_matter_of_milliseconds(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a disk's affair
    tree = {str(index): torch.randn(32, 32) for index in range(50)}
    taken_s = []
    for _ in range(9):
        started = time.process_time()
        write_tree(path, tree)
        taken_s.append(time.process_time() - started)
    assert min(taken_s) < 0.01
