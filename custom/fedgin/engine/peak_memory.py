"""Counting the memory of tensors while code runs, on any device: torch's `meta` device included."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Adds up the bytes of all tensors that come to be inside, until each is freed.

    On the `meta` device tensors have sizes and no content, so that a step that would fill a GPU can
    be counted in a second. What operations need inside (workspaces of convolutions) is not seen.

    Attributes:
        now: Bytes alive that came to be inside.
        peak: The most that were alive at a time.
    """

    def __init__(self) -> None:
        """Starts from nothing."""
        super().__init__()
        self.now = 0
        self.peak = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs an operation and takes note of the tensors that it returns."""
        given = kwargs or {}
        for leaf in tree_leaves((args, given)):
            if isinstance(leaf, Tensor):
                self._note(leaf, inside=False)
        result = func(*args, **given)
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf, inside=True)
        return result

    def _note(self, tensor: Tensor, *, inside: bool) -> None:
        """Takes note of a storage that is met for the first time: what was given came from outside.

        So a view of weights, which has their storage, counts nothing.
        """
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes() if inside else 0
        if key in self._alive:
            return  # a view, or changed in place

        def freed(_: object) -> None:
            self._alive.pop(key, None)
            self.now -= size

        self._alive[key] = weakref.ref(storage, freed)
        self.now += size
        self.peak = max(self.peak, self.now)
