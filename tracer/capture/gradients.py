"""What a backward pass inside the recording leaves in the parameters.

Full backward hooks fail beside in-place activations, so gradients are read where autograd stores
them: when it has accumulated into a parameter's ``.grad``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack

from torch import nn

from tracer.capture.summaries import Reading, fingerprint, read, settle
from tracer.record import ParameterRecord


def install(found: dict[str, Reading], model: nn.Module, stack: ExitStack) -> None:
    """Read the gradients of `model`'s trainable parameters into `found`, until `stack` closes."""
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            continue  # it has no gradient before its shape is known, and refuses a hook
        if parameter.requires_grad and parameter.is_leaf:
            reader = _reader(found, name)
            stack.callback(parameter.register_post_accumulate_grad_hook(reader).remove)


def _reader(found: dict[str, Reading], name: str) -> Callable[[nn.Parameter], None]:
    def accumulated(parameter: nn.Parameter) -> None:
        if parameter.grad is not None:
            found[name] = read(parameter.grad, preview=False)  # nobody shows one

    return accumulated


def describe(
    models: Iterable[nn.Module], gradients: Mapping[str, Reading], fingerprints: bool = False
) -> tuple[ParameterRecord, ...]:
    """Every parameter of the models, with its gradient if a backward pass left one."""
    settle(gradients.values())
    parameters = [
        (name, parameter)
        for model in models
        for name, parameter in model.named_parameters()
        if not isinstance(parameter, nn.parameter.UninitializedParameter)
    ]
    return tuple(
        ParameterRecord(
            name,
            tuple(parameter.shape),
            str(parameter.dtype).removeprefix("torch."),
            parameter.requires_grad,
            gradients[name].summary if name in gradients else None,
            fingerprint(parameter.data) if fingerprints else "",
        )
        for name, parameter in parameters
    )
