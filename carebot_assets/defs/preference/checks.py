"""Checks of the preference stage."""

from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.defs.preference import assets  # noqa: F401 - checks need their recipes
from carebot_assets.defs.pretraining.checks import checkpoint_checks
from carebot_assets.dialogue import findings, preference
from carebot_assets.expectations import Finding, inside

table_checks(
    "preference_prompts",
    "chat_responses",
    "dpo_pairs",
)
checkpoint_checks("dpo_checkpoint")


@check("preference_prompts", blocking=True)
def prompts_held_out(shelf: Shelf) -> Finding:
    """No prompt was seen in SFT training."""
    return findings.held_out(shelf.scan(), shelf.scan("sft_set"))


@check("chat_responses", severity="WARN")
def responses_end(shelf: Shelf) -> Finding:
    """Most answers of the model end by themselves."""
    ratio = preference.summarize_responses(shelf.scan())["finished_ratio"]
    return inside("share of finished answers", ratio, 0.5, 1.0)


@check("dpo_pairs", blocking=True)
def chosen_differs_from_rejected(shelf: Shelf) -> Finding:
    """Every pair has two different answers to a prompt that ends on the user."""
    return findings.good_pairs(shelf.scan())


@check("dpo_pairs", severity="WARN")
def judge_order_consistency(shelf: Shelf) -> Finding:
    """The judge prefers the same answer in both orders."""
    least = shelf.settings.preference.min_order_consistency
    ratio = preference.order_consistency(shelf.scan())
    return inside("share of verdicts that survive the swap", ratio, least, 1.0)


@check("dpo_pairs", severity="WARN")
def length_bias(shelf: Shelf) -> Finding:
    """Chosen answers are not much longer or shorter than rejected ones."""
    most = shelf.settings.preference.max_length_ratio
    ratio = preference.length_ratio(shelf.scan())
    return inside("characters chosen / rejected", ratio, 1 / most, most)
