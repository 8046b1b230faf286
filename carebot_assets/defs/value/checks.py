"""Checks of the value stage."""

from typing import Any

from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.defs.value.assets import BOTH, QUALITY, RANDOM, RULES, VALUE
from carebot_assets.expectations import Finding, inside
from carebot_assets.raters import guards
from carebot_assets.training import arms

table_checks("value_scores", "rater_showdown")

# So few documents of a shard can all be kept, or none, by chance.
FEW = 50


def _report(shelf: Shelf) -> dict[str, Any]:
    return shelf.manifest("value_rater").metadata


@check("value_rater", blocking=True)
def inner_models_learn(shelf: Shelf) -> Finding:
    """The models whose losses teach the rater get better themselves.

    With frozen ones a rater still learns to order text, by what a random network makes of it.
    """
    fall = _report(shelf)["inner_loss_fall"]
    return Finding(fall > 0, f"loss of inner models fell by {fall:.3f} nats", {"fall": fall})


@check("value_rater", blocking=True)
def scores_differ(shelf: Shelf) -> Finding:
    """The rater tells texts apart: its scores are no constant and no runaway."""
    return inside("standard deviation of scores", _report(shelf)["score_std"], 0.001, 20.0)


@check("value_rater", severity="WARN")
def order_is_stable(shelf: Shelf) -> Finding:
    """The order of the rater's scores has settled."""
    return guards.floor("rank_stability", _report(shelf), shelf.settings.value.min_rank_stability)


@check("value_rater", severity="WARN")
def planted_corruption_is_found(shelf: Shelf) -> Finding:
    """Clean rows score above rows that were spoilt on purpose."""
    if not shelf.settings.value.planted_share:
        return Finding(True, "nothing was planted (value.planted_share)", {})
    return guards.floor("planted_auc", _report(shelf), shelf.settings.value.min_planted_auc)


@check("value_rater", severity="WARN")
def value_is_not_length(shelf: Shelf) -> Finding:
    """Scores do not merely follow the length of a row."""
    limit = shelf.settings.value.max_length_correlation
    return inside("length correlation", _report(shelf)["length_correlation"], -limit, limit)


@check("value_scores", severity="WARN")
def share_kept(shelf: Shelf) -> Finding:
    """A shard is neither kept nor dropped as a whole: that would be a verdict on its source."""
    found, discard = shelf.manifest().metadata, shelf.settings.value.discard
    if found["num_documents"] < FEW or not discard:
        return Finding(True, f"{found['num_documents']} documents, {discard:.0%} to be dropped", {})
    part = 0.04 * min(discard, 1 - discard)
    return inside("share kept", found["keep_ratio"], part, 1 - part)


@check("rater_showdown")
def all_arms_end(shelf: Shelf) -> Finding:
    """Every arm was trained to the same step with every seed."""
    plan = shelf.settings.value.showdown
    log = shelf.scan().collect()
    compared = log.filter(log["arm"].is_in([RANDOM, RULES, QUALITY, VALUE, BOTH]))
    return arms.complete(compared, 5 if plan else 0, plan.seeds if plan else 0)
