"""Made-up private information that passes the checks of real validators.

Every number is random; e-mail and web addresses use the domains reserved for examples.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from carebot_assets.sample.knowledge import Lang
from carebot_assets.sample.phrasing import phrases, pick

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"
_COUNTIES = ("110105", "310104", "440305", "510107", "420106", "330106", "320102", "610113")
_MOBILE = ("135", "136", "138", "139", "150", "158", "159", "182", "186", "188")
_AREA = ("212", "312", "415", "617", "206", "303", "404", "713")


def resident_id_check(first17: str) -> str:
    """The 18th character of a Chinese resident id (GB 11643: ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(first17, _ID_WEIGHTS, strict=True))
    return _ID_CHECK[total % 11]


def luhn_check(digits: str) -> str:
    """The digit that completes `digits` to a number valid under the Luhn formula."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _email(rng: Random, lang: Lang) -> str:
    user = pick(("lin", "harrow", "quill", "chen", "ford", "tam"), rng)
    return f"{user}{rng.randint(10, 9999)}@{pick(('example.com', 'example.org'), rng)}"


def _phone_cn(rng: Random, lang: Lang) -> str:
    return f"{pick(_MOBILE, rng)}{rng.randint(10_000_000, 99_999_999)}"


def _phone_us(rng: Random, lang: Lang) -> str:
    area, exchange = pick(_AREA, rng), f"{pick('2346789', rng)}{rng.randint(20, 99)}"
    line = f"{rng.randint(0, 9999):04d}"
    return pick((f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}"), rng)


def _cn_resident_id(rng: Random, lang: Lang) -> str:
    born = f"{rng.randint(1940, 2005)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    first17 = f"{pick(_COUNTIES, rng)}{born}{rng.randint(1, 999):03d}"
    return first17 + resident_id_check(first17)


def _us_ssn(rng: Random, lang: Lang) -> str:
    area = pick([rng.randint(1, 665), rng.randint(667, 899)], rng)
    return f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def _bank_card(rng: Random, lang: Lang) -> str:
    prefix, size = pick((("622202", 19), ("621700", 19), ("4", 16), ("52", 16)), rng)
    body = prefix + "".join(str(rng.randint(0, 9)) for _ in range(size - 1 - len(prefix)))
    return body + luhn_check(body)


def _medical_record_number(rng: Random, lang: Lang) -> str:
    return f"{rng.randint(100_000, 99_999_999)}"


def _person_name(rng: Random, lang: Lang) -> str:
    names = phrases("dirt", lang)["names"]
    family, given = pick(names["family"], rng), pick(names["given"], rng)
    return f"{family}{given}" if lang == "zh" else f"{given} {family}"


def _ip(rng: Random, lang: Lang) -> str:
    first = pick(("36", "58", "73", "101", "183", "81"), rng)
    return ".".join([first, *(str(rng.randint(1, 254)) for _ in range(3))])


def _url_credentials(rng: Random, lang: Lang) -> str:
    user, word = pick(("admin", "guest", "nurse"), rng), pick(("maple", "river", "stone"), rng)
    return (
        f"https://{user}:{word}{rng.randint(100, 999)}@files.example.org/scan/{rng.randint(1, 99)}"
    )


PRIVATE_KINDS: dict[str, Callable[[Random, Lang], str]] = {
    "email": _email,
    "phone_cn": _phone_cn,
    "phone_us": _phone_us,
    "cn_resident_id": _cn_resident_id,
    "us_ssn": _us_ssn,
    "bank_card": _bank_card,
    "medical_record_number": _medical_record_number,
    "person_name": _person_name,
    "ip": _ip,
    "url_credentials": _url_credentials,
}
COMMON: dict[Lang, tuple[str, ...]] = {
    "en": ("email", "phone_us", "us_ssn", "bank_card", "medical_record_number", "person_name"),
    "zh": (
        "email",
        "phone_cn",
        "cn_resident_id",
        "bank_card",
        "medical_record_number",
        "person_name",
    ),
}
"""What a page of a language usually leaks; any other kind appears more rarely."""


def draw_kinds(rng: Random, lang: Lang) -> list[str]:
    """One to three kinds of private information, mostly those common in the language."""
    pool = [kind for kind in PRIVATE_KINDS if kind in COMMON[lang] or rng.random() < 0.4]
    return rng.sample(pool, rng.randint(1, 3))
