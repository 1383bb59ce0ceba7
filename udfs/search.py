"""Kernels of the area search."""

from udfs.kernel import Kernel

KERNELS: list[Kernel] = []
