"""What makes a string of digits private information: checksums, number plans, address ranges.

Each function judges one distinct value; libraries hold the rules where one exists.
"""

import re

# National formats that are recognised without a label: numbers of these plans only.
PHONE_REGIONS = ("CN", "US", "GB", "FR", "AU", "IN", "HK", "TW", "JP")
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 7, 15
# First digits and lengths of the card schemes (ISO/IEC 7812): UnionPay, Visa, Mastercard, American
# Express, Diners Club, Discover, JCB; those of Maestro are too loose to be asked without a label.
_CARD = re.compile(
    r"62[0-9]{14,17}|4[0-9]{15}(?:[0-9]{3})?|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}"
    r"|27[01][0-9]|2720)[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}|35[2-8][0-9]{13}|(?:1800|2131)[0-9]{11}"
)
_LABELLED_CARD = re.compile(r"(?:4[0-9]{12}|5[06-8][0-9]{10,17}|6[0-9]{11,18})")


def digits_of(value: str) -> str:
    return "".join(filter(str.isdigit, value))


def is_resident_id(value: str) -> bool:
    """18 characters with birth date and check character, or the 15 digits of before 2000."""
    from stdnum.cn import ric
    from stdnum.exceptions import ValidationError

    # Not `ric.is_valid`: its list of counties lacks many that issued ids.
    value = re.sub("[^0-9X]", "", value.upper())
    if len(value) == 15:
        value = f"{value[:6]}19{value[6:]}"
        value += ric.calc_check_digit(value + "0")
    try:
        ric.get_birth_date(value)
    except ValidationError:
        return False
    return bool(ric.calc_check_digit(value) == value[-1])


def is_ssn(value: str) -> bool:
    from stdnum.us import ssn

    return bool(ssn.is_valid(digits_of(value)))


def is_card(value: str) -> bool:
    """A number of a card scheme whose check digit is right."""
    digits = digits_of(value)
    return bool(_CARD.fullmatch(digits)) and _is_luhn(digits)


def is_labelled_card(value: str) -> bool:
    """As `is_card`, with the shorter numbers that only a label tells from others."""
    digits = digits_of(value)
    scheme = _CARD.fullmatch(digits) or _LABELLED_CARD.fullmatch(digits)
    return bool(scheme) and _is_luhn(digits)


def _is_luhn(digits: str) -> bool:
    from stdnum import luhn

    return len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def is_iban(value: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(value, check_country=False))


def is_nhs_number(value: str) -> bool:
    from stdnum.gb import nhs

    return bool(nhs.is_valid(value))


def is_ip(value: str) -> bool:
    """A public address. Four small numbers are rather a section, a version or an enzyme (EC)."""
    import ipaddress

    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if address.version == 6:
        return address.is_global and value.count(":") >= 3
    parts = address.packed
    return address.is_global and parts[0] > 7 and max(parts) >= 32


def is_labelled_ip(value: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(value).is_global
    except ValueError:
        return False


def is_international_phone(value: str) -> bool:
    import phonenumbers

    if value.startswith("00"):
        value = f"+{value[2:]}"
    try:
        number = phonenumbers.parse(value)
        return len(digits_of(value)) >= 9 and phonenumbers.is_possible_number(number)
    except phonenumbers.NumberParseException:
        return False


def is_mobile_cn(value: str) -> bool:
    import phonenumbers

    return phonenumbers.is_possible_number(phonenumbers.parse(value, "CN"))


def is_phone_us(value: str) -> bool:
    import phonenumbers

    return phonenumbers.is_possible_number(phonenumbers.parse(value, "US"))


def is_national_phone(value: str) -> bool:
    """A number that one of the common number plans has given out."""
    import phonenumbers

    def is_valid(region: str) -> bool:
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(value, region))
        except phonenumbers.NumberParseException:
            return False

    return len(digits_of(value)) >= 9 and any(map(is_valid, PHONE_REGIONS))


def is_phone_length(value: str) -> bool:
    """After a label: as many digits as a telephone number has (ITU-T E.164), not all the same."""
    digits = digits_of(value)
    return MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS and len(set(digits)) > 1


def has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))


def is_name_zh(value: str) -> bool:
    """Not already made anonymous, and not a word for having no name."""
    return not re.search("某|不详|不明|未知|同上|保密|隐去|略|匿名|先生|女士|患者", value)


def is_name_en(value: str) -> bool:
    """Not a placeholder of a form."""
    words = set(value.lower().split())
    return not words & {
        "unknown",
        "withheld",
        "redacted",
        "anonymous",
        "none",
        "date",
        "age",
        "doctor",
    }
