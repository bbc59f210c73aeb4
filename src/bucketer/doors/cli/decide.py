"""`bucketer decide`: one decision, for a person or a program, with its reasons where asked."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from bucketer.api.bucketer.answer import Answers
from bucketer.api.bucketer.attributes import parse_attributes
from bucketer.api.problems import prediction_failed
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.change_words import changes_json, sentence_of
from bucketer.core.counterfactuals import counterfactuals
from bucketer.core.errors import BucketerError, InvalidRequest, UnknownKey
from bucketer.core.slips import hint_of, unknown_attributes
from bucketer.core.user import User
from bucketer.wiring import engine_of

from .explain import explanation, explanation_of_experiment
from .options import (
    add_datafile,
    add_environment,
    add_revision,
    add_setting,
    at_revision,
    load_ruleset,
    settings_of,
)
from .terminal import BAD, GOOD, NOTE, OPEN, TITLE, Node

if TYPE_CHECKING:
    import argparse

    from bucketer.core.change import Change, Changes
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import Prediction
    from bucketer.ports import Engine

    from .main import Parser
    from .options import Found
    from .terminal import Terminal

#: So many changes are told to a person.
_MOST_CHANGES = 8


def register(parser: Parser) -> None:
    """Add the options."""
    parser.usage = (
        "%(prog)s [-h] (-e KEY | -f KEY) -u ID [-a LIST]\n"
        "                       [-d WHERE | --environment NAME] [--revision NUMBER]\n"
        "                       [--json] [--explain] [--engine NAME]"
    )
    key = "decide this {}; either -e or -f is required"
    add_datafile(parser)
    add_environment(parser)
    parser.add_argument(
        "-e", "--experiment", metavar="KEY", type=_or_none, help=key.format("experiment")
    )
    parser.add_argument("-f", "--flag", metavar="KEY", type=_or_none, help=key.format("flag"))
    parser.add_argument("-u", "--user", metavar="ID", type=_or_none, help="the user id (required)")
    parser.add_argument(
        "-a",
        "--attributes",
        metavar="LIST",
        default="",
        help="""facts about the user, as in the URL: 'tier:"platinum",member_since_days:56'""",
    )
    parser.add_argument(
        "--json", action="store_true", help="one line of JSON, as GET /bucketer answers"
    )
    parser.add_argument(
        "--explain", action="store_true", help="each rule that was looked at, and what it found"
    )
    add_revision(parser)
    add_setting(parser, "BUCKETER_ENGINE", "--engine", "NAME")
    # As in the URL: empty is not given.
    parser.may_be_empty = frozenset(("experiment", "flag", "user", "attributes"))
    parser.set_defaults(run=decide_command, check=partial(_check, parser))


def _or_none(text: str) -> str | None:
    """Take what is empty as not given, as the URL does."""
    return text or None


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Name everything that is missing at once, which argparse by itself would not."""
    key = "-e/--experiment or -f/--flag"
    missing = [key] if args.experiment is None and args.flag is None else []
    missing += ["-u/--user"] if args.user is None else []
    if missing:
        parser.error(f"missing: {'; '.join(missing)}")
    if args.experiment is not None and args.flag is not None:
        parser.error(f"give one of {key}, not both")


def decide_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Print one decision. Nothing is sent: no impression, no profile."""
    try:
        _tell_decision(args, terminal)
    except BucketerError as error:
        if args.json:
            problem = {"code": error.code, "message": str(error)}
            terminal.json({"variation": None, **_understood(args), "error": problem})
        if isinstance(error, UnknownKey):  # whose hint names the parameters of the URL
            error.hint = re.sub(r"\((e|f)=", r"(-\1 ", error.hint, count=1)
        raise


def _tell_decision(args: argparse.Namespace, terminal: Terminal) -> None:
    for name in ("experiment", "flag", "user", "attributes"):
        position = _first_bad(getattr(args, name) or "")
        if position is not None:
            message = f"--{name} is not valid UTF-8 at position {position}."
            raise InvalidRequest(message, field=name, position=position)
    user = User(args.user, parse_attributes(args.attributes))
    settings = at_revision(settings_of(args, terminal), args.revision)
    found = load_ruleset(settings, terminal)
    ruleset = found.used
    trace: list[Reason] | None = [] if args.explain else None
    decision = _decide(engine_of(settings)[0], ruleset, args, user, trace, terminal)
    slips = unknown_attributes(ruleset, user.attributes)
    if args.json:
        answer = _answer(decision, args, user, trace)
        if trace is not None:
            answer["changes"] = changes_json(_changes(ruleset, args, user))
        if slips and trace is not None:
            answer["unknown_attributes"] = slips
        terminal.json(answer)
        return
    hints = [hint_of(name, meant) for name, meant in slips.items()]
    for hint in hints if trace is None else ():
        terminal.say(f"bucketer: {hint}")
    _print_answer(decision, user, found, terminal)
    if trace is not None:
        terminal.line()
        terminal.tree(_explained(decision, args, trace))
        _tell_changes(_changes(ruleset, args, user), terminal)
        for hint in hints:
            terminal.text(hint, OPEN)


def _first_bad(text: str) -> int | None:
    """Where *text* was typed as a byte that is no UTF-8, which Python makes half a character of."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _understood(args: argparse.Namespace) -> dict[str, str]:
    """What the URL's answer to an error carries: whatever of the question was understood."""
    given = {name: getattr(args, name) for name in ("user", "experiment", "flag")}
    return {name: text for name, text in given.items() if text and _first_bad(text) is None}


