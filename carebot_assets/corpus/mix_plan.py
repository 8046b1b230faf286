"""How many tokens of each stratum go into a mix: both ratios at once, in whole tokens.

A stratum is a kind of text in a language (`primary_zh`). A mix is whole sequences, so that no tail
is left over that would bend the ratios.
"""

from collections.abc import Mapping
from typing import NamedTuple

from carebot_assets.corpus.mix_sources import KINDS, LANGS
from carebot_assets.settings import MixSettings


class Plan(NamedTuple):
    """Tokens of each stratum, together whole sequences; the part of what was asked for, and the
    stratum that allows no more."""

    tokens: dict[str, int]
    scale: float
    limited_by: str | None


def shares(settings: MixSettings) -> dict[str, float]:
    """Share of the tokens of each stratum that is asked for at all."""
    kinds = zip(KINDS, (settings.primary_share, 1 - settings.primary_share), strict=True)
    langs = dict(zip(LANGS, (settings.zh_share, 1 - settings.zh_share), strict=True))
    found = {f"{kind}_{lang}": x * y for kind, x in kinds for lang, y in langs.items()}
    return {stratum: share for stratum, share in found.items() if share > 0}


def allot(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """A total split by weights in whole numbers, each within one of its part.

    Source: the method of largest remainders (Hamilton).
    """
    scale = total / sum(weights.values())
    found = {name: int(weight * scale) for name, weight in weights.items()}
    by_rest = sorted(weights, key=lambda name: (found[name] - weights[name] * scale, name))
    for name in by_rest[: total - sum(found.values())]:
        found[name] += 1
    return found


def asked(settings: MixSettings, sequence_length: int) -> dict[str, int]:
    """Tokens asked of each stratum.

    Raises:
        ValueError: the mix is below one sequence.
    """
    total = settings.tokens // sequence_length * sequence_length
    if not total:
        raise ValueError(
            f"the mix has {settings.tokens} tokens, which is less than one sequence of "
            f"{sequence_length}; raise its setting `tokens`"
        )
    return allot(total, shares(settings))


def solve(settings: MixSettings, sequence_length: int, available: Mapping[str, int]) -> Plan:
    """Tokens to take of each stratum, given those of its text, so that both ratios hold.

    Args:
        settings: tokens, ratios and what to do about a shortage.
        sequence_length: tokens of a sequence.
        available: tokens of each stratum's text, read once.

    Raises:
        ValueError: a stratum is short and the settings do not allow what would help, or nothing
            helps; names each such stratum and the tokens it lacks.
    """
    wanted = asked(settings, sequence_length)
    epochs = settings.max_epochs if settings.shortage.startswith("repeat") else 1.0
    reach = {stratum: int(available.get(stratum, 0) * epochs) for stratum in wanted}
    if all(reach[stratum] >= tokens for stratum, tokens in wanted.items()):
        return Plan(wanted, 1.0, None)
    if not settings.shortage.endswith("shrink"):
        raise ValueError(_shortage(settings, wanted, available, reach))
    parts = shares(settings)
    limit = min(wanted, key=lambda stratum: (reach[stratum] / parts[stratum], stratum))
    num_sequences = int(reach[limit] / parts[limit]) // sequence_length
    while num_sequences:
        found = allot(num_sequences * sequence_length, parts)
        if all(reach[stratum] >= tokens for stratum, tokens in found.items()):
            return Plan(found, sum(found.values()) / sum(wanted.values()), limit)
        num_sequences -= 1
    raise ValueError(_shortage(settings, wanted, available, reach))


def _shortage(
    settings: MixSettings,
    wanted: Mapping[str, int],
    available: Mapping[str, int],
    reach: Mapping[str, int],
) -> str:
    short = [
        f"{stratum} is short by {tokens - reach[stratum]} tokens ({tokens} asked, "
        f"{available.get(stratum, 0)} available)"
        for stratum, tokens in wanted.items()
        if reach[stratum] < tokens
    ]
    may_repeat = settings.shortage.startswith("repeat")
    repeated = f" repeated {settings.max_epochs:g} times" if may_repeat else " without repetition"
    return (
        f"mix{repeated}: {'; '.join(short)}. Add text, lower `tokens`, or change `max_epochs`, "
        f"`shortage` ({settings.shortage}), `primary_share` or `zh_share` of the mix"
    )
