"""What every registered blueprint owes, by walking the registry through the public kit."""

import torch

from kaslite import blueprints
from kaslite.testing import BlueprintConformance, subjects_of

NAMES = blueprints.names()
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class TestEveryBlueprint(BlueprintConformance):
    @classmethod
    def subjects(cls):
        return [subject for name in NAMES for subject in subjects_of(name, devices=DEVICES)]


def test_there_are_blueprints_to_test():
    assert {kind: blueprints.names(kind) for kind in blueprints.FeatureKind} == {
        "dense": ["autoencoder", "gated", "lora", "low_rank", "mlp", "mlp_gradmax", "norm"],
        "sequence": ["attention", "autoencoder", "block", "gated", "lora", "low_rank", "mlp", "mlp_gradmax", "norm"],
        "image": [
            "attention",
            "autoencoder",
            "bottleneck",
            "conv_enhance",
            "depthwise",
            "gated",
            "lora",
            "low_rank",
            "mlp",
            "mlp_gradmax",
            "norm",
            "squeeze_excite",
        ],
    }
