"""Whether a site's officer has approved an app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedgin.approval.app_hash import app_hash
from fedgin.approval.approved_list import read_approved
from fedgin.errors import ApprovalError, Problem


@dataclass(frozen=True)
class Verdict:
    """What a site says of an app.

    Attributes:
        sha256: The app's hash; empty where it has none.
        note: The officer's note on an approved app.
        refusal: Why the app is refused, for the site's own log; empty where it is approved.
        answer: The same for the sender, without anything of the site's disk.
    """

    sha256: str = ""
    note: str = ""
    refusal: str = ""
    answer: str = ""

    @property
    def approved(self) -> bool:
        """Whether the app may run."""
        return not self.refusal


def judge_app(folder: Path, *, approved_file: Path) -> Verdict:
    """Hashes an app and looks it up in the site's list.

    Nothing of the app is parsed or imported. Whatever goes wrong is a refusal.

    Args:
        folder: The app.
        approved_file: The list; see `read_approved`.
    """
    try:
        sha256 = app_hash(folder)
    except (ApprovalError, OSError) as error:
        return Verdict(
            refusal=str(error),
            answer="code approval: the app holds what is neither file nor folder, "
            "or cannot be read",
        )
    try:
        approved = read_approved(approved_file)
    except ApprovalError as error:
        return Verdict(
            sha256=sha256,
            refusal=str(error),
            answer=f"code approval: the app's hash is {sha256}, and this site's list of approved "
            "code is missing or malformed, so that nothing is approved; its own log says more",
        )
    if sha256 in approved:
        return Verdict(sha256=sha256, note=approved[sha256])
    problem = Problem(
        f"app with hash {sha256}",
        f"an app must stand in {approved_file}",
        f"it is none of the {len(approved)} approved",
        f"review the job; then `fedgin job approve JOB --list {approved_file}`, or add a line "
        f"'{sha256}  <who, when, why>'",
    )
    return Verdict(
        sha256=sha256,
        refusal=str(problem),
        answer=f"code approval: this site has not approved the app with hash {sha256}; ask its "
        "officer to review the job",
    )
