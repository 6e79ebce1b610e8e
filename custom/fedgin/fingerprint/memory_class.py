"""How much memory a site's device has, in coarse classes."""

from __future__ import annotations

from collections.abc import Iterable

GIB = 2**30
CUDA, CPU = "cuda", "cpu"
SIZES = {CUDA: (2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80), CPU: (2, 4, 8, 16, 32, 64)}
MEMORY_CLASSES = tuple(f"{kind}-{size}" for kind, sizes in SIZES.items() for size in sizes)
"""`cuda-12`: a GPU of about 12 GiB; `cpu-8`: no GPU, 8 GiB of main memory or more."""
NOMINAL = 0.95
"""Of what is written on a device a little less can be seen."""
CPU_GIB = 2.0
"""Without a GPU it is time that is short, not memory, and a step takes time with what it touches:
our rule counts such a site as a device of this size."""


def memory_class(kind: str, total_bytes: int) -> str:
    """Returns the largest class that a device reaches, or the smallest.

    Args:
        kind: `cuda` or `cpu`.
        total_bytes: Its whole memory.
    """
    reached = [size for size in SIZES[kind] if total_bytes >= NOMINAL * size * GIB]
    return f"{kind}-{max(reached, default=SIZES[kind][0])}"


def device_class(wish: str) -> str:
    """Returns the class of the device that a site would train on.

    Args:
        wish: The key `device` of the site's file.

    Raises:
        ConfigError: A CUDA device is asked for that is not there.
    """
    if wish != "cpu":
        import torch

        from fedgin.engine.device import choose_device

        device = choose_device(wish)
        if device.type == "cuda":
            return memory_class(CUDA, torch.cuda.get_device_properties(device).total_memory)
    import psutil

    return memory_class(CPU, psutil.virtual_memory().total)


def usable_gib(name: str) -> float:
    """Returns the GiB that a plan counts on for a class."""
    kind, _, size = name.partition("-")
    return min(CPU_GIB, float(size)) if kind == CPU else float(size)


def smallest_class(names: Iterable[str]) -> str:
    """Returns the class with the least usable memory; without a GPU comes before with one.

    Raises:
        ValueError: There is none.
    """
    order = {name: (usable_gib(name), not name.startswith(CPU), name) for name in set(names)}
    return min(order, key=lambda name: order[name])
