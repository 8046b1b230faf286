"""Private information: which kinds a text holds, and the text with them masked.

A cheap `contains` picks candidates, a pattern extracts what looks like a value, and a validator
(checksum, number plan) judges each distinct value once. Values never leave this module.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

_CUT = "\U0010ffff"  # a noncharacter: in no text
_GROUPS = ("before", "label", "after")


@dataclass(frozen=True)
class Kind:
    """One kind of private information.

    `pattern` may hold the named groups `before` and `after`, which stay when a value is masked.
    Word boundaries are ASCII ones: between a Chinese character and a digit there is one.
    """

    name: str
    guard: str
    pattern: str
    validator: Callable[[str], bool] | None = None


def _is_resident_id(value: str) -> bool:
    from stdnum.cn import ric
    from stdnum.exceptions import ValidationError

    # Not `ric.is_valid`: its list of counties lacks many that issued ids.
    value = value.upper()
    try:
        ric.get_birth_date(value)
    except ValidationError:
        return False
    return bool(ric.calc_check_digit(value) == value[-1])


def _is_ssn(value: str) -> bool:
    from stdnum.us import ssn

    return bool(ssn.is_valid(value))


def _is_card(value: str) -> bool:
    from stdnum import luhn

    digits = "".join(filter(str.isdigit, value))
    return digits[0] in "3456" and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _is_public_ip(value: str) -> bool:
    import ipaddress

    try:
        return ipaddress.IPv4Address(value).is_global
    except ValueError:
        return False


def _is_phone(value: str) -> bool:
    import phonenumbers

    region = "CN" if value.lstrip("(（")[:1] in "01" else "US"
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(number)


_B = r"(?-u:\b)"
# Order matters: what one kind has claimed is masked before the next one looks.
KINDS = (
    Kind(
        "url_credentials",
        r"://[^\s/]*@|(?i:token|password|api_?key)=",
        r"(?P<before>(?i:[?&](?:access_)?token|[?&]password|[?&]api_?key)=)[^\s&#]{4,}"
        r"|[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@[^\s，。；]*",
    ),
    Kind("email", "@", r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"),
    Kind(
        "person_name",
        r"姓名\s?[：:]|(?i:patient(?:'s)? name\s?[：:])",
        r"(?P<before>姓名\s?[：:]\s?)[\p{Han}·]{2,4}?(?P<after>性别|年龄|出生|民族|[^\p{Han}·]|$)"
        r"|(?P<label>(?i:patient(?:'s)? name)\s?[：:]\s?)"
        r"[A-Z][\p{L}'.-]*(?: [A-Z][\p{L}'.-]*){0,3}",
    ),
    Kind(
        "medical_record_number",
        r"住院号|病历号|门诊号|病案号|MRN|(?i:medical record n)",
        r"(?P<before>(?:住院号|病历号|门诊号|病案号|MRN|(?i:medical record (?:number|no\.?)))"
        r"(?:\s|[：:#]|is|为|是)*)[A-Za-z]{0,4}-?[0-9][0-9-]{3,19}",
    ),
    Kind(
        "cn_resident_id", r"[0-9]{17}[0-9Xx]", rf"{_B}[1-8][0-9]{{16}}[0-9Xx]{_B}", _is_resident_id
    ),
    Kind(
        "bank_card",
        r"[0-9]{13}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}",
        rf"{_B}[0-9]{{13,19}}{_B}|{_B}[0-9]{{4}}(?:[ -][0-9]{{4}}){{2,3}}(?:[ -][0-9]{{1,3}})?{_B}",
        _is_card,
    ),
    Kind(
        "us_ssn",
        r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
        rf"{_B}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{_B}",
        _is_ssn,
    ),
    Kind(
        "phone",
        r"1[3-9][0-9]{9}|1[3-9][0-9][ -][0-9]{4}[ -]|[0-9]{3,4}\)?[-－. ] ?[0-9]{3,8}|\+[1-9]",
        rf"\+[1-9][0-9]{{0,2}}(?:[ -]?\(?[0-9]{{1,4}}\)?){{2,5}}[0-9]{_B}"
        rf"|{_B}1[3-9][0-9](?:[0-9]{{8}}|[ -][0-9]{{4}}[ -][0-9]{{4}}){_B}"
        rf"|(?:[(（]0[0-9]{{2,3}}[)）] ?|{_B}0[1-9][0-9]{{1,2}}[-－])[0-9]{{7,8}}{_B}"
        rf"|(?:\([2-9][0-9]{{2}}\) ?|{_B}[2-9][0-9]{{2}}[-.])[2-9][0-9]{{2}}[-.][0-9]{{4}}{_B}",
        _is_phone,
    ),
    Kind("ip", r"[0-9]\.[0-9]{1,3}\.[0-9]", r"[0-9]+(?:\.[0-9]+){3,}", _is_public_ip),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def find(texts: pl.Series) -> pl.Series:
    """Kinds found in every text, sorted by name; an empty list where there is none."""
    return _sweep(texts, None)[1]


def mask(texts: pl.Series, kinds: pl.Series) -> pl.Series:
    """Every text with its listed kinds replaced by placeholders such as `[EMAIL]`.

    Raises:
        ValueError: a kind that does not exist.
    """
    listed = kinds.explode().drop_nulls().unique().to_list()
    check_kinds(listed)
    return _sweep(texts, kinds)[0]


def mask_all(texts: pl.Series) -> pl.Series:
    """Every text with all kinds masked."""
    return _sweep(texts, None)[0]


def check_kinds(names: list[str]) -> None:
    """Raise a ValueError naming kinds that do not exist."""
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise ValueError(
            f"unknown kinds of private information {unknown}; known: {sorted(BY_NAME)}"
        )


def _sweep(texts: pl.Series, wanted: pl.Series | None) -> tuple[pl.Series, pl.Series]:
    """Texts with the wanted kinds (None: all) masked, and the kinds that were."""
    found = pl.DataFrame(
        {name: pl.repeat(False, len(texts), eager=True) for name in sorted(BY_NAME)}
    )
    for kind in KINDS:
        candidate = texts.str.contains(kind.guard).fill_null(False)
        if wanted is not None:
            candidate &= wanted.list.contains(kind.name).fill_null(False)
        rows = candidate.arg_true()
        masked = _masked(texts.gather(rows), kind)
        rows, masked = rows.filter(masked.is_not_null()), masked.drop_nulls()
        if not rows.is_empty():
            texts = texts.scatter(rows, masked)
            found.replace_column(
                found.get_column_index(kind.name), found[kind.name].scatter(rows, True)
            )
    names = [pl.when(pl.col(name)).then(pl.lit(name)) for name in found.columns]
    return texts, found.select(kinds=pl.concat_list(names).list.drop_nulls()).to_series()


def _masked(texts: pl.Series, kind: Kind) -> pl.Series:
    """Masked texts, null where nothing was found."""
    placeholder, text = f"[{kind.name.upper()}]", pl.col("text")
    frame = pl.DataFrame({"text": texts}).with_row_index("row")
    if kind.validator is None:
        kept = {name: f"${{{name}}}" for name in _GROUPS if f"<{name}>" in kind.pattern}
        before = kept.get("before", "") + kept.get("label", "")
        masked = frame.select(
            text.str.replace_all(kind.pattern, before + placeholder + kept.get("after", ""))
        )
    else:
        # Between the matches lie the pieces: put a placeholder or the match itself after each.
        frame = frame.with_columns(text.str.replace_all(_CUT, "\ufffd", literal=True))
        spans = frame.select(
            "row",
            piece=text.str.replace_all(kind.pattern, _CUT).str.split(_CUT),
            value=text.str.extract_all(kind.pattern).list.concat(pl.lit([""])),
        ).explode("piece", "value")
        values = spans["value"].unique().to_list()
        valid = {value: placeholder for value in values if value and kind.validator(value)}
        masked = (
            spans.with_columns(pl.col("value").replace(valid))
            .group_by("row", maintain_order=True)
            .agg(text=pl.concat_str("piece", "value").str.join(""))
            .select("text")
        )
    changed = masked["text"] != frame["text"]
    return masked.select(pl.when(changed).then(text)).to_series()
