"""One way to recognise private information, and the pieces that patterns share."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl


@dataclass(frozen=True)
class Detector:
    """What one pattern recognises.

    Only texts of the `scope` that hold the `gate` are searched; keep gates to a few literals, for
    which the regex engine skips through a text at gigabytes a second. The groups `before` and
    `after` of the pattern are context that stays when the value is masked. Without a `kind` a
    match is something else, which no later detector sees.

    Word boundaries are ASCII ones: between a Chinese character and a digit there is one. Patterns
    see full-width digits and odd dashes as ASCII.
    """

    kind: str | None
    gate: str
    pattern: str
    is_valid: Callable[[str], bool] | None = None
    scope: str = "any"


# Texts that any detector of the scope may find something in. Less than six digits are no number
# of a person.
SCOPES: dict[str, Callable[[pl.Series], pl.Series]] = {
    "not_ascii": lambda texts: texts.str.len_bytes() > texts.str.len_chars(),
    "digits": lambda texts: texts.str.contains("[0-9]{2}[-. )]{0,2}[0-9]{2}[-. )]?[0-9]{2}"),
    "dots": lambda texts: texts.str.contains(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),
}


# In a gate: what does not match just itself, and a sign that does.
_VARYING = re.compile(r"\(\?:[^()]*\)[?*]?|\[[^]]*\](?:\{[^}]*\}|[?*+])?|\\w|\\s|[^\\][?*]")
_ESCAPED = re.compile(r"\\(\W)")
MIN_BYTES = 2


def needed(gate: str) -> tuple[str, ...]:
    """Literals of which any text holds one that the gate lets through; none where one would be
    shorter than `MIN_BYTES`."""
    pieces = _ESCAPED.sub(r"\1", _VARYING.sub("\0", gate)).split("|")
    longest = [max(piece.split("\0"), key=lambda part: len(part.encode())) for piece in pieces]
    return tuple(longest) if all(len(part.encode()) >= MIN_BYTES for part in longest) else ()


def within(scope: str, *detectors: Detector) -> tuple[Detector, ...]:
    """The detectors, for texts of a scope."""
    return tuple(replace(detector, scope=scope) for detector in detectors)


B = r"(?-u:\b)"
SEP = "[ -]"
# Between a label and its value.
IS = r"(?:\s?(?:[：:#=(]|号码|号|是|为|(?i:number|num|no|is|was)(?-u:\b)\.?))*\s*"
