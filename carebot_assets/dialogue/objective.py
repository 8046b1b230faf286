"""Objective preference pairs: the right option of a choice question against a wrong one.

They keep alignment from costing knowledge. Source: CareBot 1.5.
"""

import polars as pl

from carebot_assets.dialogue.adapters.base import LETTERS


def objective_pairs(choice_prompts: pl.DataFrame) -> pl.DataFrame:
    """Right answers against wrong ones, the wrong one chosen by the record's hash.

    A question with one right option is answered with another; one with several gets a letter added
    or taken away.
    """
    number = pl.col("record_id").str.slice(8, 8).str.to_integer(base=16, dtype=pl.Int64)
    key = pl.col("answer_key")
    letters = [
        pl.when(pl.col("options").list.get(i, null_on_oob=True).fill_null("") != "").then(
            pl.lit(letter)
        )
        for i, letter in enumerate(LETTERS)
    ]
    right = key.str.extract_all(".")
    wrong = pl.concat_list(letters).list.drop_nulls().list.set_difference(right).list.sort()
    is_single = right.list.len() == 1
    # Alternatives: one key for every letter that could be added or removed.
    changed = wrong.list.eval(pl.element())
    frame = (
        choice_prompts.lazy()
        .with_columns(right=right, wrong=wrong)
        .with_columns(
            toggles=pl.when(is_single)
            .then(changed)
            .otherwise(pl.concat_list("right", "wrong").list.sort())
        )
    )
    toggle = pl.col("toggles").list.get(number % pl.col("toggles").list.len(), null_on_oob=True)
    toggled = (
        pl.when(is_single)
        .then(pl.concat_list(toggle))
        .otherwise(pl.col("right").list.set_symmetric_difference(pl.concat_list(toggle)))
        .list.sort()
    )
    return (
        frame.with_columns(rejected_key=toggled)
        .select(
            "record_id",
            chosen=_option_lines(pl.col("right")),
            rejected=_option_lines(pl.col("rejected_key")),
            has_wrong=pl.col("toggles").list.len() > 0,
        )
        .collect()
    )


def _option_lines(key: pl.Expr) -> pl.Expr:
    """The answer as the dialogues give it: a line `B. text` for every letter."""
    return pl.concat_str(
        [
            pl.when(key.list.contains(letter)).then(
                pl.format(letter + ". {}", pl.col("options").list.get(i, null_on_oob=True))
            )
            for i, letter in enumerate(LETTERS)
        ],
        separator="\n",
        ignore_nulls=True,
    )
