"""`bucketer list`: what can be asked for, and by which key (docs/decisions/0108)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import add_datafile, add_environment, load_ruleset, settings_of
from .terminal import NOTE

if TYPE_CHECKING:
    import argparse

    from bucketer.core.ruleset import Experiment, Flag, Ruleset

    from .terminal import Terminal

KINDS = ("flags", "experiments", "attributes", "events")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "kind", metavar="KIND", nargs="?", choices=KINDS, help=f"only {', '.join(KINDS)}"
    )
    add_datafile(parser)
    add_environment(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=list_command)


def list_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """List what the datafile has under keys: for -e, -f and -a, and for `/track`."""
    found = load_ruleset(settings_of(args, terminal), terminal)
    kinds = (args.kind,) if args.kind else KINDS
    listed = {kind: _LISTS[kind](found.used) for kind in kinds}
    if args.json:
        terminal.json({"source": found.where, "revision": found.used.revision, **listed})
        return
    for kind, entries in listed.items():
        rows = [(str(entry["key"]), _about(entry)) for entry in entries]
        if rows:
            terminal.table((kind, ""), rows)
            terminal.line()
    counts = ", ".join(f"{len(entries)} {kind}" for kind, entries in listed.items())
    terminal.text(f"{found.named}, revision {found.used.revision}: {counts}.", NOTE)


def _about(entry: dict[str, object]) -> str:
    """The rest of an entry in words; what is empty is left out."""
    words = []
    for name, value in entry.items():
        if name == "key" or not value:
            continue
        told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        words.append(told if name == "status" else f"{name} {told}")
    return "; ".join(words)


def _flags(ruleset: Ruleset) -> list[dict[str, object]]:
    return [_flag(ruleset.flags[key]) for key in ruleset.flag_order]


def _flag(flag: Flag) -> dict[str, object]:
    return {
        "key": flag.key,
        "status": "broken" if flag.broken is not None else None,
        "experiments": [rule.key for rule in flag.experiments],
        "variations": list(dict.fromkeys(each.key for each in flag.variations)),
        "variables": [f"{each.key} ({each.kind})" for each in flag.variables.values()],
    }


def _experiments(ruleset: Ruleset) -> list[dict[str, object]]:
    """Experiments, and not the rules that only deliver a flag, though those have keys, too."""
    flags = ruleset.flags.values()
    delivering = {rule.key for flag in flags for rule in flag.rollout}
    of_flags: dict[str, list[str]] = {}
    for flag in flags:
        for rule in flag.experiments:
            of_flags.setdefault(rule.key, []).append(flag.key)
    return [
        _experiment(each, of_flags.get(each.key, []))
        for each in ruleset.experiments.values()
        if each.key not in delivering or each.key in of_flags
    ]


def _experiment(experiment: Experiment, flags: list[str]) -> dict[str, object]:
    return {
        "key": experiment.key,
        "status": "broken" if experiment.broken is not None else experiment.status,
        "flags": flags,
        "variations": list(experiment.by_key),
    }


def _attributes(ruleset: Ruleset) -> list[dict[str, object]]:
    return [{"key": key} for key in ruleset.attribute_ids]


def _events(ruleset: Ruleset) -> list[dict[str, object]]:
    return [{"key": key} for key in ruleset.events]


_LISTS = {
    "flags": _flags,
    "experiments": _experiments,
    "attributes": _attributes,
    "events": _events,
}
