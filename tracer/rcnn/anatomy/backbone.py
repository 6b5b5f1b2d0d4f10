"""The backbone's own maps, C1 to C5, and the steps of one residual block."""

from __future__ import annotations

from dataclasses import dataclass

from tracer.errors import MissingError, near, option
from tracer.rcnn.anatomy.features import FeatureMap, feature_map, names_by_stride
from tracer.rcnn.anatomy.reading import Pass
from tracer.record import Call, Value

STAGES = ("layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True, eq=False)
class Block:
    """The maps inside one residual block, in the order of computation.

    Attributes:
        path: e.g. ``"backbone.body.layer2.1"``.
        kind: ``"Bottleneck"`` or ``"BasicBlock"``.
        input: what comes in.
        convolutions: (label such as ``"1×1"``, map after its norm) for each convolution.
        shortcut: the input itself, or its projection where the sizes differ.
        projected: whether the shortcut has a convolution of its own.
        added: convolutions plus shortcut, before the last ReLU.
        output: after the ReLU.
    """

    path: str
    kind: str
    input: FeatureMap
    convolutions: tuple[tuple[str, FeatureMap], ...]
    shortcut: FeatureMap
    projected: bool
    added: FeatureMap
    output: FeatureMap


@dataclass(frozen=True, eq=False)
class Backbone:
    """What the backbone computed before any pyramid.

    Attributes:
        maps: C1…C5 as far as there are such; of a backbone that is no ResNet, what it hands to
            the pyramid, or its result where there is none.
        resnet: whether the maps are the stages of a ResNet.
        blocks: paths of the residual blocks, in order.
    """

    maps: tuple[FeatureMap, ...]
    resnet: bool
    blocks: tuple[str, ...]
    _pass: Pass

    def block(self, path: str = "") -> Block:
        """Return the maps inside a residual block.

        Args:
            path: ``"layer2.1"`` or the full dotted path; by default the second block of the
                second stage (or the last there is).

        Raises:
            MissingError: there is no such block, or its parts were not recorded.
        """
        if not self.blocks:
            raise MissingError(f"the backbone of {self._pass.model.type} has no residual blocks")
        if not path:
            path = next((b for b in self.blocks if b.endswith("layer2.1")), self.blocks[-1])
        full = next((b for b in self.blocks if b == path or b.endswith(f".{path}")), None)
        if full is None:
            raise MissingError(f"there is no residual block {path!r}{near(path, self.blocks)}")
        return _read_block(self._pass, full)


def read_backbone(run: Pass) -> Backbone:
    """Read the backbone's maps.

    Raises:
        MissingError: it did not run to its end.
    """
    body = run.module("backbone.body") or run.need_module("backbone", "feature maps")
    resnet = all(run.module(f"backbone.body.{name}") for name in STAGES)
    maps = _resnet_maps(run) if resnet else _own_maps(run, body)
    return Backbone(maps, resnet, _blocks(run), run)


def _resnet_maps(run: Pass) -> tuple[FeatureMap, ...]:
    names = ("relu", *STAGES)
    found = [(f"C{i + 1}", run.module(f"backbone.body.{name}")) for i, name in enumerate(names)]
    return tuple(
        feature_map(run, name, call.result, call)
        for name, call in found
        if call is not None and call.result is not None and call.result.tensor is not None
    )


def _own_maps(run: Pass, body: Call) -> tuple[FeatureMap, ...]:
    assert body.result is not None
    values = maps_of(body.result)
    names = names_by_stride(run, [value for _, value in values], "C")
    return tuple(
        feature_map(run, name, value, body) for name, (_, value) in zip(names, values, strict=True)
    )


def maps_of(value: Value) -> list[tuple[str, Value]]:
    """Return (key, tensor) for what a backbone returned: one tensor or a mapping of them."""
    if value.tensor is not None:
        return [("0", value)]
    return [(key, item) for key, item in value.items if item.tensor is not None]


def _blocks(run: Pass) -> tuple[str, ...]:
    table = run.trace.modules
    inside = run.prefix + "backbone"
    return tuple(
        path
        for path, module in table.items()
        if path.startswith(inside) and module.type in ("Bottleneck", "BasicBlock")
    )


def _read_block(run: Pass, path: str) -> Block:
    call = next(iter(run.named("module", path)), None)
    if call is None or call.result is None:
        raise MissingError(f"the block {path} did not run to its end in this pass")
    count = 3 if run.trace.modules[path].type == "Bottleneck" else 2
    convolutions = tuple(_convolution(run, path, i + 1) for i in range(count))
    added = _added(run, call)
    down = next(iter(run.named("module", f"{path}.downsample")), None)
    entering = feature_map(run, "input", call.args.items[0][1], call, f"args:{path}")
    if down is not None and down.result is not None:
        shortcut = feature_map(run, "shortcut", down.result, down)
    else:
        shortcut = entering
    output = feature_map(run, "ReLU", call.result, call)
    kind = run.trace.modules[path].type
    return Block(path, kind, entering, convolutions, shortcut, down is not None, added, output)


def _left_out(path: str) -> MissingError:
    return MissingError(f"{path} was not recorded: record without {option(only=None)}")


def _convolution(run: Pass, path: str, number: int) -> tuple[str, FeatureMap]:
    call = next(iter(run.named("module", f"{path}.bn{number}")), None)
    if call is None or call.result is None:
        raise _left_out(f"{path}.bn{number}")
    size = dict(run.trace.modules[f"{path}.conv{number}"].settings).get("kernel_size", "")
    size = size or _kernel(run.trace.modules[f"{path}.conv{number}"].extra)
    return size, feature_map(run, size, call.result, call)


def _kernel(extra: str) -> str:
    found = extra.partition("kernel_size=(")[2].partition(")")[0]
    return found.replace(", ", "×")


def _added(run: Pass, call: Call) -> FeatureMap:
    """The sum that the block's last ReLU gets, as it was before the ReLU overwrote it."""
    relu = run.named("module", f"{call.path}.relu", call)
    if not relu:
        raise _left_out(f"{call.path}.relu")
    return feature_map(run, "sum", relu[-1].args.items[0][1], relu[-1], f"args:{relu[-1].path}")
