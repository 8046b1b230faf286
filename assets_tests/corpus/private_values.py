"""A value of every kind of private information in the wording of both languages, all made up."""

from typing import NamedTuple


class Wording(NamedTuple):
    """A value and the sentence that it stands in."""

    value: str
    frame: str

    @property
    def sentence(self) -> str:
        return self.frame.format(self.value)


# In parts: what looks like a key is refused by some hosts of code.
_KEY = "AKIAQRSTUVWXYZ23"
VALUES: dict[str, dict[str, Wording]] = {
    "address": {
        "zh": Wording("杭州市西湖区文三路138号5幢402室", "家庭住址：{}，"),
        "en": Wording("47 Juniper Street", "Her address is {}; "),
    },
    "bank_card": {
        "zh": Wording("6217006801148757049", "付款卡号{}。"),
        "en": Wording("4111 1111 1111 1111", "It was charged to card {} today. "),
    },
    "cn_resident_id": {
        "zh": Wording("11010519491231002X", "身份证{}。"),
        "en": Wording("440524188001010014", "The resident id is {}. "),
    },
    "date_of_birth": {
        "zh": Wording("1978年5月3日", "出生日期：{}，"),
        "en": Wording("03/05/1978", "DOB: {}, seen again. "),
    },
    "driver_license": {
        "zh": Wording("110105194912310021", "驾驶证号：{}。"),
        "en": Wording("D4417-9083", "Driver's license: {}. "),
    },
    "email": {
        "zh": Wording("quill.lin@example.com", "邮箱{}。"),
        "en": Wording("a.harrow@mail.example.org", "Please write to {} for more. "),
    },
    "iban": {
        "zh": Wording("DE89370400440532013000", "账户{}。"),
        "en": Wording("GB82 WEST 1234 5698 7654 32", "The account is IBAN {} there. "),
    },
    "insurance_number": {
        "zh": Wording("B12345678X", "医保卡号：{}，"),
        "en": Wording("HX-774512", "Policy No. {} applies. "),
    },
    "ip": {
        "zh": Wording("183.246.7.9", "发帖IP{}，"),
        "en": Wording("2001:4860:4860:0:0:0:0:8888", "It was sent from {} on Monday. "),
    },
    "medical_record_number": {
        "zh": Wording("20231234567", "住院号：{}。"),
        "en": Wording("AB-558831", "MRN: {}. "),
    },
    "messenger_id": {
        "zh": Wording("lin_wx_2023", "微信号：{}，"),
        "en": Wording("987654321", "QQ: {}. "),
    },
    "passport": {
        "zh": Wording("E48812345", "护照号：{}。"),
        "en": Wording("733456189", "Passport No. {}. "),
    },
    "person_name": {
        "zh": Wording("欧阳思雨", "姓名：{}，"),
        "en": Wording("Mary O'Neil", "Patient name: {}, retired. "),
    },
    "phone": {
        "zh": Wording("13812345678", "联系电话{}。"),
        "en": Wording("+44 20 7946 0958", "Please call {} before noon. "),
    },
    "secret_key": {
        "zh": Wording(f"{_KEY}4567", "密钥{}。"),
        "en": Wording(f"{_KEY}ABCD", "The key {} was leaked. "),
    },
    "url_credentials": {
        "zh": Wording("https://guest:maple123@x.example/a", "见 {} 。"),
        "en": Wording("ftp://bob:secret9@host.example/x", "The scan is at {} now. "),
    },
    "us_ssn": {
        "zh": Wording("331-97-4605", "社保SSN：{}。"),
        "en": Wording("212-09-7694", "SSN: {}. "),
    },
}
ALL = [wording.value for by_lang in VALUES.values() for wording in by_lang.values()]


def sentences(lang: str) -> str:
    """Every kind of a language in one text."""
    return "".join(by_lang[lang].sentence for by_lang in VALUES.values())
