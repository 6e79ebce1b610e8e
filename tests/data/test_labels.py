"""From a site's label values to a task's classes: by name, or by all parts of a structure."""

from __future__ import annotations

import numpy as np
import pytest

from fedgin.data.labels import LabelMap, build_label_map
from fedgin.errors import ConfigError, Problem
from fedgin.tasks import HEART_PARTS, get_task

PARTS = {name: 10 + number for number, name in enumerate(HEART_PARTS)}
ABDOMEN = {
    "liver": 5,
    "spleen": 1,
    "kidney_right": 2,
    "kidney_left": 3,
    "pancreas": (7, 70),
    "gallbladder": 4,
}


def build(
    labels: dict[str, int | tuple[int, ...]], task: str = "heart", other: tuple[int, ...] = ()
) -> LabelMap:
    return build_label_map(labels=labels, other=other, task=get_task(task), where="s.yaml")


def refused(labels: dict[str, int | tuple[int, ...]], task: str = "heart") -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        build(labels, task)
    return caught.value.problems


def test_a_heart_under_its_own_name() -> None:
    built = build({"heart": 3, "aorta": 4}, other=(9,))
    assert built.class_of == {3: 1}
    assert built.names == {0: "background", 3: "heart", 4: "aorta", 9: "other"}


def test_a_heart_as_the_union_of_its_parts() -> None:
    built = build({**PARTS, "aorta": 4})
    assert built.class_of == dict.fromkeys(range(10, 15), 1)
    assert built.names[10] == "left_ventricle"


def test_the_own_name_goes_before_the_parts() -> None:
    assert build({**PARTS, "heart": 3}).class_of == {3: 1}


def test_a_structure_may_have_several_values() -> None:
    built = build(ABDOMEN, "abdomen")
    assert built.class_of == {5: 1, 1: 2, 2: 3, 3: 4, 7: 5, 70: 5, 4: 6}


def test_values_become_class_indices_and_all_else_background() -> None:
    built = build(ABDOMEN, "abdomen", other=(300,))
    label = np.array([[0, 5, 1, 2], [3, 7, 70, 4], [300, 300, 0, 5]], dtype=np.uint16)
    classes = built.to_classes(label)
    assert classes.dtype == np.uint8
    assert classes.tolist() == [[0, 1, 2, 3], [4, 5, 5, 6], [0, 0, 0, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_translation_agrees_with_a_loop_over_all_voxels(dtype: type) -> None:
    built = build({"heart": (3, 200), "aorta": 4})
    label = np.random.default_rng(0).choice([0, 3, 4, 200], size=(5, 6, 7)).astype(dtype)
    expected = [1 if value in (3, 200) else 0 for value in label.ravel().tolist()]
    assert built.to_classes(label).ravel().tolist() == expected
    assert built.to_classes(np.asfortranarray(label)).shape == label.shape


def test_a_label_map_without_foreground_is_all_background() -> None:
    assert not build({"heart": 3}).to_classes(np.zeros((2, 2, 2), dtype=np.uint8)).any()


def test_missing_parts_are_listed_by_name() -> None:
    partly = {name: value for name, value in PARTS.items() if "atrium" not in name}
    (problem,) = refused({**partly, "aorta": 4})
    assert problem.where == "s.yaml: key 'labels'"
    assert "'heart'" in problem.rule
    assert "(lacking left_atrium, right_atrium)" in problem.rule
    assert "aorta, left_ventricle, myocardium, right_ventricle" in problem.found
    assert "add the structure with its value" in problem.mend


def test_all_structures_that_lack_are_listed() -> None:
    problems = refused({"liver": 1, "splen": 2, "kidney_left": 3}, "abdomen")
    lacking = [problem.rule.removeprefix("task 'abdomen' needs the label ") for problem in problems]
    assert lacking == ["'spleen'", "'kidney_right'", "'pancreas'", "'gallbladder'"]
    assert "is 'splen' this structure?" in problems[0].found


def test_a_site_without_labels_lacks_everything() -> None:
    assert len(refused({}, "abdomen")) == 6
    assert "labels none" in refused({})[0].found


def partial(labels: dict[str, int | tuple[int, ...]]) -> LabelMap:
    task = get_task("abdomen")
    return build_label_map(labels=labels, other=(), task=task, where="s.yaml", partial=True)


def test_a_site_that_only_tests_may_lack_structures() -> None:
    built = partial({"liver": 5, "spleen": 1})
    assert built.not_annotated == ("kidney_right", "kidney_left", "pancreas", "gallbladder")
    assert built.to_classes(np.array([0, 1, 5], dtype=np.uint8)).tolist() == [0, 2, 1]


def test_a_site_that_only_tests_may_lack_all_of_them() -> None:
    built = partial({})
    assert built.not_annotated == get_task("abdomen").class_names
    assert built.to_classes(np.zeros((2, 2), dtype=np.uint8)).tolist() == [[0, 0], [0, 0]]


def test_a_site_that_annotates_everything_lacks_nothing() -> None:
    assert partial(ABDOMEN).not_annotated == ()  # type: ignore[arg-type]
    assert build(ABDOMEN, "abdomen").not_annotated == ()  # type: ignore[arg-type]


def test_a_near_name_is_pointed_at_and_others_are_not_called_allowed() -> None:
    (near, *_) = refused({"livver": 1}, "abdomen")
    assert near.found == "labels livver (is 'livver' this structure?)"
    (other,) = refused(ABDOMEN, "heart")
    assert "allowed" not in other.found
    assert other.found.startswith("labels gallbladder, ")


def test_where_no_class_is_annotated_another_task_is_named_not_partial_labels() -> None:
    (problem,) = refused(ABDOMEN, "heart")
    assert "partial_labels" not in problem.mend
    assert "run a job of what this site annotates (--task abdomen)" in problem.mend
    (lacking,) = refused({name: ABDOMEN[name] for name in ABDOMEN if name != "liver"}, "abdomen")
    assert "--set partial_labels=marginal" in lacking.mend
