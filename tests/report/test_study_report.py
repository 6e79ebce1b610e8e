"""The report of a study: complete, escaped, the same twice, honest about what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fedgin.errors import ConfigError
from fedgin.report.study.write import write_report

FIGURES = {
    "summary",
    "matrix",
    "matrix_by_class",
    "ratio",
    "boxes_dice",
    "boxes_hd95",
    "boxes_regimes",
    "learning_curves",
    "examples",
    "augmentations",
}


class Page(HTMLParser):
    """Collects what a page shows and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        if tag == "a":
            self.links.append(values["href"] or "")
        self.ids += [values["id"] or ""] if "id" in values else []
        self.references += [values[key] or "" for key in ("src", "href", "srcset") if key in values]
        assert tag != "script"

    def handle_data(self, data: str) -> None:
        self.text += data


def small_study(folder: Path, *, examples: bool = True, **changes: Any) -> Path:
    from synthetic_study import make_record, make_rows, write_study

    rows = make_rows(patients=2, grid={"local": ("none", "gin")})
    return write_study(
        folder, rows, {**make_record(rows, patients=2), **changes}, examples=examples
    )


def page(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_every_figure_is_drawn_embedded_and_described(abdomen_folder: Path) -> None:
    found = Page((abdomen_folder / "report.html").read_text(encoding="utf-8"))
    files = {path.stem for path in (abdomen_folder / "figures").iterdir()}
    assert files == FIGURES
    assert len(found.images) == len(FIGURES)
    for image in found.images:
        assert (image["src"] or "").startswith("data:image/png;base64,")
        assert len(image["alt"] or "") > 40
        assert int(image["width"] or 0) > 300
    for name in FIGURES:
        with Image.open(abdomen_folder / "figures" / f"{name}.png") as picture:
            picture.load()
            low, high = picture.convert("L").getextrema()
            assert low < 64, name
            assert high > 240, name


def test_the_page_refers_to_nothing_outside_itself(abdomen_folder: Path) -> None:
    text = (abdomen_folder / "report.html").read_text(encoding="utf-8")
    found = Page(text)
    for reference in found.references:
        assert reference.startswith(("data:", "#")), reference
    assert "url(" not in text
    assert "@import" not in text
    assert {link[1:] for link in found.links} <= set(found.ids)


def test_the_page_says_what_a_reader_must_know(abdomen_folder: Path) -> None:
    text = Page((abdomen_folder / "report.html").read_text(encoding="utf-8")).text
    for words in (
        "HD95 the diagonal of the image in mm",
        "within 4 mm of each other",
        "Seeds of the trainings: 0, 1.",
        "federated 1,200: equal",
        "fedgin study --task abdomen --out study",
        "2.13.0",
        "pancreas at mr-t1",
        "not annotated",
        "1 of 149 runs failed",
        "out of memory <at step 12> & stopped",
    ):
        assert words in text, words


def test_an_error_cannot_become_markup(abdomen_folder: Path) -> None:
    text = (abdomen_folder / "report.html").read_text(encoding="utf-8")
    assert "<at step 12>" not in text
    assert "&lt;at step 12&gt; &amp; stopped" in text


def test_the_same_study_gives_the_same_files(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    first = {}
    for turn in range(2):
        write_report(folder)
        files = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        first = first or files
        assert files == first, turn


def test_a_figure_that_is_no_more_is_removed(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    write_report(folder)
    assert (folder / "figures/examples.png").is_file()
    (folder / "examples.npz").unlink()
    found = page(folder)
    assert not (folder / "figures/examples.png").exists()
    assert "no example slices yet" in found.text


def test_a_damaged_example_file_is_said_and_stops_nothing(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    content = (folder / "examples.npz").read_bytes()
    (folder / "examples.npz").write_bytes(content[: len(content) // 2])
    assert "examples.npz cannot be read" in page(folder).text


def test_a_study_without_rows_has_a_report_that_says_so(tmp_path: Path) -> None:
    from synthetic_study import make_record, make_rows, write_study

    record = make_record(make_rows(patients=1, grid={"local": ("gin",)}))
    for run in record["runs"]:
        run.update(status="pending", loss=[], validation=[])
    found = page(write_study(tmp_path / "study", [], record, examples=False))
    assert found.images == []
    assert "nothing can be said" in found.text
    assert "Not complete." in found.text


def test_one_seed_one_patient_and_a_quick_grid_are_named(tmp_path: Path) -> None:
    from synthetic_study import make_record, make_rows, write_study

    rows = [
        row
        for row in make_rows(patients=1, grid={"centralized": ("none", "gin")})
        if row.test_site == "ct-arterial"
    ]
    record = make_record(rows, failed=0) | {"quick": True}
    text = page(write_study(tmp_path / "study", rows, record, examples=False)).text
    assert "One seed: no spread." in text
    assert "one patient" in text
    assert "Quick grid." in text
    assert "No run failed." in text
    assert "GIN is above" not in text


def test_unequal_steps_are_called_unequal(tmp_path: Path) -> None:
    from synthetic_study import make_record, make_rows, write_study

    rows = make_rows(patients=1, grid={"centralized": ("gin",), "federated": ("gin",)})
    record = make_record(rows)
    record["runs"][0]["steps"] = 900
    folder = write_study(tmp_path / "study", rows, record, examples=False)
    assert "centralized 900, federated 1,200: NOT equal" in page(folder).text


def other_report(
    folder: Path, *, algorithm: str = "fedavg", fine_tuned: bool = False, **changes: Any
) -> str:
    """The text of a report on federated runs alone."""
    from synthetic_study import make_record, make_rows, write_study

    rows = [
        replace(row, algorithm=algorithm)
        for row in make_rows(patients=1, grid={"federated": ("gin",)})
    ]
    record = make_record(rows) | changes
    if fine_tuned:
        record["runs"].append(record["runs"][0] | {"regime": "fine-tuned"})
    return page(write_study(folder, rows, record, examples=False)).text


def test_rows_that_compare_nothing_are_not_called_missing(tmp_path: Path) -> None:
    text = other_report(tmp_path / "study")
    assert "No run has rows yet" not in text
    assert "No sentence can be made from this grid" in text


def test_whose_layers_a_fedbn_model_is_measured_with(tmp_path: Path) -> None:
    assert "fedbn" not in other_report(tmp_path / "plain")
    text = other_report(tmp_path / "fedbn", algorithm="fedbn")
    assert "A training site is measured with the layers of its own last round" in text
    assert "weighted average of the sites' layers" in text
    assert "Fine-tuning starts" not in text
    tuned = other_report(tmp_path / "tuned", algorithm="fedbn", fine_tuned=True)
    assert "Fine-tuning starts from the global model, the averaged layers included." in tuned


def test_every_code_and_command_that_made_runs_is_named(tmp_path: Path) -> None:
    codes = ["a" * 64, "b" * 64]
    one = other_report(tmp_path / "one", codes=codes[:1])
    assert "aaaaaaaaaaaa" in one
    assert "Several versions of the code." not in one
    two = other_report(
        tmp_path / "two", codes=codes, commands=["fedgin study --seeds 1", "fedgin study --seeds 2"]
    )
    assert "Several versions of the code." in two
    for words in ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "fedgin study --seeds 1", "study --seeds 2"):
        assert words in two


def test_shared_settings_hold_nothing_that_differs_by_run(tmp_path: Path) -> None:
    from fedgin.report.study.provenance import shared_settings
    from fedgin.settings import TrainingSettings

    settings = TrainingSettings(task="heart").model_dump(mode="json")
    runs = [
        {"regime": regime, "augmentation": name}
        for regime, name in (("local", "gin"), ("local", "gin-ipa"), ("local", "fda"))
    ]
    found = shared_settings({"settings": settings, "runs": runs})
    assert not {"seed", "algorithm", "augmentation"} & set(found)
    assert not {"ipa", "consistency"} & set(found["gin"])
    assert "mode" not in found["fourier"]
    assert found["gin"]["layers"] == settings["gin"]["layers"]
    assert found["randconv"] == settings["randconv"]
    assert found["learning_rate"] == settings["learning_rate"]
    tuned = [*runs, {"regime": "fine-tuned", "augmentation": "gin"}]
    assert "learning_rate" not in shared_settings({"settings": settings, "runs": tuned})
    text = other_report(tmp_path / "study", settings=settings)
    shown = text[text.index("Training settings that all runs share") :]
    assert '"seed"' not in shown
    assert '"channels"' in shown


def test_regimes_that_had_no_run_are_named(tmp_path: Path) -> None:
    note = "leave-one-modality-out has no run: all sites are CT <only>"
    assert note in other_report(tmp_path / "study", notes=[note])
    assert "Requested, but without a run" not in other_report(tmp_path / "other")


def test_a_study_that_has_not_finished_is_said_to_have_not(tmp_path: Path) -> None:
    from fedgin.cli.report import report

    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ConfigError, match="the study has not finished") as caught:
        report(tmp_path)
    assert "start the study again" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}'])
def test_a_record_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    folder = small_study(tmp_path / "study", examples=False)
    (folder / "results.json").write_text(content)
    with pytest.raises(ConfigError, match=r"results\.json"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_study(tmp_path / "study", examples=False)
    before = write_report(folder).read_bytes()
    record = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(record | {"quick": True}))

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fedgin.report.study.write.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before
