"""Fingerprints: 64 bits by which two recordings are compared bit for bit, without data kept.

A fingerprint is the XXH3 hash, 64 bits wide, of a tensor's bytes in row-major order: that of
``xxhsum -H3``. Equal bytes have the same on every machine, whatever the strides; another order,
another sign of zero or another NaN has another. A tensor that was just read is still in the cache,
where hashing it costs a tenth of its statistics.

`torch.hash_tensor`, which newer versions of torch have, does not serve: it is the XOR of all
values, so that neither another order is seen nor two equal values that both change. Integer
reductions that would see it (a shift that brings signs to bits which a product keeps, weights for
places, a sum) go over every byte in three kernels: measured, they cost as much as all statistics.
"""

from __future__ import annotations

import torch
import xxhash

Hasher = xxhash.xxh3_64
CHUNK = 1 << 20  # bytes; what a core's cache holds


def digest(plain: torch.Tensor) -> str:
    """Return the fingerprint of a tensor that has memory, 16 hexadecimal digits.

    Args:
        plain: of any dtype; of a quantised one the integers, scales and zero points count. What
            lies on an accelerator is copied to the host.

    Raises:
        RuntimeError: no kernel reads it.
    """
    hasher = Hasher()
    for chunk in _bytes(plain).split(CHUNK):
        update(hasher, chunk)
    return hasher.hexdigest()


def update(hasher: Hasher, chunk: torch.Tensor) -> None:
    """Go on with the bytes of the next values, in one row on the host.

    Of a copy: memory that numpy has seen cannot be resized any more.
    """
    hasher.update(chunk.view(torch.uint8).clone().numpy().data)


def _bytes(plain: torch.Tensor) -> torch.Tensor:
    """Return bytes in row-major order, uint8 [n]; a copy only where they do not lie so."""
    if plain.is_quantized:
        return torch.cat([_bytes(part) for part in _quantised(plain)])
    here = plain.cpu().resolve_conj().resolve_neg()
    return here.contiguous().reshape(-1).view(torch.uint8)


def _quantised(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a quantised tensor's integers, scales and zero points."""
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        scale = torch.tensor([tensor.q_scale()], dtype=torch.float64)
        return tensor.int_repr(), scale, torch.tensor([tensor.q_zero_point()])
    return tensor.int_repr(), tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
