"""Keeping compiled graphs true while hooks come and go.

``torch.compile`` neither guards on hooks by default, nor compiles one function more than eight times: a grown model would go on
with the graph of the small one, or fall back to eager without a word (see docs/adr/0001-hook-guards.md).
"""

from __future__ import annotations

import torch


def topology_changed() -> None:
    """Make every compiled graph of this process see the hooks as they are now."""
    from torch._dynamo import config

    config.skip_nnmodule_hook_guards = False
    torch.compiler.reset()
