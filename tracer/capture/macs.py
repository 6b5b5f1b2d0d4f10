"""Multiply-adds of kernels: torch's formulas, ours for some that torch has none for, and the rest.

torch counts two operations a multiply-add (`torch.utils.flop_counter`); here it is one. A kernel
that multiplies much and has no formula is named in the recording, so that no sum is taken for more
than the least that it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

Formula = Callable[..., int]
"""From a kernel's arguments, and its result as `out_val`, to its multiply-adds."""


def _recurrent(x: Tensor, *weights: Any, **_: Any) -> int:
    """Every matrix of a recurrent layer is applied at each step to each sequence: x is [T, N, I].

    cuDNN takes its weights as one list, oneDNN those of a layer as two arguments.
    """
    first = weights[0]
    matrices: Sequence[Tensor] = weights[:2] if isinstance(first, Tensor) else first
    steps = x.numel() // x.shape[-1]
    return steps * sum(m.numel() for m in matrices if m.dim() == 2)


def _attention(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> int:
    """Q [N, H, L, E], k [N, H, S, E], v [N, H, S, V]: q kᵀ, then its softmax times v."""
    return q.numel() * k.shape[-2] + q.numel() // q.shape[-1] * v.shape[-2] * v.shape[-1]


def _deformable(x: Tensor, weight: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    """As a convolution: each output value is a sum over one filter, weight [O, I, h, w]."""
    return out_val.numel() * weight[0].numel()


def _batched(total: Tensor, a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    """The sum over a batch of products: a [B, n, m], b [B, m, p]."""
    return a.numel() * b.shape[-1]


# Formulas of ours, and the kernels that have none: by namespace and name, since torch and
# torchvision have them in some builds only.
OURS: dict[str, Formula] = {
    "aten::mkldnn_rnn_layer": _recurrent,
    "aten::_cudnn_rnn": _recurrent,
    "aten::miopen_rnn": _recurrent,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::mv": lambda matrix, vector, **_: matrix.numel(),
    "aten::addmv": lambda total, matrix, vector, **_: matrix.numel(),
    "aten::dot": lambda a, b, **_: a.numel(),
    "aten::vdot": lambda a, b, **_: a.numel(),
    "aten::addbmm": _batched,
    "torchvision::deform_conv2d": _deformable,
}
HEAVY = frozenset(
    {
        *("aten::_native_multi_head_attention", "aten::_transformer_encoder_layer_fwd"),
        *("aten::_trilinear", "aten::_cdist_forward", "aten::_pdist_forward"),
        *("aten::_fft_r2c", "aten::_fft_c2r", "aten::_fft_c2c"),
        *("aten::_linalg_svd", "aten::_linalg_eigh", "aten::linalg_eig", "aten::linalg_qr"),
        *("aten::linalg_inv_ex", "aten::_linalg_solve_ex", "aten::linalg_lstsq"),
        *("aten::linalg_lu", "aten::linalg_lu_factor_ex", "aten::linalg_cholesky_ex"),
        *("aten::linalg_solve_triangular", "aten::cholesky_solve", "aten::linalg_matrix_exp"),
        *("aten::_int_mm", "aten::_weight_int8pack_mm", "aten::_weight_int4pack_mm"),
        *("aten::_grouped_mm", "aten::_scaled_grouped_mm"),
        *("aten::_sparse_addmm", "aten::_sparse_sparse_matmul", "aten::sspaddmm"),
    }
)
_PACKED = frozenset({"quantized", "onednn", "mkldnn", "mkl"})  # kernels with weights of their own


@functools.lru_cache(maxsize=4096)
def formula(kernel: Any) -> Formula | None:
    """Return what counts a kernel's multiply-adds; None where nothing does."""
    theirs = flop_registry.get(kernel._overloadpacket)
    if theirs is not None:
        return lambda *args, **kwargs: int(theirs(*args, **kwargs)) // 2
    return OURS.get(kernel._schema.name)


@functools.lru_cache(maxsize=4096)
def uncounted(kernel: Any) -> str:
    """Return the name of a kernel that multiplies much and that nothing counts, else ``""``."""
    name: str = kernel._schema.name
    space, _, own = name.partition("::")
    packed = space in _PACKED and any(word in own for word in ("conv", "linear", "matmul", "rnn"))
    return name if formula(kernel) is None and (name in HEAVY or packed) else ""


@functools.lru_cache(maxsize=4096)
def is_composite(kernel: Any) -> bool:
    """Whether an operation is written in terms of others that are to be seen instead of it.

    With gradients or without, autograd takes such a one apart before a dispatch mode sees it; under
    `torch.inference_mode` it arrives whole.
    """
    if flop_registry.get(kernel._overloadpacket) is not None:
        return False
    has = functools.partial(torch._C._dispatch_has_kernel_for_dispatch_key, kernel.name())
    return has("CompositeImplicitAutograd") and not (has("CPU") or has("CUDA"))
