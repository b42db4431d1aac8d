import pytest
import torch
from torch import nn

from kaslite.errors import UsageError
from kaslite.seeds.span import Span, find_spans, submodules


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)


class Host(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.head = nn.Linear(4, 2)


def compiled(module):
    return torch.compile(module, backend="eager")


def written(at, host=None):
    return [span.writes for span in find_spans(host or Host(), at)]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("stem", ["stem"]),
        ("blocks.1", ["blocks.1"]),
        ("blocks.*", ["blocks.0", "blocks.1", "blocks.2"]),
        ("*", ["stem", "blocks", "head"]),
        ("blocks.*.linear", ["blocks.0.linear", "blocks.1.linear", "blocks.2.linear"]),
        ("*.0.*", ["blocks.0.linear", "blocks.0.norm"]),
        ("blocks.[02]", ["blocks.0", "blocks.2"]),
        ("?ea*", ["head"]),
    ],
)
def test_a_pattern_is_matched_part_by_part(pattern, names):
    assert written(pattern) == names


def test_several_patterns_are_taken_together_in_the_order_of_the_host():
    assert written(["head", "blocks.2", "blocks.0"]) == ["blocks.0", "blocks.2", "head"]


def test_a_pattern_reads_where_it_writes():
    (span,) = find_spans(Host(), "stem")
    assert span.source == "stem"


def test_a_span_may_read_an_earlier_point():
    (span,) = find_spans(Host(), Span(reads="stem", writes="blocks.2"))
    assert (span.source, span.writes) == ("stem", "blocks.2")


@pytest.mark.parametrize(
    ("at", "near"),
    [
        ("block.0", "blocks.0"),
        ("blocks.0.liner", "blocks.0.linear"),
        (Span("blocks.7"), "blocks.0"),
        (Span(writes="head", reads="stm"), "stem"),
        ("", "stem"),
    ],
)
def test_what_matches_nothing_is_refused_with_near_names(at, near):
    with pytest.raises(UsageError, match="matches no submodule of the host") as error:
        find_spans(Host(), at)
    assert repr(near) in str(error.value)


@pytest.mark.parametrize("pattern", ["blocks*linear", "blocks.0*norm", "*linear"])
def test_a_star_does_not_cross_a_dot(pattern):
    with pytest.raises(UsageError, match="matches no submodule"):
        find_spans(Host(), pattern)


def test_a_host_without_submodules_is_told_so():
    with pytest.raises(UsageError, match="it has none"):
        find_spans(nn.Linear(2, 2), "*")


@pytest.mark.parametrize(
    ("at", "meeting"),
    [
        (["stem", "stem"], "stem"),
        (["blocks.*", "blocks.1"], "blocks.1"),
        (["head", Span(writes="head", reads="stem")], "head"),
    ],
)
def test_two_entries_that_meet_at_one_submodule_are_refused(at, meeting):
    with pytest.raises(UsageError, match=f"two entries of at= write to '{meeting}'"):
        find_spans(Host(), at)


@pytest.mark.parametrize(
    ("at", "outer", "inner"),
    [
        (["blocks.*", "blocks.*.linear"], "blocks.0", "blocks.0.linear"),
        (["blocks.2.norm", "blocks.2"], "blocks.2", "blocks.2.norm"),
        (["*", Span("blocks.1", reads="stem")], "blocks", "blocks.1"),
    ],
)
def test_seeds_on_a_submodule_and_on_what_is_inside_it_are_refused_by_both_names(at, outer, inner):
    with pytest.raises(UsageError, match=f"puts seeds on '{outer}' and on '{inner}' inside it; take one of the two"):
        find_spans(Host(), at)


def test_names_that_only_begin_alike_are_not_inside_one_another():
    host = nn.Module()
    host.block, host.block2 = nn.Linear(4, 4), nn.Linear(4, 4)
    assert written(["block", "block2"], host) == ["block", "block2"]


@pytest.mark.parametrize("at", ["stem", "tied", "*e*", Span("tied", reads="head")])
def test_a_submodule_that_the_host_holds_under_two_names_is_refused_by_both(at):
    host = Host()
    host.tied = host.stem
    with pytest.raises(UsageError, match="the host holds one submodule as 'stem' and as 'tied'"):
        find_spans(host, at)


def test_a_submodule_inside_a_shared_one_is_refused_by_both_names():
    host = Host()
    host.blocks.append(host.blocks[0])
    with pytest.raises(UsageError, match=r"as 'blocks\.0\.linear' and as 'blocks\.3\.linear'"):
        find_spans(host, "blocks.0.linear")
    assert written("blocks.1", host) == ["blocks.1"]


def test_a_compiled_host_has_the_names_of_the_plain_one():
    assert list(submodules(compiled(Host()))) == list(submodules(Host()))


def test_a_host_with_a_compiled_part_has_the_names_of_the_plain_one():
    host = Host()
    host.blocks[1] = compiled(host.blocks[1])
    assert written("blocks.*.linear", host) == written("blocks.*.linear")


def test_of_a_compiled_submodule_the_wrapped_one_is_meant():
    host = Host()
    inner = host.stem
    host.stem = compiled(inner)
    assert submodules(host)["stem"] is inner


def test_an_empty_at_is_refused():
    with pytest.raises(UsageError, match="nothing could ever grow"):
        find_spans(nn.Linear(2, 2), [])
