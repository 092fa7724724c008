"""The GPU's kernel for one query against a ring, beside the library's attention over the same positions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from physiolect.models.kernels import ring_attention

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("size", "capacity"), [(8, 500), (24, 7), (32, 1300)])
def test_equal_to_the_library_around_the_ring(size: int, capacity: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    keys, values = (torch.randn(3, 2, capacity, size, device="cuda", dtype=dtype) for _ in range(2))
    for seen in (1, capacity // 2, capacity - 1, capacity, capacity + 3):
        q, k, v = (
            x.transpose(1, 2) for x in torch.randn(3, 1, 3, 2, size, device="cuda", dtype=dtype).unbind(2)
        )
        before = keys.clone(), values.clone()
        out = ring_attention.attention(q, k, v, keys, values, torch.tensor([seen], device="cuda"), scale=0.3)
        for held, old, new in zip((keys, values), before, (k, v), strict=True):
            old[:, :, seen % capacity] = new[:, :, 0]
            torch.testing.assert_close(held, old, atol=0, rtol=0)
        filled = min(seen + 1, capacity)
        wanted = F.scaled_dot_product_attention(q, keys[:, :, :filled], values[:, :, :filled], scale=0.3)
        torch.testing.assert_close(out, wanted, atol=1e-5 if dtype == torch.float32 else 0.02, rtol=1e-4)
