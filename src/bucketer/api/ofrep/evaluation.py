"""What OpenFeature's clients ask for, by its key, is decided here, and found rendered."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote

from bucketer.api.http import ProfileNeeded
from bucketer.core.bucketing import TOTAL_TRAFFIC
from bucketer.core.errors import InvalidRequest, UnknownFlag
from bucketer.core.slips import nearest
from bucketer.core.user import User

from .context import InvalidContext, TargetingKeyMissing
from .rendering import ENABLED, Address, Subject, rendered, text_before

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bucketer.api.http import Known
    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import EditionFacts, Engine

    from .context import Context
    from .rendering import Rendered

#: Longer keys are looked up as they stand, and not for a part behind a dot.
_LONGEST_ADDRESS = 512
_OF_EXPERIMENT = "It is an experiment's: set BUCKETER_OFREP_EXPERIMENTS to have those answered"
_NO_OPTIONS: frozenset[str] = frozenset()
#: Bytes of an entry of a dict and its parts, beyond their characters.
_AN_ENTRY = 400


class FlagNotFound(UnknownFlag):
    """No flag, part of one or experiment has that key."""


class Evaluator:
    """Evaluates by one edition. Safe to share by threads; what it remembers is bounded."""

    def __init__(self, edition: EditionFacts, options: ApiOptions, engine: Engine) -> None:
        self.edition = edition
        self.ruleset: Ruleset = edition.ruleset
        self._options = options
        self._engine = engine
        self._subjects: tuple[Subject, ...] | None = None
        #: Flags, their parts that a bulk evaluation answers, and what else was asked for and found.
        self._addresses: dict[str, Address] = {}
        self._left_bytes = options.answers_bytes

    # -- addresses --------------------------------------------------------------------------

    def address(self, key: str) -> Address:
        """Return what *key* names.

        Raises:
            FlagNotFound: nothing.
        """
        if self._subjects is None:
            self.subjects()
        address = self._addresses.get(key)
        if address is None:
            address = self._addresses[key] = self._find(key)  # of the datafile, so bounded by it
        return address

    def _find(self, key: str) -> Address:
        """Find a part that no bulk evaluation answers, or an experiment.

        Raises:
            FlagNotFound: there is none.
        """
        ruleset = self.ruleset
        if len(key) <= _LONGEST_ADDRESS:
            head, dot, part = key.rpartition(".")
            while dot:
                flag = ruleset.flags.get(head)
                if flag is not None and (part == ENABLED or part in flag.variables):
                    return Address(key, self._addresses[head].subject, part)
                head, dot, more = head.rpartition(".")
                part = f"{more}.{part}"
        for subject in self.subjects():
            if subject.flag is None and subject.key == key:
                return subject.addresses[0]
        hint = _OF_EXPERIMENT if key in ruleset.experiments else ""
        raise FlagNotFound(key, ruleset.revision, nearest(key, ruleset.flags), hint)

    def subjects(self) -> tuple[Subject, ...]:
        """Return all that a bulk evaluation answers."""
        if self._subjects is None:
            made = tuple(self._all())
            self._addresses = {
                each.key: each for one in made if one.flag is not None for each in one.addresses
            }
            self._subjects = made
        return self._subjects

    def addresses(self, keys: list[str] | None) -> Iterator[Address]:
        """Go through what a bulk evaluation answers: all there is, or what of it *keys* name."""
        wanted = None if keys is None else frozenset(keys)
        for subject in self.subjects():
            all_of_it = wanted is None or (subject.flag is not None and subject.key in wanted)
            for address in subject.addresses:
                if all_of_it or wanted is None or address.key in wanted:
                    yield address

    def _all(self) -> Iterator[Subject]:
        taken = set(self.ruleset.flags)
        for key in self.ruleset.flag_order:
            flag = self.ruleset.flags[key]
            subject = Subject(key, flag)
            addresses = [Address(key, subject)]
            parts = list(flag.variables) if len(flag.variables) > 1 else []
            addresses += [
                Address(f"{key}.{part}", subject, part)
                for part in dict.fromkeys([*parts, ENABLED])
                if f"{key}.{part}" not in taken  # a flag of that name comes first
            ]
            subject.addresses = tuple(addresses)
            yield subject
        if self._options.ofrep_experiments:
            for key in self.ruleset.experiments:
                if key not in taken:
                    subject = Subject(key, None)
                    subject.addresses = (Address(key, subject),)
                    yield subject

    # -- deciding ---------------------------------------------------------------------------

    def user(self, context: Context, known: Known | None) -> User:
        """Put together what is known of the user.

        Raises:
            InvalidContext: the targeting key, or the bucketing id, can't be hashed.
            ProfileNeeded: profiles are in use, and the user's has not been looked up yet.
        """
        key = context.targeting_key
        try:
            if known is None and not (self._options.profiles and key):
                return User(key or "", context.attributes)
            if self._options.profiles and key and (known is None or known.profile is None):
                User(key, context.attributes)  # raises for an id that no store should see
                raise ProfileNeeded(key)
            profile = None if known is None else known.profile
            predictions = None if known is None else known.predictions
            return User(key or "", context.attributes, profile=profile, predictions=predictions)
        except InvalidRequest as error:
            raise InvalidContext(str(error), field="targetingKey") from None

    def decide(
        self, address: Address, user: User, *, anonymous: bool, trace: list[Reason] | None = None
    ) -> Decision:
        """Decide what *address* is about; *trace* receives why, unless it is None.

        Raises:
            TargetingKeyMissing: the user is *anonymous*, and the decision depends on who it is.
            PredictionNeeded: a contextual bandit must be asked first.
        """
        if anonymous and trace is None:
            trace = []
        subject = address.subject
        if subject.flag is None:
            decision = self._engine.activate(self.ruleset, subject.key, user, trace)
        else:
            decision = self._engine.decide(self.ruleset, subject.key, user, _NO_OPTIONS, trace)
        if anonymous and any(_depends_on_the_user(each) for each in trace or ()):
            message = (
                f"Flag '{address.key[:200]}' depends on the user; the context needs a targetingKey."
            )
            raise TargetingKeyMissing(message, field="targetingKey")
        return decision

    # -- rendering --------------------------------------------------------------------------

    def render(self, address: Address, context: Context, user: User, decision: Decision) -> str:
        """Return the JSON text of one evaluation.

        Raises:
            InvalidContext: the context asks for a variable that the flag doesn't have.
        """
        part, flag = address.part, address.subject.flag
        if part is None and context.variable_key is not None and flag is not None:
            part = context.variable_key
            if part not in flag.variables:
                message = f"Flag '{address.key[:200]}' has no variable '{part[:200]}'."
                raise InvalidContext(message, field="variableKey")
        found = self._rendered(address.subject, decision, user)
        before = found.befores.get((address.key, part))
        if before is None:
            before = self._text_before(found, address, part, decision)
            self._keep(found, (address.key, part), before)
        return before + found.after(user, quote(user.id))

    def render_all(self, user: User) -> tuple[list[str], list[Decision]]:
        """Evaluate all there is for *user*; return the JSON texts, and the decisions.

        The addresses of one flag are one text, as they differ in what is known beforehand.

        Raises:
            PredictionNeeded: a contextual bandit must be asked first.
        """
        decide, activate, ruleset = self._engine.decide, self._engine.activate, self.ruleset
        quoted_id = quote(user.id)
        texts: list[str] = []
        decisions: list[Decision] = []
        for subject in self.subjects():
            if subject.flag is None:
                decision = activate(ruleset, subject.key, user, None)
            else:
                decision = decide(ruleset, subject.key, user, _NO_OPTIONS, None)
            found = subject.known.get(decision.base)
            if found is None or found.whitelist:
                found = self._rendered(subject, decision, user)
            after = found.after(user, quoted_id)
            befores = found.all or self._all_befores(found, subject, decision)
            texts.append(f"{after}, ".join(befores) + after)
            decisions.append(decision)
        return texts, decisions

    def _rendered(self, subject: Subject, decision: Decision, user: User) -> Rendered:
        """Return what *decision* about *subject* comes to for *user*."""
        base: object = decision.base
        found = subject.known.get(base)
        if found is not None and found.whitelist.get(user.id) is None:
            return found
        whitelisted = found is not None
        if whitelisted:
            base = (base, True)
            found = subject.known.get(base)
        if found is None:
            found = rendered(self.ruleset, subject, decision, whitelisted=whitelisted)
            if self._has_room(_AN_ENTRY):
                subject.known[base] = found
            if found.whitelist.get(user.id) is not None:
                return rendered(self.ruleset, subject, decision, whitelisted=True)
        return found

    def _text_before(
        self, found: Rendered, address: Address, part: str | None, decision: Decision
    ) -> str:
        off_values = self._options.ofrep_off_values
        return text_before(self.ruleset, found, address, part, decision, off_values=off_values)

    def _all_befores(
        self, found: Rendered, subject: Subject, decision: Decision
    ) -> tuple[str, ...]:
        made = tuple(
            self._text_before(found, each, each.part, decision) for each in subject.addresses
        )
        if self._has_room(sum(map(len, made)) + _AN_ENTRY):
            found.all = made
        return made

    def _keep(self, found: Rendered, key: tuple[str, str | None], before: str) -> None:
        if self._has_room(len(before) + _AN_ENTRY):
            found.befores[key] = before

    def _has_room(self, cost_bytes: int) -> bool:
        """Whether so much may be remembered; takes the room. Without any, all is forgotten."""
        if cost_bytes > self._left_bytes:
            for subject in self.subjects():
                subject.known.clear()
            self._left_bytes = self._options.answers_bytes
        if cost_bytes > self._left_bytes:
            return False
        self._left_bytes -= cost_bytes
        return True


def _depends_on_the_user(reason: Reason) -> bool:
    """Say whether another user might have fared otherwise at this step."""
    values = reason.values
    if "bucket" not in values:
        return False
    if reason.code != "bucketed":
        return True
    return not (values.get("start", 0) == 0 and values.get("end") == TOTAL_TRAFFIC)
