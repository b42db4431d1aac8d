import pytest

from kaslite.blueprints import FeatureKind, SeedShape, get


@pytest.mark.parametrize(("reads", "writes", "hidden"), [(12, 12, 24), (12, 20, 40), (20, 12, 24), (6, 3, 8)])
def test_it_widens_to_twice_what_it_writes_and_eight_at_least(reads, writes, hidden):
    module = get("mlp").build(SeedShape(FeatureKind.DENSE, reads, writes))
    norm, widen, narrow = 2 * reads, reads * hidden + hidden, hidden * writes + writes
    assert sum(parameter.numel() for parameter in module.parameters()) == norm + widen + narrow
