import pytest

from kaslite.blueprints import FeatureKind, SeedShape, get


@pytest.mark.parametrize(("reads", "writes", "rank"), [(128, 128, 4), (12, 20, 4), (3, 20, 3), (20, 1, 1)])
def test_its_rank_is_4_or_the_narrower_width(reads, writes, rank):
    module = get("lora").build(SeedShape(FeatureKind.DENSE, reads, writes))
    assert sum(parameter.numel() for parameter in module.parameters()) == rank * (reads + writes)
