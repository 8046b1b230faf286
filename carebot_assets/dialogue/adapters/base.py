"""What an adapter is, and the parts adapters share: text clean-up, turns, choice questions."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from carebot_assets.tables import TURNS

LETTERS = "ABCDEFGH"
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "position": pl.Int64,
    "turns": TURNS,
    "is_choice": pl.Boolean,
    "answer_key": pl.String,
    "options": pl.List(pl.String),
    "department": pl.String,
    "error": pl.String,
}
SPEAKERS = "病人|患者|医生|问|答|patient|doctor|human|user|assistant"
PREFIX = rf"(?i)^\s*(?:<s>)?\s*(?:{SPEAKERS})\s*[：:]\s*"
NOTHING = ["", "nan", "none", "null", "无"]


@dataclass(frozen=True)
class Adapter:
    """How the records of one source become dialogues.

    `build` gets the readable records (`position`, `raw` JSON) and returns a frame of `COLUMNS`,
    missing ones being null; a row with an `error` is quarantined.
    """

    name: str
    description: str
    build: Callable[[pl.DataFrame], pl.LazyFrame]


def clean(text: pl.Expr) -> pl.Expr:
    """Text without speaker prefix, control characters and outer white space."""
    return (
        text.str.replace_all(r"\r\n?", "\n")
        .str.replace_all(r"[\x00-\x08\x0b-\x1f\x7f]", "")
        .str.replace(PREFIX, "")
        .str.replace(r"\s*</s>\s*$", "")
        .str.strip_chars()
    )


def something(text: pl.Expr) -> pl.Expr:
    """The text, or null where it only says that there is nothing (`nan`, `None`, 无)."""
    stripped = text.str.strip_chars()
    return pl.when(~stripped.str.to_lowercase().is_in(NOTHING)).then(stripped)


def turn(role: str, text: pl.Expr) -> pl.Expr:
    return pl.struct(pl.lit(role).alias("role"), text.alias("text"))


def one_round(user: pl.Expr, assistant: pl.Expr) -> pl.Expr:
    """Turns of a question and its answer."""
    return pl.concat_list(turn("user", user), turn("assistant", assistant))


def alternating(texts: pl.Expr) -> pl.Expr:
    """Turns of a list of texts that the user begins."""
    is_user = pl.int_range(pl.len()) % 2 == 0
    role = pl.when(is_user).then(pl.lit("user")).otherwise(pl.lit("assistant"))
    return texts.list.eval(pl.struct(role.alias("role"), clean(pl.element()).alias("text")))


def missing(**fields: pl.Expr) -> pl.Expr:
    """Error text naming the fields that are null, null where all are there."""
    names = pl.concat_str(
        [pl.when(expr.is_null()).then(pl.lit(name)) for name, expr in fields.items()],
        separator=", ",
        ignore_nulls=True,
    )
    return pl.when(names != "").then(pl.format("no text in field {}", names))


def option_fields(*prefixes: str) -> dict[str, str]:
    """`extract` fields `option_A`..`option_H` of options kept as a mapping or as a list."""
    return {
        f"option_{letter}": "|".join(
            path
            for prefix in prefixes
            for path in (
                f"{prefix}.{letter}",
                # Some copies have full-width letters.
                f'{prefix}."{chr(ord(letter) + 0xFEE0)}"',
                f"{prefix}[{number}]",
            )
        )
        for number, letter in enumerate(LETTERS)
    }


def choice(frame: pl.LazyFrame, prompt: pl.Expr, answer_cue: str) -> pl.LazyFrame:
    """Dialogues of choice questions.

    Expects columns `question`, `answer` (letters in any form, or the text of an option) and
    `option_A` .. `option_H`. Options keep their letters: a blank one is left out of the prompt, not
    closed up. The answer names the right letters with their texts.
    """
    shown = {
        letter: something(clean(pl.col(f"option_{letter}").str.normalize("NFC")))
        for letter in LETTERS
    }
    frame = frame.with_columns(**{f"option_{letter}": text for letter, text in shown.items()})
    options = [pl.col(f"option_{letter}") for letter in LETTERS]
    lines = [
        pl.when(option.is_not_null()).then(pl.format(letter + ". {}", option))
        for letter, option in zip(LETTERS, options, strict=True)
    ]
    letters = pl.col("answer").str.normalize("NFKC").str.to_uppercase()
    letters = letters.str.replace_all(r"[\s,，、;；.。]+", "")
    by_text = pl.concat_str(
        [
            pl.when(option == pl.col("answer").str.strip_chars()).then(pl.lit(letter))
            for letter, option in zip(LETTERS, options, strict=True)
        ],
        ignore_nulls=True,
    )
    key = pl.when(letters.str.contains(rf"^[{LETTERS}]+$")).then(letters).otherwise(by_text)
    key = key.str.split("").list.unique().list.sort().list.join("")
    frame = frame.with_columns(answer_key=key)
    chosen = [
        pl.when(pl.col("answer_key").str.contains(letter, literal=True)).then(line)
        for letter, line in zip(LETTERS, lines, strict=True)
    ]
    num_chosen = pl.sum_horizontal(line.is_not_null().cast(pl.Int32) for line in chosen)
    num_options = pl.sum_horizontal(option.is_not_null().cast(pl.Int32) for option in options)
    position_of_last = pl.max_horizontal(
        pl.when(option.is_not_null()).then(number + 1) for number, option in enumerate(options)
    )
    listing = pl.concat_str(lines, separator="\n", ignore_nulls=True)
    return frame.with_columns(
        turns=one_round(
            pl.format("{}\n{}\n{}", prompt, listing, pl.lit(answer_cue)),
            pl.concat_str(chosen, separator="\n", ignore_nulls=True),
        ),
        is_choice=pl.lit(True),
        options=pl.concat_list(option.fill_null("") for option in options).list.head(
            position_of_last.fill_null(0)
        ),
        error=pl.coalesce(
            missing(question=pl.col("question"), answer=pl.col("answer")),
            pl.when(num_options < 2).then(pl.lit("fewer than two options")),
            pl.when((num_chosen == 0) | (num_chosen != pl.col("answer_key").str.len_chars())).then(
                pl.format("answer {} is not among the options", "answer")
            ),
        ),
    )
