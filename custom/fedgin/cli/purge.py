"""`fedgin purge`: remove what was made from patients."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedgin.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fedgin.data.purge import Remains
    from fedgin.sites.schema import SiteConfig


def purge(
    site: Annotated[
        Path | None,
        typer.Option(help="a site's file: its cache, its states, and its kit's runs are looked at"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="the cache that sites use whose files name none")
    ] = False,
    runs: Annotated[
        Path | None,
        typer.Option(help="a site's kit or workspace with a folder for each run"),
    ] = None,
    older_than: Annotated[
        float, typer.Option(min=0, help="only what nobody used or wrote for so many DAYS")
    ] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Remove prepared volumes, states, pictures and patients' scores, after showing them.

    Sites that share a cache lose all of it; volumes are prepared again when they are needed. The
    site's data, released models, ledger and secret stay.
    """
    from fedgin.data.purge import remove

    caches, found = _find(site, everything=everything, runs=runs)
    if older_than:
        found = [each for each in found if each.older_than(older_than)]
    console = Console()
    if not found:
        console.print("nothing to remove")
        return
    with ExitStack() as locks:
        _lock(caches, locks)
        _show(found, console)
        if not yes and not typer.confirm("Remove them?"):
            raise typer.Exit(1)
        freed = remove(found)
    console.print(f"{len(found)} folders removed, {freed:,} bytes", highlight=False)


def _find(
    site: Path | None, *, everything: bool, runs: Path | None
) -> tuple[list[Path], list[Remains]]:
    """Returns the caches that are concerned, and what can be removed in and beside them."""
    from fedgin.data.cache import cache_folder
    from fedgin.data.purge import in_cache, in_runs, in_state
    from fedgin.sites.folders import CacheSettings

    if site is None and not everything and runs is None:
        raise ConfigError(
            Problem("fedgin purge", "say what to purge", "nothing", "--site, --all or --runs")
        )
    caches: list[Path] = [cache_folder(CacheSettings())] if everything else []
    found: list[Remains] = []
    run_folders = [] if runs is None else [_run_folder(runs)]
    if site is not None:
        config = _read(site)
        caches.append(cache_folder(config.cache))
        if config.state.folder is not None:
            found += in_state(Path(config.state.folder).expanduser() / site.stem)
        if site.resolve().parent.name == "local":  # the file lies in a kit
            run_folders.append(site.resolve().parents[1])
    caches = list(dict.fromkeys(caches))
    found += [each for cache in caches for each in in_cache(cache)]
    found += [each for folder in dict.fromkeys(run_folders) for each in in_runs(folder)]
    return [cache for cache in caches if cache.is_dir()], found


def _run_folder(runs: Path) -> Path:
    """Follows the path that the user named; below it no link is followed."""
    if not runs.is_dir():
        raise ConfigError(
            Problem("--runs", "it must be a folder", str(runs), "name a kit or a workspace")
        )
    return runs.resolve()


def _read(file: Path) -> SiteConfig:
    from fedgin.config import parse, read_mapping
    from fedgin.sites.schema import SiteConfig

    return parse(SiteConfig, read_mapping(file), where=str(file))


def _lock(caches: Iterable[Path], locks: ExitStack) -> None:
    from fedgin.data.cache import lock_for_removal

    for cache in caches:
        lock = lock_for_removal(cache)
        if lock is None:
            raise ConfigError(
                Problem(
                    str(cache),
                    "no run may be using a cache that is purged",
                    "a run on this machine that uses it",
                    "wait for the run's end, or stop it",
                )
            )
        locks.enter_context(lock)


def _show(found: list[Remains], console: Console) -> None:
    from fedgin.data.purge import by_kind

    folders = sorted({str(each.root) for each in found})
    table = Table("what", "folders", "bytes", title="To be removed in " + ", ".join(folders))
    for kind, (count, size) in by_kind(found).items():
        table.add_row(Text(kind), str(count), f"{size:,}")
    console.print(table)
    for each in found:
        console.print(f"{each.kind}: {each.path}", markup=False, highlight=False, soft_wrap=True)
