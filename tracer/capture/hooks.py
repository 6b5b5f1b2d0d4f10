"""The module grain: a forward pre-hook and a forward hook on every module."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from torch import nn

from tracer.capture.domains import domain_of
from tracer.capture.open_call import Open
from tracer.capture.scripting import Hook
from tracer.capture.summaries import unseen
from tracer.capture.watched import Watched
from tracer.record import Finding, Source

Remarks = Callable[[Any, tuple[Any, ...], dict[str, Any]], Sequence[Finding]]


def install(tree: Watched, model: nn.Module, stack: ExitStack) -> None:
    """Hook every module of `model`, until the stack is closed.

    The hooks run after the user's own, so that arguments and results are the ones that count.
    """
    remarks = domain_of(model).remarks
    for module in model.modules():
        watch = _ModuleWatch(tree, module, remarks if module is model else None)
        before = module.register_forward_pre_hook(Hook(watch.before), with_kwargs=True)
        stack.callback(before.remove)
        hook = Hook(watch.after)
        after = module.register_forward_hook(hook, with_kwargs=True, always_call=True)
        stack.callback(after.remove)


class _ModuleWatch:
    """The two hooks of one module, and the calls of it that are under way."""

    def __init__(self, tree: Watched, module: nn.Module, remarks: Remarks | None) -> None:
        self.tree = tree
        self.remarks = remarks
        self.path = tree.path(module)
        self.skipped = "module" not in tree.grains and self.path != ""
        self.source = _forward_place(tree, module)

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Open the call, while its arguments are what the module gets."""
        tree = self.tree
        if self.skipped or tree.at_work.busy():
            return
        with tree.at_work:
            self._look(module, args, kwargs)
            tree.begin(
                "module",
                self.path,
                type(module).__name__,
                name_arguments(type(module).forward, args, kwargs, skip_first=True),
                owner=module,
                source=self.source,
                called_from=tree.sources.calling(sys._getframe(1)),
            )

    def _look(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note what is odd about a model's inputs, where they can be looked at."""
        if self.remarks is None:
            return
        with suppress(Exception), unseen():
            for finding in self.remarks(module, args, kwargs):
                self.tree.find(finding)

    def after(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Close the call; torch also calls this when forward raised."""
        tree = self.tree
        if self.skipped or tree.at_work.busy():
            return
        with tree.at_work:
            opened = _opened(tree, module)
            if opened is None:
                return
            error = sys.exc_info()[1]
            tree.end(opened, result, None if error is opened.before else error)


def _opened(tree: Watched, module: nn.Module) -> Open | None:
    """The innermost call of this module that is under way in this thread."""
    for opened in reversed(tree.stack()):
        if opened.owner is module:
            return opened
    return None


def _forward_place(tree: Watched, module: nn.Module) -> Source | None:
    code = getattr(inspect.unwrap(type(module).forward), "__code__", None)
    if code is None or not tree.sources.traces(code):
        return None
    return tree.sources.place(code.co_filename, code.co_firstlineno)


@functools.lru_cache(maxsize=4096)
def parameter_names(function: Callable[..., Any]) -> tuple[tuple[str, ...], str]:
    """(positional parameter names, name of ``*args`` or ``""``) of a function; empty if unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return (), ""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
    return tuple(p.name for p in parameters if p.kind in plain), rest[0] if rest else ""


def name_arguments(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    skip_first: bool = False,
) -> list[tuple[str, Any]]:
    """Pair arguments with the callee's parameter names; a number stands for an unknown one."""
    names, rest = parameter_names(function)
    names = names[1:] if skip_first else names
    known = len(names)
    found = list(zip(names, args, strict=False))
    for i, value in enumerate(args[known:]):
        found.append((f"{rest}{i}" if rest else str(known + i), value))
    return found + list(kwargs.items())
