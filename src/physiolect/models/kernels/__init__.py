"""Attention kernels: blocked on a CPU, fused and ring on a GPU."""
