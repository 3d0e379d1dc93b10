"""`python -m tests.parity`: runs suites by pytest, pytest-xdist and PulseQ, and tells where they differ."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tests.parity.check import Checked, check_suite
from tests.parity.meant import unused_entries
from tests.parity.modes import ISOLATIONS
from tests.parity.plugin_suites import PLUGIN_SUITES, PLUGINS
from tests.parity.store import Store, StoreError, default_cache
from tests.parity.suite import Suite
from tests.parity.suites import PUBLIC_SUITES
from tests.parity.table import describe_checked, render_table, render_unused

SUITES = {suite.name: suite for suite in (*PUBLIC_SUITES, *PLUGIN_SUITES)}


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="which suites; all by default (see --list)")
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="run the named suites with this plug-in too; without names, the plug-in's own suites",
    )
    parser.add_argument("--modes", default=",".join(ISOLATIONS), help="isolations of PulseQ (fork,interpreter)")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="sources and environments")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the environments' interpreter")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found to this file")
    parser.add_argument("--list", action="store_true", help="tell the suites and plug-ins, and run nothing")
    found = parser.parse_args(arguments)
    _refuse_unknown(parser, "SUITE", found.suites, SUITES)
    _refuse_unknown(parser, "--plugin", found.plugin, PLUGINS)
    found.modes = tuple(found.modes.split(","))
    _refuse_unknown(parser, "--modes", found.modes, ("auto", *ISOLATIONS))
    return found


def _refuse_unknown(parser: argparse.ArgumentParser, what: str, names: Sequence[str], known: Collection[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"{what}: found {', '.join(unknown)}, expected some of {', '.join(known)}")


def choose_suites(names: Sequence[str], plugins: Sequence[str]) -> list[Suite]:
    """The suites that were asked for, each with the plug-ins that it is to be run with."""
    if not names:
        return [suite for suite in SUITES.values() if not plugins or set(plugins) & set(suite.plugins)]
    chosen = [SUITES[name] for name in names]
    for plugin in plugins:
        chosen = [suite.with_plugin(PLUGINS[plugin]) for suite in chosen]
    return chosen


def names_in_full(suites: Sequence[Suite]) -> set[str]:
    """The suites, and the plug-ins all of whose suites are among them: what the list of meant differences is about."""
    names = {suite.name for suite in suites}
    missed = {plugin for suite in PLUGIN_SUITES if suite.name not in names for plugin in suite.plugins}
    return names | {plugin for suite in suites for plugin in suite.plugins} - missed


def check_all(suites: Sequence[Suite], store: Store, isolations: tuple[str, ...]) -> list[Checked]:
    """Each suite in turn; one that cannot be run is told, and the others go on."""
    checked = []
    for suite in suites:
        try:
            checked.append(check_suite(suite, store, isolations, lambda line: print(line, file=sys.stderr, flush=True)))
        except StoreError as error:
            checked.append(Checked(suite, failure=str(error)))
    return checked


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 1 if a difference is not meant."""
    found = read_arguments(arguments)
    if found.list:
        print(f"suites: {', '.join(SUITES)}\nplug-ins: {', '.join(PLUGINS)}")
        return 0
    suites = choose_suites(found.suites, found.plugin)
    checked = check_all(suites, Store(found.cache.absolute(), found.python), found.modes)
    used = [entry for suite in checked for mode in suite.modes for _, entry in mode.meant]
    unused = unused_entries(used, names_in_full(suites), is_everything=not (found.suites or found.plugin))
    print(render_table(checked))
    print(render_unused(unused), end="\n" if unused else "")
    if found.json:
        found.json.write_text(json.dumps([describe_checked(suite) for suite in checked], indent=2), encoding="utf-8")
    return int(any(suite.fails for suite in checked))


if __name__ == "__main__":
    # What ends this process ends the run that it waits for, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main(sys.argv[1:]))
