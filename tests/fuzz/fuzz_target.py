"""Coverage-guided fuzzing of one target with atheris; not part of the tests.

    pip install atheris
    python tests/fuzz/fuzz_target.py nifti CORPUS -max_total_time=600 -timeout=5 -rss_limit_mb=2048

Targets: nifti, site, server, settings, datalist, checkpoint, card, weights. The corpus folder is
made and filled with sound inputs. The run ends at the first input that raises anything but a
refusal, takes longer than `-timeout` seconds or more memory; libFuzzer leaves the input in a file.
`-minimize_crash=1 -runs=10000 FILE` makes it smaller.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fedgin", "yaml", "json"]):
    import targets


def main() -> None:
    """Takes the target's name, the corpus folder and libFuzzer's options."""
    name, corpus, *options = sys.argv[1:]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds()[name]):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], corpus, *options], lambda data: targets.run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
