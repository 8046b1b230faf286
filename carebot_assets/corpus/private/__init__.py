"""Private information: which kinds a text holds, how often, and the text with them masked.

Cheap gates pick candidates, patterns find what looks like a value, and validators (checksums,
number plans) judge each distinct value once. Values never leave this module.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus.normalize import normalize
from carebot_assets.corpus.private.detector import SCOPES, Detector, needed
from carebot_assets.corpus.private.labelled import EN, MESSENGERS, ZH
from carebot_assets.corpus.private.numbers import CHECKED, IPS, NET, OTHERS, PHONES, SPACED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Held = Mapping[str, NDArray[np.bool_]]

# Order matters: what one detector has claimed the next ones do not see.
DETECTORS = (*NET, *IPS, *OTHERS, *ZH, *EN, *SPACED, *CHECKED, *PHONES, *MESSENGERS)
BY_NAME = {name: name for name in sorted({d.kind for d in DETECTORS if d.kind})}

_CUT, _CLAIMED = "\U0010ffff", "\U0010fffe"  # noncharacters: in no text
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
# Character by character, so that places stay the same. Full-width punctuation stays.
_FOLDED = {chr(c): chr(c - 0xFEE0) for c in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B))}
_FOLDED |= {chr(c): chr(c - 0xFEE0) for c in range(0xFF41, 0xFF5B)}
_FOLDED |= dict(zip("＠．－＋＿＝‐‑‒–—−\u2002\u2009", "@.-+_=------  ", strict=True))
# Several patterns are faster than one that joins them.
_FOLDABLE = (
    "[０-９]",
    "＠",
    "[0-9][‐‑‒–—−－\u2002\u2009][0-9]{3}",
)
SPANS = pl.Schema({"row": pl.UInt32, "start": pl.UInt32, "length": pl.UInt32, "kind": pl.String})
_MEASURES = tables.BY_NAME["text_measures"].schema
TALLY = {name: _MEASURES[name] for name in ("private_kinds", "private_counts", "private_spans")}


# Literals without which a gate is shut; of numbers the scope says as much.
_GATES = sorted({d.gate for d in DETECTORS if d.scope in ("any", "not_ascii")})
HINTS = {gate: needed(gate) for gate in _GATES if needed(gate)}


def find(texts: pl.Series) -> pl.Series:
    """Kinds found in every text, sorted by name; an empty list where there is none."""
    return tally(texts)["private_kinds"]


def tally(texts: pl.Series, held: "Held | None" = None) -> pl.DataFrame:
    """`private_kinds` of every text, sorted by name, `private_counts`: how often each, and
    `private_spans`: kind, first character and characters of each occurrence, in the text's order.

    Args:
        texts: texts; null holds none.
        held: whether each holds a literal of each of `HINTS`, where that is known already.
    """
    found = spans(texts, held)
    counts = found.group_by("row", "kind").len("count").sort("row", "kind")
    by_row = counts.group_by("row", maintain_order=True).agg(
        private_kinds="kind", private_counts="count"
    )
    place = pl.struct("kind", "start", "length")
    places = found.sort("row", "start").group_by("row").agg(private_spans=place)
    rows = pl.DataFrame({"row": pl.int_range(len(texts), dtype=pl.UInt32, eager=True)})
    joined = rows.join(by_row, on="row", how="left", maintain_order="left").join(
        places, on="row", how="left", maintain_order="left"
    )
    return joined.select(pl.col(name).cast(dtype).fill_null([]) for name, dtype in TALLY.items())


def mask(texts: pl.Series, kinds: Collection[str]) -> pl.Series:
    """Every text with the kinds replaced by placeholders such as `[EMAIL]`.

    Raises:
        ValueError: a kind that does not exist.
    """
    check_kinds(kinds)
    is_listed = pl.element().struct.field("kind").is_in(list(kinds))
    masks = tally(texts).select(pl.col("private_spans").list.filter(is_listed))
    return mask_at(texts, masks.to_series())


def mask_at(texts: pl.Series, masks: pl.Series) -> pl.Series:
    """Every text with its masks put in, which are listed as `private_spans` and in `rule_verdicts`;
    of a text that is but the beginning of the one they were found in, those that begin in it.

    Texts with a mask are few, and a loop over them is faster than queries over their pieces.
    """
    rows = (masks.list.len() > 0).arg_true()
    listed = zip(texts.gather(rows), masks.gather(rows).to_list(), strict=True)
    masked = pl.Series([_masked(*one) for one in listed], dtype=pl.String)
    return texts if rows.is_empty() else texts.clone().scatter(rows, masked)


def _masked(text: str, masks: list[dict[str, Any]]) -> str:
    parts, place = [], 0
    for mask in masks:
        if mask["start"] < len(text):
            parts += [text[place : mask["start"]], f"[{mask['kind'].upper()}]"]
            place = mask["start"] + mask["length"]
    return "".join([*parts, text[place:]])


def mask_all(texts: pl.Series) -> pl.Series:
    """Every text with all kinds masked."""
    return mask_at(texts, tally(texts)["private_spans"])


def redact(texts: pl.Series) -> pl.Series:
    """Every text with all kinds and every longer number masked.

    For samples of damaged records, where escapes of JSON and invisible characters hide from a
    detector what it seeks: they are read and left out. So do wrong decodings, hence the numbers.
    """
    rows = _holding(texts, _ESCAPE.pattern)
    read = [_ESCAPE.sub(_unescaped, text) for text in texts.gather(rows)]
    plain = texts.clone().scatter(rows, pl.Series(read, dtype=pl.String)).to_frame("text")
    seen = plain.select(normalize(pl.col("text"))).to_series()
    return mask_all(seen).str.replace_all(r"[0-9][0-9 -]{4,}[0-9Xx]", "[NUMBER]")


def _unescaped(match: re.Match[str]) -> str:
    """The character; a half of a pair stays as it is written."""
    code = int(match[1], 16)
    return match[0] if 0xD800 <= code < 0xE000 else chr(code)


def check_kinds(names: Collection[str]) -> None:
    """Raise a ValueError naming kinds that do not exist."""
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise ValueError(
            f"unknown kinds of private information {unknown}; known: {sorted(BY_NAME)}"
        )


def spans(texts: pl.Series, held: "Held | None" = None) -> pl.DataFrame:
    """Where private information stands: row, first character, characters and kind, in no order;
    `held` as in `tally`.

    Spans do not overlap: what one detector has claimed the next ones do not see.
    """
    found = [pl.DataFrame(schema=SPANS)]
    if texts.is_empty():  # to ask all the detectors for nothing takes its time too
        return found[0]
    view, folded = _folded(texts.clone())  # `scatter` works in place
    candidates = _candidates(view, held, folded.to_numpy())
    for detector in DETECTORS:
        if not candidates[detector].size:
            continue
        rows = pl.Series(candidates[detector], dtype=pl.UInt32)
        rows = rows.filter(view.gather(rows).str.contains(detector.pattern))
        if not rows.is_empty():
            claimed, rewritten = _claim(view.gather(rows), rows, detector)
            found.append(claimed)
            view = view.scatter(rows, rewritten)
    return pl.concat(found).drop_nulls("kind")


def _candidates(
    texts: pl.Series, held: "Held | None", folded: "NDArray[np.uint32]"
) -> dict[Detector, "NDArray[np.int64]"]:
    """Rows of a detector's scope whose text passes its gate, before anything is claimed.

    What was `held` by a text before it was `folded` says nothing of it.
    """
    import numpy as np

    passed = {}
    for scope in {detector.scope for detector in DETECTORS}:
        gates = sorted({detector.gate for detector in DETECTORS if detector.scope == scope})
        is_inside = np.ones(len(texts), np.bool_)
        if scope in SCOPES:
            is_inside = SCOPES[scope](texts).fill_null(False).to_numpy()
        hinted = {} if held is None else {gate: held[gate] for gate in gates if gate in HINTS}
        for gate, holds in hinted.items():
            may_pass = is_inside & holds
            may_pass[folded] |= is_inside[folded]
            rows = np.flatnonzero(may_pass)
            passes = texts.gather(rows).str.contains(gate).fill_null(False)
            passed[scope, gate] = rows[passes.to_numpy()]
        # One call for all others: each has a cost of its own, however few the texts.
        rows = np.flatnonzero(is_inside)
        others = (
            texts.gather(rows)
            .to_frame("text")
            .select(
                pl.col("text").str.contains(gate).fill_null(False).alias(gate)
                for gate in gates
                if gate not in hinted
            )
        )
        passed |= {(scope, gate): rows[others[gate].to_numpy()] for gate in others.columns}
    return {detector: passed[detector.scope, detector.gate] for detector in DETECTORS}


def _holding(texts: pl.Series, pattern: str) -> pl.Series:
    """The rows whose text holds the pattern."""
    return texts.str.contains(pattern).fill_null(False).arg_true()


def _folded(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The texts with full-width digits and letters and odd dashes as ASCII, and which had any."""
    rows = pl.concat([_holding(texts, pattern) for pattern in _FOLDABLE]).unique()
    if rows.is_empty():
        return texts, rows
    folded = texts.gather(rows).to_frame("text").select(pl.col("text").str.replace_many(_FOLDED))
    return texts.scatter(rows, folded.to_series()), rows


