"""One rule for what operations cost in floating-point operations, forward and backward: it serves blueprints and whole runs.

Products, convolutions and attention are counted by ``torch.utils.flop_counter`` (a multiplication and an addition are two;
the bias inside one is free). It reports everything else as 0; here that is counted by a declared rule:

- an element-wise operation, forward or backward: one for each number that it returns;
- a sum, a mean, a pooling: one for each number that it takes in;
- a normalisation or a softmax: five for each number; backward, a normalisation ten and a softmax five;
- the softmax inside a fused attention: five for each score; backward ten, because it is computed once more;
- a loss that is one operation (mean squared error): three for each number, and backward likewise;
- copies, casts, fills, look-ups, and whatever is not in this list: nothing.

An operation is counted when it is carried out: a gradient that nobody needs, such as that of a first layer by its input, costs
nothing. Masked positions of causal attention count as computed. Not for: time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

if TYPE_CHECKING:
    from collections.abc import Callable

_NORMALISATIONS = (
    "native_layer_norm",
    "native_group_norm",
    "_fused_rms_norm",
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_batch_norm_with_update",
    "cudnn_batch_norm",
)
_NORMALISATIONS_BACKWARD = (
    "native_layer_norm_backward",
    "native_group_norm_backward",
    "_fused_rms_norm_backward",
    "native_batch_norm_backward",
    "batch_norm_backward",
    "cudnn_batch_norm_backward",
)
_SOFTMAXES = ("_softmax", "_safe_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data")
_LOSSES = ("mse_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy")
_SUMS = (  # those that torch does not tag as reductions
    "embedding_dense_backward",
    "max_pool2d_with_indices",
    "avg_pool2d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool2d_backward",
    "avg_pool2d_backward",
)
_PER_NUMBER = {  # of the largest argument
    **dict.fromkeys(_NORMALISATIONS, 5),  # two passes for the moments, then shift, scale, and gain
    **dict.fromkeys(_NORMALISATIONS_BACKWARD, 10),  # by the input and by the gains
    **dict.fromkeys(_SOFTMAXES, 5),  # the maximum, the shift, exp, the sum, and the division; likewise backward
    **dict.fromkeys(_LOSSES, 3),
    **dict.fromkeys((f"{name}_backward" for name in _LOSSES), 3),
    **dict.fromkeys(_SUMS, 1),
}
_FUSED_ATTENTION = "_scaled_dot_product_"
_FREE = frozenset({"clone", "nan_to_num", "nan_to_num_"})  # called element-wise by torch; they compute nothing


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# torch counts attention on the GPU, and on the CPU as 0.
_CPU_ATTENTION: dict[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001  its only name
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001  likewise
}


class FlopCount:
    """Counts the FLOPs of what is carried out inside ``with FlopCount() as count``; afterwards they are ``count.total``.

    >>> import torch
    >>> with FlopCount() as count:
    ...     rows = torch.ones(3, 4) @ torch.ones(4, 5)
    ...     rows = rows.relu()
    >>> count.total
    135
    """

    def __init__(self) -> None:
        self._products = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
        self._rest = _Rest()

    def __enter__(self) -> Self:
        """Begin to count."""
        self._rest.__enter__()  # type: ignore[no-untyped-call]
        self._products.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:  # noqa: PYI036  passed on to two of other signatures
        """Count no longer."""
        self._products.__exit__(*raised)
        self._rest.__exit__(*raised)  # type: ignore[no-untyped-call]

    @property
    def total(self) -> int:
        """All that was counted."""
        return int(self._products.get_total_flops()) + self._rest.flops


class _Rest(TorchDispatchMode):
    """Counts what the flop counter reports as 0."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        self.flops += _flops_of(func, args, returned)
        return returned


def _flops_of(operation: Any, args: tuple[Any, ...], returned: Any) -> int:
    name = operation.overloadpacket.__name__
    if name in _PER_NUMBER:
        return _PER_NUMBER[name] * max(argument.numel() for argument in args[:2] if isinstance(argument, Tensor))
    if name.startswith(_FUSED_ATTENTION):
        return _softmax_inside(args, backward=name.endswith("_backward"))
    if torch.Tag.reduction in operation.tags:
        return int(args[0].numel())
    if torch.Tag.pointwise in operation.tags and name not in _FREE:
        return int(returned.numel())
    return 0


def _softmax_inside(args: tuple[Any, ...], *, backward: bool) -> int:
    query, key = args[1:3] if backward else args[:2]  # (..., tokens, features); backward the gradient comes first
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return int(scores) * (10 if backward else 5)
