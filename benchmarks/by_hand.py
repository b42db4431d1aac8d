"""The run that kaslite is measured against, as one writes it without kaslite: the digits, a narrow host, AdamW.

Data, batches, host, optimizer and the one validation pass an epoch are those of ``kaslite run --problem_type digits``.
"""

from itertools import count, pairwise

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

WIDTH, LAYERS, BATCH = 24, 3, 32
LR, WEIGHT_DECAY = 1e-3, 0.5
TRAIN_FRACTION = 0.7


def load():
    inputs, targets = (torch.tensor(part) for part in load_digits(return_X_y=True))
    order = torch.randperm(len(targets))
    inputs, targets = inputs[order].float(), targets[order]
    first = int(TRAIN_FRACTION * len(targets))
    second = first + (len(targets) - first) // 2
    inputs = (inputs - inputs[:first].mean(0)) / (inputs[:first].std(0) + 1e-8)
    return (inputs[:first], targets[:first]), (inputs[first:second], targets[first:second])


def build():
    widths = [64] + [WIDTH] * LAYERS
    blocks = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
    return nn.Sequential(*blocks, nn.Linear(WIDTH, 10))


def train_epoch(model, optimizer, inputs, targets, epoch):
    model.train()
    total = torch.zeros(())
    for rows in torch.randperm(len(targets), generator=torch.Generator().manual_seed(epoch)).split(BATCH):
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


def epochs():
    """Train and validate for an epoch at each step of this iterator; yield its loss and accuracy."""
    train, validation = load()
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    for epoch in count(1):
        train_epoch(model, optimizer, *train, epoch)
        yield validate(model, *validation)
