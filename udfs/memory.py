"""Kernels of the area memory."""

from udfs.kernel import Kernel

KERNELS: list[Kernel] = []
