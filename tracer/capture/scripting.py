"""Hooks of the recorder's own: what it leaves of them in a copy of a module, and in a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from tracer.capture.at_work import taken_down
from tracer.capture.process import Counted

_compiler: Any = getattr(torch.jit, "_recursive", None)  # private: a later torch may lack it


class Hook:
    """A hook that does nothing in a copy of its module.

    A program may copy, pickle or save a module while it runs (a moving average of the weights);
    of its hooks the copy then has a function of the standard library that returns None.
    """

    __slots__ = ("act",)

    def __init__(self, act: Callable[..., None]) -> None:
        self.act = act

    def __call__(self, *told: Any) -> None:
        """What torch calls: with module, arguments, keywords and, afterwards, the result."""
        if not taken_down():
            self.act(*told)

    def __reduce__(self) -> tuple[Any, ...]:
        """Tell `copy` and `pickle` what stands for it."""
        return getattr, (nullcontext(), "__exit__")


class _Unscripted(Counted):
    """Take `Hook`s off a module while torch.jit compiles it.

    ``torch.jit.script`` makes the hooks of a module part of the program: it reads their source,
    which has to be TorchScript.

    Attributes:
        modules: how many modules were compiled so.
    """

    modules = 0
    _compile: Callable[..., Any]

    def change(self) -> None:
        """Stand before the compiler."""
        if hasattr(_compiler, "create_script_module"):
            self._compile = _compiler.create_script_module
            _compiler.create_script_module = self.compiled

    def change_back(self) -> None:
        """Put it back, unless somebody else stands there meanwhile, who goes on to call this."""
        if getattr(_compiler, "create_script_module", None) == self.compiled:
            _compiler.create_script_module = self._compile

    def compiled(self, module: nn.Module, *options: Any, **more: Any) -> Any:
        """Compile a module without our hooks."""
        with ExitStack() as stack:
            for each in module.modules():
                for hooks in (each._forward_pre_hooks, each._forward_hooks):
                    if any(isinstance(hook, Hook) for hook in hooks.values()):
                        stack.callback(_restore, hooks, dict(hooks))
                        for key in [k for k, hook in hooks.items() if isinstance(hook, Hook)]:
                            del hooks[key]
                            self.modules += hooks is each._forward_hooks and each is module
            return self._compile(module, *options, **more)


def _restore(hooks: dict[int, Any], before: dict[int, Any]) -> None:
    hooks.clear()
    hooks.update(before)


_unscripted = _Unscripted()


@contextmanager
def unscripted() -> Iterator[None]:
    """A block in which `Hook`s are no part of what torch.jit compiles."""
    _unscripted.begin()
    try:
        yield
    finally:
        _unscripted.end()


def modules_scripted() -> int:
    """How many hooked modules torch.jit has compiled in this process."""
    return _unscripted.modules
