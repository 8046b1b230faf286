"""No private information: plain forms of each kind that no detector may have overlooked.

Own patterns and own checksums, in Python's `re`: only forms that leave no doubt, since the
detectors judge the doubtful ones. What follows the label of a code of goods or of literature is
none of them.
"""

import re
from collections.abc import Callable, Iterator

import polars as pl

from carebot_assets.corpus.audit.plain import batches
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import RuleSettings

_OTHER_NUMBER = (
    r"(?i)(?:10\.\d{4}|PM\w|ISB|ISS|ISR|NCT|ChiCTR|EAN|orcid|国药准|批准文|条形码|批号|订单号|统一社会)"
    r"\S* ?\S*$"
)
_CONTEXT = 24
_NO_DIGIT, _NO_MORE = r"(?<![\w.+-])", r"(?![\w-]|\.\d)"


def _is_luhn(value: str) -> bool:
    digits = [int(c) for c in value[::-1]]
    doubled = (d * 2 - 9 * (d > 4) for d in digits[1::2])
    return len(set(digits)) > 2 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_resident(value: str) -> bool:
    remainder = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(value[:17])) % 11
    return "10X98765432"[remainder] == value[17].upper()


def _is_ssn(value: str) -> bool:
    area, group, serial = value.split("-")
    # Two famous ones of advertisements are nobody's.
    if value in ("219-09-9999", "078-05-1120"):
        return False
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_iban(value: str) -> bool:
    moved = value[4:] + value[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


Test = Callable[[str], bool]
_ADDRESS = r"[a-z]{2,}(?:\.[a-z]+)?@[a-z]{3,}\.(?:com|org|net|edu|cn)"
_BORN = r"19[4-9]\d(?:0[1-9]|1[0-2])(?:0[1-9]|1\d|2[0-8])"
_OCTETS = r"(?:[5-9]\d|1[13-6]\d)\.\d{2,3}\.\d{2,3}\.\d{2,3}"
_SURNAME = "[王李张刘陈杨赵黄周吴]"
_DATE = r"(?:19[3-9]\d|200\d)[-/.年](?:0?[1-9]|1[0-2])[-/.月]\d"
_STREET = "[A-Z][a-z]+ (?:Street|Avenue|Road|Lane|Drive)"
_KEY = r"AKIA[A-Z2-7]{16}|ghp_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9]{20}|LTAI[A-Za-z0-9]{16}"
_NO_NAME = "(?i)某|先生|女士|患者|unknown|withheld|redacted|anonymous|none|date|age"
# A kind, what its text must hold, its pattern (the value is its last group, or all), and a test.
_FORMS: tuple[tuple[str, str, str, Test | None], ...] = (
    ("email", "@", rf"(?<![\w.%+@/-])(?<!\w:){_ADDRESS}\b(?![\w@.-])", None),
    ("phone", "1", rf"{_NO_DIGIT}1[3-9]\d{{9}}{_NO_MORE}", lambda v: len(set(v)) > 3),
    (
        "cn_resident_id",
        "19",
        rf"{_NO_DIGIT}[1-6]\d{{5}}{_BORN}\d{{3}}[\dX]{_NO_MORE}",
        _is_resident,
    ),
    ("bank_card", "62", rf"{_NO_DIGIT}62\d{{14}}{_NO_MORE}", _is_luhn),
    (
        "us_ssn",
        "-",
        rf"(?:SSN|social security number)(?: is|:)? (\d{{3}}-\d\d-\d{{4}}){_NO_MORE}",
        _is_ssn,
    ),
    (
        "ip",
        ".",
        rf"{_NO_DIGIT}{_OCTETS}{_NO_MORE}",
        lambda v: all(int(part) < 256 for part in v.split(".")),
    ),
    ("url_credentials", "://", r"https?://[a-z]+:[A-Za-z0-9]{4,}@[a-z]+\.[a-z]{2,}", None),
    ("medical_record_number", "号", r"(?:住院号|病历号|门诊号)[：:]\s?(\d{6,12})(?!\d)", None),
    ("medical_record_number", "MRN", r"\bMRN: (\d{6,10})(?!\d)", None),
    (
        "person_name",
        "姓名",
        rf"姓名[：:]\s?({_SURNAME}[\u4e00-\u9fff]{{1,2}})(?=[，。,\n]|性别)",
        lambda v: not re.search(_NO_NAME, v),
    ),
    (
        "person_name",
        "atient name",
        r"[Pp]atient name: ([A-Z][a-z]+ [A-Z][a-z]+)\b",
        lambda v: not re.search(_NO_NAME, v),
    ),
    ("iban", "", r"(?<![\w-])[A-Z]{2}\d\d[A-Z]{0,4}\d{11,26}(?![\w-])", _is_iban),
    ("passport", "护照", r"护照号码?[：:]\s?([A-Z]\d{8})(?!\w)", None),
    ("passport", "assport", r"\b[Pp]assport(?: number|:) ([A-Z]\d{8})\b", None),
    ("driver_license", "驾驶证", r"驾驶证号码?[：:]\s?(\d{12})(?!\w)", None),
    ("driver_license", "icen", r"[Dd]river's licen[sc]e(?: number|:) ([A-Z]\d{7,12})\b", None),
    ("insurance_number", "保", r"(?:医保|社保)(?:卡|证)?号码?[：:]\s?(\d{8,18})(?!\w)", None),
    ("insurance_number", "umber", r"\b[Pp]olicy number:? ([A-Z]{0,3}\d{6,12})\b", None),
    ("date_of_birth", "出生", rf"出生(?:日期|年月)[：:]\s?({_DATE})", None),
    (
        "date_of_birth",
        "irth: ",
        r"\b[Dd]ate of birth: (\d\d?/\d\d?/(?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d)\b",
        None,
    ),
    (
        "address",
        "址",
        r"(?:地址|住址)[：:]\s?([\u4e00-\u9fff]{2,20}[路街]\d{1,5}号)",
        None,
    ),
    ("address", "ddress: ", rf"\b[Aa]ddress: (\d{{1,5}} {_STREET})\b", None),
    (
        "messenger_id",
        "",
        r"(?:微信|QQ)号?[：:]\s?([a-z]{1,8}_?\d{4,10}|[1-9]\d{5,10})(?![\w-])",
        None,
    ),
    ("secret_key", "", rf"(?<![\w-])(?:{_KEY})(?![\w-])", None),
    ("secret_key", "-----", r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----", None),
)
# A text that holds none of these has no such form.
_LITERALS = ["@", "SSN", "social security number", "://", "住院号", "病历号", "门诊号", "MRN: ",
             "姓名", "atient name", "护照", "assport", "驾驶证", "river's licen", "保卡号", "保号",
             "保证号", "olicy number", "出生日期", "出生年月", "ate of birth: ", "地址", "住址",
             "ddress: ", "微信", "QQ", "AKIA", "ghp_", "glpat-", "LTAI",
             "PRIVATE KEY-----"]  # fmt: skip
_DIGITS = r"[0-9]{11}|[0-9]\.[0-9]{2,3}\.[0-9]{2,3}\.[0-9]"


def no_private_information(corpus: pl.LazyFrame, rules: RuleSettings) -> Finding:
    """No text holds a kind of private information unless the profile keeps it."""
    kept = {kind for kind, action in rules.private_information.items() if action == "keep"}
    num_documents = 0
    counts: dict[str, int] = {}
    examples: set[str] = set()
    column = pl.col("text")
    is_suspect = column.str.contains_any(_LITERALS) | column.str.contains(_DIGITS)
    for batch in batches(corpus):
        num_documents += batch.height
        for doc_id, text in batch.filter(is_suspect).iter_rows():
            for kind in set(_kinds(text)) - kept:
                counts[kind] = counts.get(kind, 0) + 1
                examples.add(doc_id)
    listed = ", ".join(f"{kind} in {counts[kind]}" for kind in sorted(counts))
    return Finding(
        not counts,
        f"documents with {listed}" if counts else "no private information found",
        {
            "num_documents": num_documents,
            "num_found": {kind: counts[kind] for kind in sorted(counts)},
            "examples": sorted(examples)[:MAX_OFFENDERS],
        },
    )


def _kinds(text: str) -> Iterator[str]:
    for kind, hint, form, test in _FORMS:
        if hint not in text:
            continue
        for match in re.finditer(form, text, re.ASCII):
            value = match[match.re.groups]
            before = text[max(0, match.start() - _CONTEXT) : match.start()]
            if not re.search(_OTHER_NUMBER, before) and (test is None or test(value)):
                yield kind
