"""Which domain a model is of: the only place where capture meets what is known of detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from tracer.domain import Domain
from tracer.rcnn.domain import Detectors

_domains: list[Domain] = [Detectors(), Domain()]


def add_domain(domain: Domain) -> None:
    """Make a domain known; it is asked before those that are known already."""
    _domains.insert(0, domain)


def is_preset(name: str) -> bool:
    """Return whether ``keep=`` knows a name as a preset, with some kind of model."""
    return any(name in domain.presets for domain in _domains)


def domain_of(*targets: nn.Module | Callable[..., Any]) -> Domain:
    """Return the first domain that knows one of some models, or a builder."""
    return next((d for d in _domains if any(map(d.knows, targets))), _domains[-1])