def _claim(view: pl.Series, rows: pl.Series, detector: Detector) -> tuple[pl.DataFrame, pl.Series]:
    """Spans of the detector's valid matches, and the view with them blotted out.

    Texts with a match are few: a loop over them is faster than a query's start.
    """
    text = pl.col("text")
    # Between the matches lie the pieces.
    found = (
        view.alias("text")
        .to_frame()
        .with_columns(text.str.replace_all(_CUT, "\ufffd", literal=True))
        .select(
            pieces=text.str.replace_all(detector.pattern, _CUT).str.split(_CUT),
            matches=text.str.extract_all(detector.pattern),
        )
    )
    values = _values(found["matches"].explode().drop_nulls().unique(), detector)
    spans, blotted = [], []
    for row, (pieces, matches) in zip(rows, found.iter_rows(), strict=True):
        parts, place = [pieces[0]], len(pieces[0])
        for match, piece in zip(matches, pieces[1:], strict=True):
            before, length = values[match]
            if length:
                spans.append((row, place + before, length, detector.kind))
                parts += [match[:before], _CLAIMED * length, match[before + length :], piece]
            else:
                parts += [match, piece]
            place += len(match) + len(piece)
        blotted.append("".join(parts))
    return pl.DataFrame(spans, schema=SPANS, orient="row"), pl.Series(blotted, dtype=pl.String)


def _values(matches: pl.Series, detector: Detector) -> dict[str, tuple[int, int]]:
    """Of every match: the characters before its value, and those of the value (0 if it is none)."""
    groups = matches.alias("match").to_frame()
    for name in ("before", "after"):
        if f"<{name}>" in detector.pattern:
            group = pl.col("match").str.extract_groups(detector.pattern).struct.field(name)
            groups = groups.with_columns(group.str.len_chars().fill_null(0).alias(name))
        else:
            groups = groups.with_columns(pl.lit(0).alias(name))
    found = {}
    for match, before, after in groups.iter_rows():
        length = len(match) - before - after
        is_valid = _is_valid(detector.is_valid or bool, match[before : before + length])
        found[match] = (before, length if is_valid else 0)
    return found


@lru_cache(maxsize=1 << 14)
def _is_valid(validator: Callable[[str], bool], value: str) -> bool:
    """A shard's values are met again wherever its texts are masked."""
    return bool(value) and validator(value)
