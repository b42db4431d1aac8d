"""A second task on a frozen host: seeds grow for it, and the first task is answered as before, bit for bit."""

from __future__ import annotations

import pytest
import torch

from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run

FIRST = {"warm_up_epochs": 8, "adaptation_epochs": 1, "acc_threshold": 0.0, "train_frac": 0.5, "num_layers": 2}
SECOND = FIRST | {
    "warm_up_epochs": 1,
    "adaptation_epochs": 14,
    "acc_threshold": 1.0,
    "patience": 3,
    "delta": 10.0,
    "shadow_epochs": 1,
    "blend_steps": 5,
    "lr": 1e-2,
    "shadow_lr": 1e-2,
    "weight_decay": 0.01,
    "blueprints": ["lora"],
    "rng_seed": 1,
    "freeze_host": True,
}
TASKS = {
    "mlp": ({"problem_type": "digits", "classes": (0, 1, 2, 3, 4)}, {"classes": (5, 6, 7, 8, 9)}),
    "cnn": ({"problem_type": "digits", "classes": (0, 1, 2, 3, 4)}, {"classes": (5, 6, 7, 8, 9)}),
    "transformer": ({"n_samples": 120, "context": 12, "train_frac": 0.7}, {}),
}


@pytest.mark.parametrize("host", TASKS)
def test_the_new_task_is_learned_by_seeds_alone_and_the_old_one_is_answered_as_before(host, tmp_path):
    task, change = TASKS[host]
    first = resolve({"host": host} | FIRST | task)
    trained = run(first, tmp_path).run_dir
    old = assemble(first).task.test.inputs
    second = SECOND | task | change | ({"rng_seed": 0} if host == "transformer" else {})  # its classes are those of the text
    experiment = assemble(resolve({"host": host, "host_from": trained} | second))
    host_before = {name: tensor.clone() for name, tensor in experiment.model.host.state_dict().items()}
    answers = experiment.model.eval()(old)
    losses = []
    experiment.train(lambda: losses.append(experiment.trainer.val_loss))

    assert experiment.counts["seed_fossilized"] >= 1
    assert min(losses) < losses[0]
    host_after = experiment.model.host.state_dict()
    assert all(torch.equal(host_after[name], host_before[name]) for name in host_before)
    for seed in experiment.model.seeds:
        seed.set_ramp(0.0)
    assert torch.equal(experiment.model.eval()(old), answers)
