"""Datafile in, ruleset out: all the thinking that needn't be done per request.

A broken part costs that part: it is set aside with a `Diagnostic`, and everything that depends on
it decides nothing; the rest keeps deciding. The order in which the maps are filled is the
reference's, for where two entities claim the same id or key the last one wins.

Source: optimizely-sdk 5.7.0, project_config.py:ProjectConfig.__init__.
"""

from __future__ import annotations

from .audiences import read_audiences
from .draft import Draft
from .flags import finish_flag, read_flags
from .holdouts import claim_maps, read_holdouts
from .lines import finish_holdout, finish_rule
from .project import read_attributes_and_events, read_settings
from .rules import index_variations, read_experiments, read_traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.parse import Datafile
    from bucketer.core.ruleset import Ruleset


def compile_datafile(datafile: Datafile) -> Ruleset:
    """Compile what `parse_datafile` returned.

    Never raises for a bad part; see `Ruleset.diagnostics`. The datafile is only read.
    """
    draft = Draft(datafile)
    ruleset = draft.ruleset
    read_settings(draft)
    read_attributes_and_events(draft)
    read_audiences(draft)
    if datafile.get("integrations"):
        from .integrations import read_integrations  # most projects have none

        read_integrations(draft)
    read_holdouts(draft)
    read_experiments(draft)
    for each in draft.read.values():
        read_traffic(draft, each)
    index_variations(draft)
    read_flags(draft)
    claim_maps(draft)
    for each in draft.read.values():
        if each.experiment.broken is None:
            finish_rule(draft, each)
    for each in draft.held:
        finish_holdout(draft, each)
    for flag in ruleset.flags.values():
        finish_flag(draft, flag)
    ruleset.diagnostics = tuple(draft.findings.diagnostics)
    return ruleset
