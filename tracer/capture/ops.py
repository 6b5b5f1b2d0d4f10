"""The op grain, and two facts of every run that only torch's dispatcher knows.

`_Ops` sees the tensor functions that Python code calls (`interpolate`, `add_`, `nms`), by their
public names. `_Kernels`, below it, sees what these come down to: which kernels write into their
arguments, and how often they multiply and add (`tracer.capture.macs`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, MethodDescriptorType, MethodWrapperType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from tracer.capture.at_work import frames_compiled, taken_down
from tracer.capture.hooks import name_arguments
from tracer.capture.macs import Count, Counter, counter
from tracer.capture.scripting import modules_scripted
from tracer.capture.watched import Watched

# Functions that can be remembered by themselves: they hash, and hold nothing of the user's.
_COMPILED = (BuiltinFunctionType, MethodDescriptorType, MethodWrapperType)

# Questions about a tensor, not computations on it.
_QUESTIONS = frozenset(
    {
        "__get__",
        "__set__",
        "__len__",
        "__repr__",
        "__format__",
        "__bool__",
        "__int__",
        "__float__",
        "__index__",
        "__contains__",
        "__hash__",
        "__deepcopy__",
        "__reduce_ex__",
        "_assert",
        "assert_",
        "data_ptr",
        "dim",
        "element_size",
        "get_device",
        "is_complex",
        "is_contiguous",
        "is_floating_point",
        "is_inference",
        "is_nonzero",
        "is_same_size",
        "item",
        "ndimension",
        "nelement",
        "numel",
        "register_hook",
        "requires_grad_",
        "size",
        "storage_offset",
        "stride",
        "tolist",
        "type",
        "untyped_storage",
    }
)

_SETTERS = frozenset({"data", "real", "imag"})  # that give a tensor other values


@contextmanager
def watch(tree: Watched) -> Iterator[None]:
    """Switch on the two modes that belong to the recorder's grains."""
    with _compiling_noted(tree), _on(_Kernels(tree), _get_current_dispatch_mode):
        if "op" not in tree.grains:
            yield
            return
        with _on(_Ops(tree), _get_current_function_mode):
            yield


@contextmanager
def _compiling_noted(tree: Watched) -> Iterator[None]:
    before, scripted = frames_compiled(), modules_scripted()
    try:
        yield
    finally:
        if modules_scripted() > scripted:
            tree.note(
                "torch.jit compiled a module within the run: of what the program runs only the "
                "kernels are known, not modules, functions and lines"
            )
        if frames_compiled() > before:
            tree.note(
                "torch.compile compiled code within the run: of what it holds only the kernels "
                "are known, not modules, functions and lines"
            )


@contextmanager
def _on(mode: _Kernels | _Ops, innermost: Callable[[], Any]) -> Iterator[None]:
    """Switch a mode on and off, also where blocks do not end in the order in which they began.

    torch takes the innermost mode off, whichever was to end (two coroutines may be in two blocks):
    one that is not the innermost is left there, without effect, until it is.
    """
    mode.__enter__()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        mode.over = True
        while isinstance(last := innermost(), (_Kernels, _Ops)) and last.over:
            last.__exit__(None, None, None)  # type: ignore[no-untyped-call]


