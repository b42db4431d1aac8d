from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kaslite.errors import DataError
from kaslite.tasks import topics

CONTEXT = 16
PLACES = np.arange(10_000, dtype=np.uint32)  # a text in which every character says where it stands


def settings(**changes):
    return SimpleNamespace(**{"n_samples": 400, "context": CONTEXT, "train_frac": 0.7, **changes})


def load(rng_seed=0, **changes):
    return topics.load(settings(**changes), rng_seed)


def draw(characters=PLACES, n_samples=200, rng_seed=0):
    return topics.draw_windows(characters, n_samples, CONTEXT, 0.7, rng_seed)


def splits(task):
    return task.train, task.validation, task.test


@pytest.fixture(scope="module")
def task():
    return load()


def decode(task, tokens):
    """Write tokens as text again; what is unknown becomes �."""
    (part, *_) = draw(np.frombuffer(topics.read_text().encode("utf-32-le"), dtype=np.uint32), n_samples=400)
    characters = ["�", *map(chr, np.unique(part))]
    assert len(characters) == task.num_classes
    return "".join(characters[token] for token in tokens)


def test_samples_are_windows_and_targets_the_characters_after_each(task):
    assert [part.inputs.shape for part in splits(task)] == [(280, CONTEXT), (60, CONTEXT), (60, CONTEXT)]
    for part in splits(task):
        assert part.inputs.dtype == part.targets.dtype == torch.int64
        assert torch.equal(part.inputs[:, 1:], part.targets[:, :-1])


def test_a_window_is_a_piece_of_the_text(task):
    first = [*task.train.inputs[0].tolist(), task.train.targets[0, -1].item()]
    assert decode(task, first) in topics.read_text()


def test_no_character_stands_in_two_splits():
    train, validation, test = (set(part.flatten().tolist()) for part in draw())
    assert max(train) < min(validation)
    assert max(validation) < min(test)


def test_windows_of_a_split_share_no_input():
    for part in draw():
        inputs = part[:, :-1].flatten().tolist()
        assert len(set(inputs)) == len(inputs)


def test_hardly_a_window_stands_in_the_training_text_word_for_word():
    text = topics.read_text()
    train = text[: int(0.7 * len(text))]
    windows = [text[start : start + 64] for start in range(len(train), len(text) - 64, 64)]
    assert np.mean([window in train for window in windows]) < 0.01


def test_the_vocabulary_is_the_characters_of_the_training_split_alone(task):
    assert set(torch.cat([task.train.inputs, task.train.targets]).flatten().tolist()) == set(range(1, task.num_classes))


def test_a_character_that_was_not_trained_on_is_the_unknown_token():
    tokens = topics._tokens(np.array([[5, 7, 6, 9, 1]], dtype=np.uint32), np.array([5, 7], dtype=np.uint32))
    assert tokens.tolist() == [[1, 2, topics.UNKNOWN, topics.UNKNOWN, topics.UNKNOWN]]


def test_another_rng_seed_draws_other_windows(task):
    assert torch.equal(load().train.inputs, task.train.inputs)
    assert not torch.equal(load(rng_seed=1).train.inputs, task.train.inputs)


def test_every_window_of_a_region_can_be_drawn():
    there = (7000 - 1) // CONTEXT
    characters = PLACES[: 7000 * 10 // 7]
    (train, *_) = topics.draw_windows(characters, there, CONTEXT, 0.7, 0)
    assert len(train) == int(0.7 * there)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"n_samples": 100_000},
            r"n_samples=100000 asks for 70000 windows of 16 characters in a part of the text that has \d+",
        ),
        ({"context": 1_000_000, "n_samples": 10}, "make n_samples or context smaller"),
        ({"n_samples": 1}, "topics: the train split is empty"),
        ({"n_samples": 2}, "topics: the validation split is empty"),
    ],
)
def test_a_size_that_the_text_does_not_allow_is_refused(changes, complaint):
    with pytest.raises(DataError, match=complaint):
        load(**changes)
