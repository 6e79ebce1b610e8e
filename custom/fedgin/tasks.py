"""The segmentation tasks: their classes, intensity window and default geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fedgin.config import nearest
from fedgin.errors import ConfigError, Problem
from fedgin.structure_words import nearest_structure


@dataclass(frozen=True)
class TaskClass:
    """A structure to segment.

    Attributes:
        name: The name under which a site's label map lists it.
        parts: Names whose union is the structure, for label maps that list only its parts.
    """

    name: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """What depends on training in 2D slices or in 3D patches.

    Attributes:
        spacing: Target spacing in mm along x, y, z (RAS); None keeps a volume's own.
        patch_size: Patch in voxels: (y, x) in 2D, (z, y, x) in 3D.
        channels: Feature channels of the network's levels.
        batch_size: Patches per optimizer step.
    """

    spacing: tuple[float | None, float | None, float | None]
    patch_size: tuple[int, ...]
    channels: tuple[int, ...]
    batch_size: int


@dataclass(frozen=True)
class Task:
    """A segmentation task.

    Attributes:
        name: Its name in job settings.
        classes: Structures in the order of their class indices, which start at 1; 0 is background.
        ct_window: HU range to which CT is clipped; it is mapped to [-1, 1].
        mirror_axes: Anatomical axes ("x", "y", "z" in RAS) along which mirroring keeps the anatomy
            plausible; empty for every task with organs on a fixed side.
        tolerance_mm: Distance in mm that normalised surface Dice forgives by default: one voxel of
            the default grid in plane.
        geometry: Defaults by number of spatial dimensions.
    """

    name: str
    classes: tuple[TaskClass, ...]
    ct_window: tuple[float, float]
    mirror_axes: tuple[str, ...] = ()
    tolerance_mm: float = 4.0
    geometry: Mapping[int, Geometry] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes 1, 2, ... without the background."""
        return tuple(task_class.name for task_class in self.classes)

    @property
    def n_classes(self) -> int:
        """Number of output channels: the classes and the background."""
        return len(self.classes) + 1

    def narrowed(self, names: Sequence[str] | None) -> Task:
        """Returns the task with some of its classes, in its own order.

        Args:
            names: Names of the classes to keep, each once; None keeps all.

        Raises:
            ConfigError: A name is unknown or repeated, or there is none; all problems are listed.
        """
        if names is None:
            return self
        problems = [
            Problem(
                "key 'classes'",
                f"classes must be structures of task '{self.name}'",
                f"'{name}'",
                nearest_structure(name, self.class_names),
            )
            for name in dict.fromkeys(names)
            if name not in self.class_names
        ]
        if not names or len(set(names)) < len(names):
            problems.append(
                Problem(
                    "key 'classes'",
                    "at least one structure must be named, each once",
                    ", ".join(names) or "none",
                    "correct the list, or leave the key out",
                )
            )
        if problems:
            raise ConfigError(problems)
        return replace(self, classes=tuple(c for c in self.classes if c.name in names))


HEART_PARTS = ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium")

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "heart": Task(
            name="heart",
            classes=(TaskClass("heart", parts=HEART_PARTS),),
            ct_window=(-200.0, 500.0),
            geometry={
                2: Geometry((4.0, 4.0, None), (88, 88), (32, 64, 128, 256), 8),
                3: Geometry((4.0, 4.0, 4.0), (48, 64, 64), (16, 32, 64, 128), 2),
            },
        ),
        "abdomen": Task(
            name="abdomen",
            classes=tuple(
                TaskClass(name)
                for name in (
                    "liver",
                    "spleen",
                    "kidney_right",
                    "kidney_left",
                    "pancreas",
                    "gallbladder",
                )
            ),
            ct_window=(-125.0, 275.0),
            geometry={
                2: Geometry((4.0, 4.0, None), (96, 96), (32, 64, 128, 256), 8),
                3: Geometry((4.0, 4.0, 4.0), (32, 64, 64), (16, 32, 64, 128), 2),
            },
        ),
    }
)


def get_task(name: str) -> Task:
    """Looks a task up by name.

    Raises:
        ConfigError: No task has this name; the error names the nearest.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise ConfigError(
            Problem("key 'task'", "the task must be known", f"'{name}'", nearest(name, TASKS))
        ) from None
