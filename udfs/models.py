"""Kernels of the area models."""

from udfs.kernel import Kernel

KERNELS: list[Kernel] = []