def _decide(
    engine: Engine,
    ruleset: Ruleset,
    args: argparse.Namespace,
    user: User,
    trace: list[Reason] | None,
    terminal: Terminal,
) -> Decision:
    """Decide; a contextual bandit is not asked, and counts as one that could not be."""
    predictions: dict[str, Prediction | None] = {}
    while True:
        known = User(user.id, user.attributes, predictions=predictions)
        try:
            if args.flag is not None:
                return engine.decide(ruleset, args.flag, known, frozenset(), trace)
            return engine.activate(ruleset, args.experiment, known, trace)
        except PredictionNeeded as needed:
            terminal.say(f"bucketer: rule {needed.rule_id} asks a bandit, which isn't asked here")
            predictions[needed.rule_id] = None
            if trace is not None:
                trace.clear()


def _changes(ruleset: Ruleset, args: argparse.Namespace, user: User) -> Changes:
    """What would have to change for another variation."""
    if args.flag is not None:
        return counterfactuals(ruleset, user, flag_key=args.flag)
    return counterfactuals(ruleset, user, experiment_key=args.experiment)


def _tell_changes(found: Changes, terminal: Terminal) -> None:
    """The nearest changes, one for each line; what is only about other users comes last."""
    if not found.items:
        return
    terminal.line()
    told = [
        Node(f"{sentence_of(each)} \N{RIGHTWARDS ARROW} {_named(each)}", NOTE)
        for each in found.items[:_MOST_CHANGES]
    ]
    more = len(found.items) - len(told)
    if more:
        told.append(Node(f"and {more} more (--json has them)", NOTE))
    terminal.tree(Node("What would have to change", TITLE, tuple(told)))


def _named(change: Change) -> str:
    gives = change.gives
    rule = f" ({gives.rule_key})" if gives.flag_key and gives.rule_key else ""
    return f"{gives.variation_key or 'no variation'}{rule}"


def _answer(
    decision: Decision, args: argparse.Namespace, user: User, trace: list[Reason] | None
) -> dict[str, Any]:
    """The answer of `GET /bucketer`, with the reasons in it where they are asked for."""
    answers = Answers()
    if args.flag is not None:
        rendered = answers.flag(decision, user.id)
    else:
        rendered = answers.experiment(decision, args.experiment, user.id)
    answer: dict[str, Any] = json.loads(rendered)
    if decision.error is not None:
        answer["error"] = prediction_failed(decision.error)
    if trace is not None:
        answer["reasons"] = [reason.to_json() for reason in trace]
    return answer


def _print_answer(
    decision: Decision, user: User, loaded: Found[Ruleset], terminal: Terminal
) -> None:
    found = decision.variation_key
    terminal.line(found or "(no variation)", GOOD if found else BAD)
    facts = [("user", user.id)]
    if decision.flag_key:
        facts.append(("flag", f"{decision.flag_key}, {'on' if decision.enabled else 'off'}"))
        facts.append(("rule", decision.rule_key or "(none)"))
        facts += [
            (f"  {key}", json.dumps(value, ensure_ascii=False))
            for key, value in decision.variables.items()
        ]
    else:
        facts.append(("experiment", decision.rule_key or ""))
    facts += [("revision", loaded.used.revision), ("datafile", loaded.where)]
    if decision.error:
        facts.append(("error", decision.error))
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        terminal.text(f"  {name.ljust(width)}  {value}", below=width + 4)


def _explained(decision: Decision, args: argparse.Namespace, trace: list[Reason]) -> Node:
    found = decision.variation_key or "no variation"
    if args.flag is not None:
        return explanation(f"Flag {args.flag}: {found}", trace)
    return explanation_of_experiment(f"Experiment {args.experiment}: {found}", trace)
