import pytest
from torch import nn

from kaslite.blueprints import Blueprint, FeatureKind, SeedShape, blueprint, fitting, get, names, registered, registry
from kaslite.errors import UsageError


@pytest.fixture(autouse=True)
def registry_of_this_test(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def scale(shape):
    return nn.Linear(shape.reads, shape.writes, bias=False)


def test_a_registered_recipe_is_found_by_its_name():
    blueprint("scale", kinds=["dense", "image"])(scale)
    found = get("scale")
    assert found.name == "scale"
    assert found.kinds == {FeatureKind.DENSE, FeatureKind.IMAGE}
    assert found.build(SeedShape(FeatureKind.DENSE, reads=3, writes=2)).weight.shape == (2, 3)


def test_registering_leaves_the_recipe_as_it_was():
    assert blueprint("scale", kinds=["dense"])(scale) is scale


def test_names_are_those_that_grow_on_a_kind():
    blueprint("a_scale", kinds=["image"])(scale)
    assert "a_scale" in names("image")
    assert "a_scale" not in names("dense")
    assert names() == sorted({*names("dense"), *names("sequence"), *names("image")})


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(UsageError, match=r"'mlp' is registered already, by kaslite\.blueprints\.mlp"):
        blueprint("mlp", kinds=["dense"])(scale)


def test_a_recipe_of_the_same_name_from_another_module_is_another_recipe():
    def namesake(shape):
        return scale(shape)

    namesake.__qualname__ = "mlp"
    with pytest.raises(UsageError, match="registered already"):
        blueprint("mlp", kinds=["dense"])(namesake)


def test_a_module_that_is_run_again_may_register_its_recipe_again():
    def define():
        def recipe(shape):
            return scale(shape)

        return blueprint("scale", kinds=["dense"])(recipe)

    first, second = define(), define()
    assert first is not second
    assert get("scale").recipe is second


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"unknown blueprint 'low_rnak': did you mean 'low_rank'\?"):
        get("low_rnak")


@pytest.mark.parametrize("use", [names, lambda kind: blueprint("scale", kinds=[kind])])
def test_an_unknown_kind_suggests_the_nearest(use):
    with pytest.raises(UsageError, match=r"unknown kind of feature 'dens': did you mean 'dense'\?"):
        use("dens")


def test_what_a_recipe_declares_is_kept():
    blueprint("scale", kinds=["dense"], compute_multiplier=1.5, min_width=2, keeps_width=True, without_gradient=["weight"])(
        scale
    )
    found = get("scale")
    assert (found.compute_multiplier, found.min_width, found.keeps_width) == (1.5, 2, True)
    assert found.without_gradient == {"weight"}


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (SeedShape(FeatureKind.IMAGE, 4, 4), "it grows on features of kind dense, sequence"),
        (SeedShape(FeatureKind.DENSE, 1, 1), "it needs a width of 2, here 1"),
        (SeedShape(FeatureKind.DENSE, 3, 4), "it writes as many features as it reads, here 3 and 4"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_with_the_reason(shape, reason):
    blueprint("scale", kinds=["dense", "sequence"], min_width=2, keeps_width=True)(scale)
    assert get("scale").refusal(shape) == reason
    assert "scale" not in fitting(shape)
    with pytest.raises(UsageError, match=f"'scale' does not grow on .*: {reason}"):
        get("scale").build(shape)


def test_a_shape_that_fits_is_not_refused():
    shape = SeedShape(FeatureKind.SEQUENCE, 3, 4, causal=True)
    blueprint("scale", kinds=["sequence"])(scale)
    assert get("scale").refusal(shape) is None
    assert "scale" in fitting(shape)


DOCUMENTED = {"depthwise": 1.08, "conv_enhance": 1.15, "norm": 1.02, "attention": 1.35}


@pytest.mark.parametrize("name", names())
def test_the_compute_multiplier_is_the_documented_one(name):
    assert get(name).compute_multiplier == DOCUMENTED.get(name, 1.1)


def test_some_are_known_for_a_while_alone():
    planted = Blueprint("planted", frozenset(FeatureKind), scale)
    with registered(planted):
        assert get("planted") is planted
        with pytest.raises(UsageError, match="'planted' is registered already"), registered(planted):
            pass
        assert get("planted") is planted
    assert "planted" not in names()
