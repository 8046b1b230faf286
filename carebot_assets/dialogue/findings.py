"""What the instruction and preference tables must fulfil, as findings."""

import polars as pl

from carebot_assets.dialogue.adapters.base import LETTERS
from carebot_assets.dialogue.cleaning import ALTERNATING
from carebot_assets.expectations import MAX_OFFENDERS, Finding

ORIGIN = r"^(.*)#(\d+)$"


def none_of(offenders: pl.LazyFrame, what: str, key: str = "record_id") -> Finding:
    """There are no offenders; the first of them are named."""
    found = offenders.select(key).collect()[key]
    text = f"no {what}" if found.is_empty() else f"{found.len()} {what}"
    return Finding(
        found.is_empty(),
        text,
        {"num_offenders": found.len(), "examples": found.head(MAX_OFFENDERS).to_list()},
    )


def conserved(dialogues: pl.LazyFrame, quarantine: pl.LazyFrame) -> Finding:
    """Every record position of every file, from 0 on, is a dialogue or in quarantine, once."""
    origins = pl.concat([dialogues.select("origin"), quarantine.select("origin")])
    position = pl.col("origin").str.extract(ORIGIN, 2).cast(pl.Int64)
    per_file = (
        origins.select(file=pl.col("origin").str.extract(ORIGIN, 1), position=position)
        .group_by("file")
        .agg(pl.len(), pl.col("position").n_unique().alias("distinct"), pl.col("position").max())
        .collect()
    )
    wrong = per_file.filter(
        (pl.col("len") != pl.col("distinct")) | (pl.col("len") != pl.col("position") + 1)
    )
    text = (
        f"{per_file['len'].sum()} records = dialogues + quarantine"
        if wrong.is_empty()
        else f"records are lost or doubled in {wrong['file'].to_list()}"
    )
    return Finding(wrong.is_empty(), text, {"num_records": int(per_file["len"].sum())})


def alternate(dialogues: pl.LazyFrame, kept: pl.LazyFrame) -> Finding:
    """Kept records alternate between user and assistant, end on the assistant, have no blanks."""
    field = pl.element().struct.field
    roles = pl.col("turns").list.eval(field("role")).list.join(",").fill_null("")
    blank = pl.col("turns").list.eval(field("text").str.strip_chars() == "").list.any()
    offenders = dialogues.join(kept.select("record_id"), on="record_id", how="semi").filter(
        ~roles.str.contains(ALTERNATING) | blank
    )
    return none_of(offenders, "kept records with roles out of order or blank turns")


def valid_keys(dialogues: pl.LazyFrame) -> Finding:
    """Keys of choice records name options that are there; other records have no key."""
    letters = pl.col("answer_key").str.extract_all(".")
    shown = pl.concat_list(
        pl.when(pl.col("options").list.get(i, null_on_oob=True).fill_null("") != "").then(
            pl.lit(letter)
        )
        for i, letter in enumerate(LETTERS)
    ).list.drop_nulls()
    is_valid = (letters.list.len() > 0) & (letters.list.set_difference(shown).list.len() == 0)
    is_choice = pl.col("kind") == "choice"
    offenders = dialogues.filter(
        pl.when(is_choice)
        .then(~is_valid.fill_null(False))
        .otherwise(pl.col("answer_key").is_not_null())
    )
    return none_of(offenders, "records whose answer key fits no option")


def same_records(frame: pl.LazyFrame, expected: pl.LazyFrame, what: str) -> Finding:
    """The frame has exactly the expected records."""
    mine, theirs = frame.select("record_id"), expected.select("record_id")
    missing = theirs.join(mine, on="record_id", how="anti").collect()["record_id"]
    extra = mine.join(theirs, on="record_id", how="anti").collect()["record_id"]
    passed = missing.is_empty() and extra.is_empty()
    text = what if passed else f"not {what}: {missing.len()} missing, {extra.len()} unknown"
    return Finding(passed, text, {"examples": [*missing.head(10), *extra.head(10)]})


def unique_pairs(chosen: pl.LazyFrame, dialogues: pl.LazyFrame) -> Finding:
    """No two kept records share first question and last answer."""
    kept = chosen.filter(pl.col("verdict") == "keep").select("record_id")
    keys = dialogues.select("record_id", "pair_key").join(kept, on="record_id", how="semi")
    return none_of(keys.filter(pl.col("pair_key").is_duplicated()), "duplicate records")


def separate_splits(chosen: pl.LazyFrame, dialogues: pl.LazyFrame) -> Finding:
    """No question is both trained on and held out."""
    keys = chosen.filter(pl.col("verdict") == "keep").join(
        dialogues.select("record_id", "question_key"), on="record_id"
    )
    both = keys.group_by("question_key").agg(
        pl.col("split").n_unique(), pl.col("record_id").first()
    )
    return none_of(both.filter(pl.col("split") > 1), "questions in both splits")


def thresholds_hold(chosen: pl.LazyFrame, min_deita: float, band: tuple[float, float]) -> Finding:
    """Kept open records reach the Deita score; kept multi-turn ones lie inside the CF band."""
    low, high = band
    deita = (pl.col("deita") >= min_deita).fill_null(False)
    inside = pl.col("cf").is_between(low, high).fill_null(False)
    offenders = chosen.filter(
        pl.col("verdict") == "keep",
        ((pl.col("kind") != "choice") & ~deita) | ((pl.col("kind") == "multi") & ~inside),
    )
    return none_of(offenders, f"kept records below {min_deita:g} or outside {low:g} .. {high:g}")


def at_least(chosen: pl.LazyFrame, languages: list[str], minimum: int) -> Finding:
    """Every language has enough records for training."""
    counts = dict(
        chosen.filter(pl.col("verdict") == "keep", pl.col("split") == "sft")
        .group_by("lang")
        .len()
        .collect()
        .rows()
    )
    few = {lang: counts.get(lang, 0) for lang in languages if counts.get(lang, 0) < minimum}
    text = f"at least {minimum} records a language" if not few else f"below {minimum}: {few}"
    return Finding(not few, text, {"observed": counts, "minimum": minimum})


def good_pairs(pairs: pl.LazyFrame) -> Finding:
    """Kept pairs have a prompt that ends on the user and two different, non-blank answers."""
    chosen, rejected = (pl.col(name).str.strip_chars() for name in ("chosen", "rejected"))
    ends_on_user = pl.col("prompt").list.last().struct.field("role") == "user"
    is_good = (chosen != rejected) & (chosen != "") & (rejected != "") & ends_on_user
    offenders = pairs.filter(pl.col("verdict") == "keep", ~is_good.fill_null(False))
    return none_of(offenders, "pairs with equal or blank answers")


def held_out(prompts: pl.LazyFrame, chosen: pl.LazyFrame) -> Finding:
    """Prompts are kept records of the preference split only."""
    allowed = chosen.filter(pl.col("verdict") == "keep", pl.col("split") == "preference")
    offenders = prompts.join(allowed.select("record_id"), on="record_id", how="anti")
    return none_of(offenders, "prompts that SFT has trained on")
