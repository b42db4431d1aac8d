"""The runs that kaslite is measured against, as one writes them without kaslite: data, a host of linear layers, AdamW.

Data, batches, host, optimizer and the one validation pass an epoch are those of ``kaslite run`` with the same settings.
"""

from dataclasses import dataclass
from itertools import count, pairwise
from math import pi

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

TRAIN_FRACTION = 0.7


@dataclass(frozen=True)
class Loop:
    """What is trained, and how."""

    width: int
    layers: int
    batch: int
    lr: float
    weight_decay: float


DIGITS = Loop(width=24, layers=3, batch=32, lr=1e-3, weight_decay=0.5)
GENERATION1 = Loop(width=128, layers=8, batch=64, lr=1e-3, weight_decay=0.01)


def digits():
    inputs, targets = (torch.tensor(part) for part in load_digits(return_X_y=True))
    return split(inputs.float(), targets)


def spirals(samples=2000, rotations=4.0, noise=0.25):
    """Two arms in a plane, in a space of three dimensions."""
    targets = torch.arange(samples) % 2
    turned = 2 * pi * rotations * torch.rand(samples).sqrt()
    angles = turned + pi * targets
    plane = torch.stack([turned * angles.cos(), turned * angles.sin(), torch.zeros(samples)], 1)
    return split(plane + noise * torch.randn(samples, 3), targets)


def split(inputs, targets):
    """Split, and scale by what the training part is."""
    order = torch.randperm(len(targets))
    inputs, targets = inputs[order], targets[order]
    first = int(TRAIN_FRACTION * len(targets))
    second = first + (len(targets) - first) // 2
    inputs = (inputs - inputs[:first].mean(0)) / (inputs[:first].std(0) + 1e-8)
    return (inputs[:first], targets[:first]), (inputs[first:second], targets[first:second])


def build(loop, inputs, outputs):
    widths = [inputs] + [loop.width] * loop.layers
    blocks = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
    return nn.Sequential(*blocks, nn.Linear(loop.width, outputs))


def train_epoch(model, optimizer, inputs, targets, order):
    model.train()
    total = torch.zeros(())
    for rows in order:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs[rows]), targets[rows])
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    return total.item() / len(targets)


def validate(model, inputs, targets):
    model.eval()
    with torch.no_grad():
        outputs = model(inputs)
    loss = functional.cross_entropy(outputs, targets).item()
    return loss, (outputs.argmax(-1) == targets).float().mean().item()


def epochs(loop=DIGITS, data=digits):
    """Train and validate for an epoch at each step of this iterator; yield its loss and accuracy."""
    train, validation = data()
    model = build(loop, train[0].shape[1], int(train[1].max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=loop.lr, weight_decay=loop.weight_decay)
    for epoch in count(1):
        order = torch.randperm(len(train[1]), generator=torch.Generator().manual_seed(epoch))
        train_epoch(model, optimizer, *train, order.split(loop.batch))
        yield validate(model, *validation)
