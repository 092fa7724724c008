"""Attention kernels: blocked and short on a CPU, fused and ring on a GPU."""
