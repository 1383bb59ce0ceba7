"""Kernels of the area storage."""

from udfs.kernel import Kernel

KERNELS: list[Kernel] = []
