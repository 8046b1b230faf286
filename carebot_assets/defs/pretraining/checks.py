"""Checks of the pre-training stage; `checkpoint_checks` serves every stage that trains."""

from pathlib import Path

import polars as pl

from carebot_assets.corpus import mix_audit
from carebot_assets.defs.checking import Shelf, check, declare, table_checks
from carebot_assets.defs.pretraining import assets
from carebot_assets.expectations import Finding
from carebot_assets.training import arms, checkpoint


def mix_checks(name: str) -> None:
    """Declare the blocking checks of a mix."""

    def token_ratios(shelf: Shelf) -> Finding:
        """Primary to secondary and Chinese to English stand as asked, in tokens."""
        return mix_audit.ratios_hold(shelf.scan(), getattr(shelf.settings.pretraining, name))

    def no_held_out_document(shelf: Shelf) -> Finding:
        """No document that losses are measured on is trained on."""
        return mix_audit.none_held_out(shelf.scan(), shelf.scan("held_out_text"))

    def no_held_out_text(shelf: Shelf) -> Finding:
        """The token file holds no document that is nearly one of those, or holds one."""
        from carebot_assets.corpus import token_audit

        texts = shelf.scan("held_out_text").select("text").collect()["text"]
        file = token_audit.open_tokens(_folder(shelf))
        return token_audit.holds_no_text(file, shelf.scan(), texts, _tokenizer(shelf))

    def tiled(shelf: Shelf) -> Finding:
        """The spans fill every sequence of the token file without gap or overlap."""
        from carebot_assets.corpus import token_audit

        file = token_audit.open_tokens(_folder(shelf))
        return mix_audit.tiled(shelf.scan(), file.tokens.shape)

    def boundaries_recorded(shelf: Shelf) -> Finding:
        """No sequence crosses the end of a document that is not recorded."""
        from carebot_assets.corpus import packing, token_audit

        _, eos_id = packing.load_tokenizer(_tokenizer(shelf))
        cut = shelf.manifest().metadata["num_cut_documents"]
        file = token_audit.open_tokens(_folder(shelf))
        return token_audit.boundaries_recorded(file, shelf.scan(), eos_id, cut)

    def tokens_are_text(shelf: Shelf) -> Finding:
        """The tokens of sampled documents are those of their text."""
        from carebot_assets.corpus import token_audit

        parts = assets.mix_parts(name, shelf.scan)
        documents = pl.concat(part.select("doc_id", "text") for part in parts)
        file = token_audit.open_tokens(_folder(shelf))
        return token_audit.agrees_with_text(file, shelf.scan(), documents, _tokenizer(shelf))

    found = (
        token_ratios,
        no_held_out_document,
        no_held_out_text,
        tiled,
        boundaries_recorded,
        tokens_are_text,
    )
    declare(name, {f.__name__: f for f in found}, blocking=True)


def checkpoint_checks(name: str) -> None:
    """Declare the checks of a checkpoint: sound, trained (blocking) and not forgetful (WARN; what
    the base model knows is what may be forgotten)."""

    def loads_and_is_finite(shelf: Shelf) -> Finding:
        """The weights can be read, hold no infinite or undefined number and fit the tokenizer."""
        return checkpoint.loads_and_is_finite(_folder(shelf))

    def manifest_complete(shelf: Shelf) -> Finding:
        """The manifest names stage, steps, settings, seed, packages, inputs and losses."""
        return checkpoint.manifest_complete(_folder(shelf))

    def loss_fell(shelf: Shelf) -> Finding:
        """Every loss the stage is meant to lower is lower than before it."""
        return checkpoint.loss_fell(_folder(shelf))

    def general_loss_rise(shelf: Shelf) -> Finding:
        """The held-out general loss is not too far above the base model's: forgetting."""
        maximum = shelf.settings.pretraining.max_general_loss_rise
        # Measured as the first stage began, which a base model taken from elsewhere is not.
        first = checkpoint.read_manifest(shelf.store.path("stable_checkpoint"))
        base = first["losses"]["before"].get("general")
        return checkpoint.general_loss_rise(_folder(shelf), base, maximum)

    sound = {f.__name__: f for f in (loads_and_is_finite, manifest_complete, loss_fell)}
    declare(name, sound, blocking=True)
    if name != "base_model":
        declare(name, {"general_loss_rise": general_loss_rise}, blocking=False, severity="WARN")


def _folder(shelf: Shelf) -> Path:
    return shelf.store.path(shelf.name)


def _tokenizer(shelf: Shelf) -> Path:
    return shelf.store.path("base_model")


for _mix in ("stable_mix", "boost_mix", "one_stage_mix"):
    table_checks(_mix)
    mix_checks(_mix)
for _checkpoint in (
    "base_model",
    "stable_checkpoint",
    "boost_checkpoint",
    "one_stage_checkpoint",
):
    checkpoint_checks(_checkpoint)
table_checks("two_stage_comparison", "mix_ratio_search")


@check("two_stage_comparison")
def both_arms_end(shelf: Shelf) -> Finding:
    """Both arms were trained to the same step with every seed."""
    plan = shelf.settings.pretraining
    return arms.complete(shelf.scan().collect(), 2, plan.comparison_seeds)


@check("mix_ratio_search")
def all_ratios_end(shelf: Shelf) -> Finding:
    """Every pair of ratios was trained to the same step with every seed."""
    search = shelf.settings.pretraining.ratio_search
    pairs = len(search.primary_shares) * len(search.zh_shares) if search else 0
    return arms.complete(shelf.scan().collect(), pairs, search.seeds if search else 0)


@check("base_model", severity="WARN")
def covers_chinese(shelf: Shelf) -> Finding:
    """The tokenizer spends few tokens on a Chinese character and knows nearly all of them."""
    from carebot_assets.corpus import token_audit

    maximum = shelf.settings.pretraining.max_zh_tokens_per_character
    return token_audit.covers(shelf.manifest().metadata, "zh", maximum)
