"""Multiply-adds of kernels: torch's formulas, ours for some that torch has none for, and the rest.

torch counts two operations a multiply-add (`torch.utils.flop_counter`); here it is one. A kernel
that multiplies much and has no formula is named in the recording, so that no sum is taken for more
than the least that it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

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


def formula(kernel: Any) -> Formula | None:
    """Return what counts a kernel's multiply-adds; None where nothing does."""
    theirs = flop_registry.get(kernel._overloadpacket)
    if theirs is not None:
        return _halved(theirs)
    return OURS.get(kernel._schema.name)


_SHAPED = shape_wrapper(len).__code__  # what torch wraps around a formula that takes shapes


def _halved(theirs: Callable[..., Any]) -> Formula:
    """A formula of torch's, which counts two operations, without its own slow way to the shapes."""
    of_shapes = getattr(theirs, "__wrapped__", None)
    if of_shapes is None or getattr(theirs, "__code__", None) is not _SHAPED:
        return lambda *args, **kwargs: int(theirs(*args, **kwargs)) // 2

    def count(*args: Any, out_val: Any, **kwargs: Any) -> int:
        named = {name: _sizes(value) for name, value in kwargs.items()}
        return int(of_shapes(*map(_sizes, args), out_shape=_sizes(out_val), **named)) // 2

    return count


def _sizes(value: Any) -> Any:
    """Shapes for tensors, also for those in lists."""
    if isinstance(value, Tensor):
        return value.shape
    return type(value)(map(_sizes, value)) if type(value) in (list, tuple) else value


def uncounted(kernel: Any) -> str:
    """Return the name of a kernel that multiplies much and that nothing counts, else ``""``."""
    name: str = kernel._schema.name
    space, _, own = name.partition("::")
    packed = space in _PACKED and any(word in own for word in ("conv", "linear", "matmul", "rnn"))
    return name if formula(kernel) is None and (name in HEAVY or packed) else ""


Count = tuple[int, tuple[str, ...]]
"""Multiply-adds, and the kernels that nothing counts."""


Counter = Callable[[tuple[Any, ...], dict[str, Any], Any], Count]
"""From the arguments and the result of a kernel's call to what it counts."""


@functools.lru_cache(maxsize=4096)
def counter(kernel: Any) -> Counter | None:
    """Return what counts a call of a kernel from its arguments and result; None for most."""
    count = formula(kernel)
    if count is not None:
        return lambda args, kwargs, result: (count(*args, **kwargs, out_val=result), ())
    if unknown := uncounted(kernel):
        return lambda args, kwargs, result: (0, (unknown,))
    if _is_composite(kernel):
        return lambda args, kwargs, result: _of_parts(
            kernel, *_shapes(args), *_shapes(sorted(kwargs.items()))
        )
    return None


def _is_composite(kernel: Any) -> bool:
    """Whether an operation is written in terms of others.

    With gradients or without, autograd takes such a one apart before a dispatch mode sees it; under
    `torch.inference_mode` it arrives whole. Some are none of the dispatcher's (`prim::device`, by
    which a fake tensor is asked where it lies).
    """
    if not torch._C._dispatch_has_kernel(kernel.name()):
        return False
    has = functools.partial(torch._C._dispatch_has_kernel_for_dispatch_key, kernel.name())
    return has("CompositeImplicitAutograd") and not (has("CPU") or has("CUDA"))


class _Parts(TorchDispatchMode):
    """Counts the kernels that an operation comes down to."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0
        self.unknown: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run the kernel and count it."""
        result = func(*args, **(kwargs or {}))
        if (counted := counter(func)) is not None:
            count, unknown = counted(args, kwargs or {}, result)
            self.count += count
            self.unknown.update(unknown)
        return result


class _Shape(NamedTuple):
    """What a tensor is without its values."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


def _shapes(values: Sequence[Any]) -> tuple[tuple[Any, ...]]:
    """Return values that can be looked up: shapes for tensors, tuples for lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, Tensor):
            return _Shape(tuple(value.shape), value.stride(), value.dtype)
        if isinstance(value, torch.ScriptObject):  # a profiler's, which cannot be compared
            return type(value)
        return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value

    return (tuple(map(plain, values)),)


@functools.lru_cache(maxsize=4096)
def _of_parts(kernel: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> Count:
    """Count what an operation comes down to, on tensors without values.

    The operation of the pass itself runs as it does: taken apart, it would take other kernels, and
    the last digits of its results would be others.
    """

    def tensor(value: Any) -> Any:
        if isinstance(value, _Shape):
            return torch.empty_strided(value.size, value.stride, dtype=value.dtype, device="meta")
        return [tensor(each) for each in value] if type(value) is tuple else value

    with torch.inference_mode(False), torch.no_grad(), _Parts() as parts:
        try:
            kernel(*map(tensor, args), **{name: tensor(value) for name, value in kwargs})
        except Exception:  # an operation that asks for values
            return 0, (kernel._schema.name,) if _MUCH.search(kernel._schema.name) else ()
    return parts.count, tuple(sorted(parts.unknown))


_MUCH = re.compile("conv|linear|matmul|einsum|lstm|gru|rnn|attention|fft|linalg|dot|bilinear")
