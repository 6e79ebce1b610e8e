"""One line of a site's ledger."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fedgin.config import StrictModel


class Count(StrictModel):
    """Messages of one kind.

    Attributes:
        messages: How many.
        bytes: Their size.
    """

    messages: int = 0
    bytes: int = 0


class Entry(StrictModel):
    """What left a site, as one line of its ledger.

    Attributes:
        time: When it was written, UTC.
        site: Name of the site.
        job: FLARE's identifier of the job.
        event: `answer`: the answer to a task, written before it is sent, once for every attempt;
            `messages`: what else the job's process has sent since the last such entry.
        task: Name of the task.
        round: Number of its round, from 1, where it has one.
        code: FLARE's return code: OK, or the error that leaves in place of data.
        kind: FLARE's kind of the data, such as WEIGHT_DIFF; `not a DXO` for anything else.
        bytes: Size of the content; see `fedgin.ledger.content`.
        arrays: Number of arrays.
        values: Number of numbers in them.
        norm: L2 norm over all arrays; None where there is none or it is not finite.
        finite: Whether all numbers in arrays are finite.
        meta: Names of what accompanies the data.
        uncounted: Number of objects of unknown size, by type.
        scope: The site's privacy scope in force.
        filters: Classes of the filters that this answer passed, first the scope's, then the job's;
            empty where an error took its place before them.
        epsilon: Privacy loss so far, where a filter states one; of a noisy fingerprint its own.
        delta: Its delta.
        asked_by: `pull`: the site had asked for the task; `push`: the task came with a message.
        messages: By channel (`auxiliary`, `replies`, `streams`, `wire`) and topic, what was sent.
        previous: SHA-256 of the line before, 64 zeros on the first.
    """

    time: str
    site: str
    job: str
    event: Literal["answer", "messages"]
    task: str | None = None
    round: int | None = None
    code: str | None = None
    kind: str | None = None
    bytes: int | None = None
    arrays: int | None = None
    values: int | None = None
    norm: float | None = None
    finite: bool | None = None
    meta: tuple[str, ...] | None = None
    uncounted: dict[str, int] | None = None
    scope: str | None = None
    filters: tuple[str, ...] | None = None
    epsilon: float | None = None
    delta: float | None = None
    asked_by: Literal["pull", "push"] | None = None
    messages: dict[str, dict[str, Count]] | None = None
    previous: str = Field(pattern=r"^[0-9a-f]{64}$")