class _Ops(TorchFunctionMode):
    """Records each tensor function as a call without children."""

    def __init__(self, tree: Watched) -> None:
        super().__init__()
        self.tree = tree
        self.over = False
        self._known: dict[Callable[..., Any], tuple[str, str]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run `func`, and record it if it makes or writes a tensor."""
        kwargs = kwargs or {}
        name, namespace = self._names(func)
        if self.over or taken_down() or name in _QUESTIONS or not self.tree.stack():
            return func(*args, **kwargs)
        paused = self.tree.at_work.pause_frames()  # an op is a leaf
        try:
            return self._record(func, name, namespace, args, kwargs)
        finally:
            self.tree.at_work.resume_frames(paused)

    def _names(self, func: Callable[..., Any]) -> tuple[str, str]:
        """What an op is called, and where it lives; of what is compiled it is looked up once."""
        if not isinstance(func, _COMPILED):
            return _name(func), _namespace(func)
        found = self._known.get(func)
        if found is None:
            found = self._known[func] = _name(func), _namespace(func)
        return found

    def _record(
        self,
        func: Callable[..., Any],
        name: str,
        namespace: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        tree = self.tree
        with tree.at_work:
            place = tree.sources.calling(sys._getframe(2))
            opened = tree.begin(
                "op", name, namespace, name_arguments(func, args, kwargs), called_from=place
            )
        if opened is None:
            return func(*args, **kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            with tree.at_work:
                tree.end(opened, None, error)
            raise
        with tree.at_work:
            tree.end(opened, args[0] if name.endswith(_SET) else result)
        return result


_SET = ".__set__"


def _name(func: Callable[..., Any]) -> str:
    """What an op is called: of ``x.data = other`` ``data.__set__``; `_QUESTIONS` are no ops."""
    name = getattr(func, "__name__", "") or str(func)
    if name != "__set__":
        return name
    attribute = func.__self__.__name__  # type: ignore[attr-defined]
    return attribute + _SET if attribute in _SETTERS else name


_TAKEN_DOWN = (
    "torch took down a program within the run (export, compile or fx): what it called meanwhile "
    "computed nothing, and was not recorded"
)


class _Kernels(TorchDispatchMode):
    """Reports in-place writes and multiply-adds; changes nothing."""

    def __init__(self, tree: Watched) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tree = tree
        self.over = False

    # `cond`, `while_loop` and their kin come here too, and are run as they are
    supports_higher_order_operators = True

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Nothing is another by this mode: `flex_attention` and its kin run beneath it."""
        return True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: do not load the compiler (seconds) to keep it out."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the kernel and report it."""
        kwargs = kwargs or {}
        if self.over or not isinstance(func, torch._ops.OpOverload):
            return func(*args, **kwargs)
        if taken_down():
            self.tree.note(_TAKEN_DOWN)
            return func(*args, **kwargs)
        result = func(*args, **kwargs)
        writes, counted = _reported(func)
        if writes:
            self.tree.wrote(_written(writes, args, kwargs))
        if counted is not None and self.tree.stack():
            self.tree.counted(*_count(func, counted, args, kwargs, result))
        return result


@functools.lru_cache(maxsize=4096)
def _reported(kernel: Any) -> tuple[tuple[_Place, ...], Counter | None]:
    """What a kernel writes into, and what counts its multiply-adds; nothing, of most."""
    return _writes(kernel), counter(kernel)


def _count(
    kernel: Any, counter: Counter, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Count:
    """What a kernel's call counts; what cannot be counted is named, and the pass goes on."""
    try:
        return counter(args, kwargs, result)
    except Exception:
        return 0, (str(kernel._schema.name),)


_Place = tuple[int, str]  # of an argument: its index and its name

# What they write if `training` is true: neither their schemas nor version counters say so.
_RUNNING = ((3, "running_mean"), (4, "running_var"))
_TRAINING = (5, "training")
_NORMS = {
    f"aten::{name}" for name in ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm")
}


def _writes(kernel: Any) -> tuple[_Place, ...]:
    """Index and name of each argument that a kernel writes into."""
    if kernel._schema.name in _NORMS:
        return _RUNNING
    arguments = enumerate(kernel._schema.arguments)
    return tuple((i, a.name) for i, a in arguments if a.alias_info and a.alias_info.is_write)


def _written(
    writes: Iterable[_Place], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[torch.Tensor]:
    """The tensors that a kernel wrote into."""
    if writes is _RUNNING and not _argument(_TRAINING, args, kwargs):
        return
    for place in writes:
        value = _argument(place, args, kwargs)
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (v for v in value if isinstance(v, torch.Tensor))


def _argument(place: _Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    i, name = place
    return args[i] if i < len(args) else kwargs.get(name)


def _namespace(func: Callable[..., Any]) -> str:
    """Where a tensor function lives: ``torch.nn.functional``, ``torch.Tensor``, ``torchvision``."""
    owner = getattr(func, "__objclass__", None)
    if owner is not None:
        return "torch.Tensor"
    module = getattr(func, "__module__", None)
    if module and module != "torch._ops":
        return str(module)
    qualified = getattr(func, "_qualified_op_name", "")
    return qualified.partition("::")[0] or "torch"
