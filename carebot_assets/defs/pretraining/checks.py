"""Checks of the pre-training stage; `checkpoint_checks` serves every stage that trains."""

from pathlib import Path

from carebot_assets.corpus import mix_audit
from carebot_assets.defs.checking import Shelf, check, declare, table_checks
from carebot_assets.defs.pretraining import assets  # noqa: F401 - checks need their recipes
from carebot_assets.expectations import Finding, inside
from carebot_assets.training import checkpoint

# Bytes need three tokens a Chinese character; a vocabulary made for Chinese needs well below one.
MAX_ZH_TOKENS_PER_CHARACTER = 1.2


def mix_checks(name: str) -> None:
    """Declare the blocking checks of a mix."""

    def token_ratios(shelf: Shelf) -> Finding:
        """Primary to secondary and Chinese to English stand as asked, in tokens."""
        return mix_audit.ratios_hold(shelf.scan(), getattr(shelf.settings.pretraining, name))

    def no_held_out_text(shelf: Shelf) -> Finding:
        """No document that losses are measured on is trained on."""
        return mix_audit.none_held_out(shelf.scan(), shelf.scan("held_out_text"))

    def tiled(shelf: Shelf) -> Finding:
        """The spans fill every sequence of the token file without gap or overlap."""
        import numpy as np

        tokens = np.load(shelf.store.path(name) / "tokens.npy", mmap_mode="r")
        return mix_audit.tiled(shelf.scan(), tokens.shape)

    found = (token_ratios, no_held_out_text, tiled)
    declare(name, {f.__name__: f for f in found}, blocking=True)


def checkpoint_checks(name: str) -> None:
    """Declare the checks of a checkpoint: sound, trained (blocking) and not forgetful (WARN)."""

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
        """The held-out general loss has not risen by more than the profile allows: forgetting."""
        maximum = shelf.settings.pretraining.max_general_loss_rise
        return checkpoint.general_loss_rise(_folder(shelf), maximum)

    sound = {f.__name__: f for f in (loads_and_is_finite, manifest_complete, loss_fell)}
    declare(name, sound, blocking=True)
    declare(name, {"general_loss_rise": general_loss_rise}, blocking=False, severity="WARN")


def _folder(shelf: Shelf) -> Path:
    return shelf.store.path(shelf.name)


for _mix in ("stable_mix", "boost_mix"):
    table_checks(_mix)
    mix_checks(_mix)
for _checkpoint in ("base_model", "stable_checkpoint", "boost_checkpoint"):
    checkpoint_checks(_checkpoint)


@check("base_model", severity="WARN")
def covers_chinese(shelf: Shelf) -> Finding:
    """The tokenizer spends at most 1.2 tokens on a Chinese character."""
    found = shelf.manifest().metadata.get("tokens_per_character_zh")
    return inside("tokens per Chinese character", found, 0.0, MAX_ZH_TOKENS_PER_CHARACTER)
