"""A released model's card: what it is, where it was trained and what it was measured to do."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fedgin.config import StrictModel, parse, read_mapping
from fedgin.documents import Bounds, parse_json
from fedgin.errors import FedginError, Problem
from fedgin.files import MIB
from fedgin.release.settings_hash import DECIDING, HASH_KEY, settings_hash
from fedgin.settings import TrainingSettings

logger = logging.getLogger(__name__)

MODEL_FILE, CARD_FILE = "model.safetensors", "model_card.json"

CARD = Bounds(size=16 * MIB, values=2_000_000)
"""A card lists the contributions of every round."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Lineage = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(ge=0)]
Dice = Annotated[float, Field(ge=0, le=1)]
Modality = Literal["CT", "MR"]


class ReleaseError(FedginError):
    """A released model is missing, damaged or unfit for the job."""


class Numbers(StrictModel):
    """Dice on one site's patients.

    Attributes:
        cases: Number of volumes.
        dice: Mean over classes; None where no patient was measured.
        per_class: Mean over patients by class.
    """

    cases: Count
    dice: Dice | None
    per_class: dict[str, Dice | None]


class SiteFacts(StrictModel):
    """What the server knows of a site.

    Attributes:
        modality: "CT" or "MR"; None where the site never said.
        training_slices: Axial slices that it trained on; None where it never contributed.
        validation: On patients that chose the model; None where nothing came.
        test: On patients never used for anything else; None where nothing came.
        not_annotated: Classes that the site does not annotate: it could teach and measure nothing
            of them. None where the server does not know.
    """

    modality: Modality | None
    training_slices: Count | None
    validation: Numbers | None
    test: Numbers | None
    not_annotated: tuple[str, ...] | None = None


class ModalityFacts(StrictModel):
    """Means over the sites of one modality that measured.

    Attributes:
        sites: The modality's sites.
        validation_dice: On validation patients.
        test_dice: On test patients.
    """

    sites: tuple[str, ...]
    validation_dice: Dice | None
    test_dice: Dice | None


class Choice(StrictModel):
    """Which of a run's models was released.

    Attributes:
        model: `best` by validation, or the `last` where none was scored.
        after_round: Rounds after which it was the global model.
        score: Mean over modalities of the sites' mean validation Dice.
    """

    model: Literal["best", "last"]
    after_round: Count
    score: Dice | None


class WeightsFacts(StrictModel):
    """The file of weights.

    Attributes:
        sha256: Hash of the file's bytes; it names the model.
        parameters: Numbers in all arrays.
        arrays: Shape by name.
    """

    sha256: Sha256
    parameters: Count
    arrays: dict[str, tuple[Count, ...]]


class ModelCard(StrictModel):
    """The card that lies beside a released model.

    Attributes:
        format: Version of this schema.
        title: The model in a line.
        fedgin_version: Version of the package that trained it.
        package_sha256: Hash of that package; see `fedgin.package.package_hash`.
        lineage: Name of the run; None where it has none.
        started_from: Hash of the released model that the run started from, if any.
        task: Name of the task.
        class_names: Structures in the order of the classes 1, 2, ...; 0 is background.
        settings: All training settings, defaults filled in.
        rounds: Rounds of the run.
        choice: Which of the run's models this is.
        modalities: Dice by modality.
        sites: Dice, modality and number of cases by site.
        contributions: By round, from 1, the sites whose update was accepted.
        intended_use: Sentences on what it is for.
        limits: Sentences on what it is not for, and on what the numbers do not say.
        weights: The file of weights.
    """

    format: Literal[1] = 1
    title: str
    fedgin_version: str
    package_sha256: Sha256
    lineage: Lineage | None
    started_from: Sha256 | None
    task: str
    class_names: tuple[str, ...]
    settings: TrainingSettings
    rounds: Count
    choice: Choice
    modalities: dict[str, ModalityFacts]
    sites: dict[str, SiteFacts]
    contributions: dict[int, tuple[str, ...]]
    intended_use: tuple[str, ...]
    limits: tuple[str, ...]
    weights: WeightsFacts

    def to_text(self) -> str:
        """Writes the card as JSON, with the hash of what decides a prediction."""
        content = self.model_dump(mode="json")
        content[HASH_KEY] = settings_hash(content)
        return json.dumps(content, indent=2, allow_nan=False) + "\n"


def card_from_text(text: str, *, where: str) -> ModelCard:
    """Reads a card from JSON.

    Args:
        text: The JSON.
        where: What errors should name.

    Raises:
        ConfigError: It is no card; an unknown key names the nearest one.
        ReleaseError: It is no JSON, or task, classes or settings are not those that were written.
    """
    try:
        content = parse_json(text, bounds=CARD)
    except ValueError as error:
        raise ReleaseError(
            Problem(where, "a card must be valid JSON", str(error), "send the model again")
        ) from None
    return _card(content, where=where)


def read_card(file: Path) -> ModelCard:
    """Reads a card's file.

    Raises:
        ConfigError: It breaks the schema; an unknown key names the nearest one.
        ReleaseError: There is none, or task, classes or settings are not those that were written.
    """
    if not file.is_file():
        raise ReleaseError(
            Problem(
                str(file),
                f"a released model's card, {CARD_FILE}, lies beside its weights",
                "no such file",
                "copy the whole release folder",
            )
        )
    return _card(read_mapping(file, bounds=CARD), where=str(file))


def _card(content: Any, *, where: str) -> ModelCard:
    """Checks a card; one that was edited would have the weights predict something else."""
    hashed = isinstance(content, dict) and HASH_KEY in content
    stated = content.pop(HASH_KEY) if hashed else None
    card = parse(ModelCard, content, where=where)
    if not hashed:
        logger.warning(
            "%s: a card without %s, as earlier versions of fedgin wrote it: whether its settings "
            "were changed later cannot be told",
            where,
            HASH_KEY,
        )
    elif stated != settings_hash(content):
        raise ReleaseError(
            Problem(
                where,
                f"{', '.join(DECIDING)} must be as they were written, {HASH_KEY} {_short(stated)}",
                f"{settings_hash(content)[:16]}: one of them was changed",
                "copy the card from the release again; other settings need a model trained by them",
            )
        )
    return card


def _short(stated: Any) -> str:
    return stated[:16] if isinstance(stated, str) else type(stated).__name__
