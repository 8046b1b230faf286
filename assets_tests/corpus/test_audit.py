"""The audit of the corpora: every promise seen kept and seen broken."""

import polars as pl
import pytest

from assets_tests.corpus.test_contamination import EN, FILLER_EN, FILLER_ZH, ITEMS, TRADITIONAL, ZH
from carebot_assets.corpus import audit, contamination, private, protected
from carebot_assets.corpus.audit import copies, values
from carebot_assets.expectations import Finding
from carebot_assets.settings import ContaminationSettings, RuleSettings, Settings

SETTINGS = ContaminationSettings()
ALL = 1000


def corpus(*texts: str) -> pl.LazyFrame:
    return corpus_of(0, *texts)


def corpus_of(first_id: int, *texts: str) -> pl.LazyFrame:
    ids = [f"{first_id + i:032x}" for i in range(len(texts))]
    return pl.LazyFrame({"doc_id": ids, "text": texts}, {"doc_id": pl.String, "text": pl.String})


def all_masked(rules: RuleSettings) -> RuleSettings:
    return rules.model_copy(update={"private_information": dict.fromkeys(private.BY_NAME, "mask")})


@pytest.mark.parametrize(
    ("texts", "passed"),
    [
        ([], True),
        (["one text", "another text"], True),
        (["one text", "one  text\n"], False),
        (["患者发热", "患者\u3000发热"], False),
    ],
)
def test_the_same_text_twice(texts: list[str], passed: bool) -> None:
    finding = audit.no_duplicate_text(corpus(*texts))
    assert finding.passed is passed
    assert finding.metadata["num_repeated"] == (not passed)
    assert passed or finding.metadata["examples"] == [[f"{0:032x}", f"{1:032x}"]]


def test_of_very_many_texts_a_part_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MAX_TEXTS", 100)
    finding = audit.no_duplicate_text(corpus(*(f"text {i // 2}" for i in range(400))))
    assert finding.metadata["audited_ratio"] == 0.25
    assert 20 < finding.metadata["num_repeated"] < 90  # of 200


def page(seed: int, lang: str = "en") -> list[str]:
    """Ten sentences that no other page has."""
    word = "w{}x{} " if lang == "en" else "病{}例{}"
    chars = [chr(0x4E00 + seed * 97 % 5000 + i) for i in range(300)]
    if lang == "zh":
        return ["".join(chars[i : i + 25]) + "。" for i in range(0, 250, 25)]
    return ["".join(word.format(seed, i * 20 + j) for j in range(20)) + "." for i in range(10)]


def near(*texts: str, max_pairs: int = ALL, num_removed: int = 0, chance: float = 0.9) -> Finding:
    return audit.no_near_duplicate([corpus(*texts)], max_pairs, num_removed, chance)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nearly_the_same_text_in_two_shards(lang: str) -> None:
    texts = ["".join(page(seed, lang)) for seed in range(20)]
    assert near(*texts).passed
    edited = texts[3].replace(texts[3][200:203], "qqq", 1)
    # However many have been removed: one so similar is not missed by chance.
    broken = audit.no_near_duplicate([corpus(*texts), corpus_of(20, edited)], ALL, 10_000, 0.9)
    assert not broken.passed
    assert broken.metadata["examples"] == [[f"{3:032x}", f"{20:032x}"]]
    half = "".join([*page(3, lang)[:5], *page(50, lang)[5:]])
    other = near(*texts, half)
    assert other.passed
    assert other.metadata["num_pairs"] == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("num_left", "num_removed", "passed"),
    [(0, 0, True), (1, 50, True), (5, 50, True), (20, 50, False), (4, 0, False)],
)
def test_similar_texts_are_left_by_chance_only(
    lang: str, num_left: int, num_removed: int, passed: bool
) -> None:
    """Each copy has one sentence in ten exchanged: similarity 0.8."""
    texts = ["".join(page(seed, lang)) for seed in range(20)]
    copies_ = ["".join([*page(i, lang)[:9], page(50 + i, lang)[9]]) for i in range(num_left)]
    finding = near(*texts, *copies_, num_removed=num_removed)
    assert (finding.metadata["num_found"], finding.metadata["num_similar"]) == (0, num_left)
    assert finding.passed is passed


def test_a_sentence_of_many_pages_makes_no_pairs() -> None:
    phrase = "This sentence stands at the foot of every page."
    finding = near(*(f"{phrase} {''.join(page(seed))}" for seed in range(copies.MAX_SHARED + 1)))
    assert (finding.passed, finding.metadata["num_pairs"]) == (True, 0)


def test_near_copies_are_met_in_a_sample_too() -> None:
    texts = ["".join(page(seed)) for seed in range(40)]
    finding = near(*texts, *(f"{text} end" for text in texts), max_pairs=20)
    assert not finding.passed
    assert finding.metadata["audited_ratio"] == 0.25
    assert finding.metadata["num_pairs"] == 20


VALUES = {
    "email": ("write to jane.doe@example.com today", "邮箱:zhang@example.cn。"),
    "phone": ("电话13812345678转", "call 13912345678 now"),
    "cn_resident_id": ("身份证110105194902280023，", "id 440524198001010013 440524198001010019"),
    "bank_card": ("卡号6222021234567894。",),
    "us_ssn": ("her SSN: 536-90-4399.",),
    "ip": ("from 58.217.200.112 at",),
    "url_credentials": ("see https://user:secret1@host.com",),
    "medical_record_number": ("住院号：00123456", "MRN: 0012345."),
    "person_name": ("姓名：张伟，男", "Patient name: John Smith."),
    "iban": ("paid to DE89370400440532013000 today", "账户GB29NWBK60161331926819。"),
    "passport": ("护照号码：E12345678，", "Passport number E12345678."),
    "driver_license": ("驾驶证号：440524198001。", "driver's license: D1234567."),
    "insurance_number": ("医保卡号：1234567890。", "Policy number: AB1234567."),
    "date_of_birth": ("出生日期：1980年3月5日", "Date of birth: 03/05/1980."),
    "address": ("住址：北京市海淀区学院路37号", "Address: 221 Baker Street, London"),
    "messenger_id": ("加微信：doctor_9876。", "QQ：123456789"),
    "secret_key": (
        f"key {'AKIA' + 'IOSFODNN7EXAMPLE'} leaked",
        "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ),
}
CLEAN = [
    "患者[PHONE]发热，住院号：[MEDICAL_RECORD_NUMBER]",
    "订单号 13812345678 和 doi 10.1000/13812345678",
    "IP 10.0.0.1, version 3.3.1.1, a 1:1@ratio",
    "6222021234567895 fails its check digit",
    "姓名：张某，男；Patient name: Withheld By",
]


def test_every_audited_kind_is_found(demo: Settings) -> None:
    rules = all_masked(demo.rules)
    for kind, texts in VALUES.items():
        for text in texts:
            finding = audit.no_private_information(corpus(FILLER_EN, text), rules)
            assert not finding.passed, text
            assert finding.metadata["num_found"] == {kind: 1}
            assert finding.metadata["examples"] == [f"{1:032x}"]
            assert text not in str(finding)
    assert set(VALUES) == {kind for kind, *_ in values._FORMS} == set(private.BY_NAME)


def test_what_is_masked_or_kept_passes(demo: Settings) -> None:
    rules = all_masked(demo.rules)
    assert audit.no_private_information(corpus(*CLEAN), rules).passed
    kept = rules.model_copy(update={"private_information": {"phone": "keep"}})
    assert audit.no_private_information(corpus(*VALUES["phone"]), kept).passed


def test_a_kind_that_the_profile_does_not_name_is_looked_for(demo: Settings) -> None:
    silent = demo.rules.model_copy(update={"private_information": {}})
    finding = audit.no_private_information(corpus(VALUES["phone"][0]), silent)
    assert finding.metadata["num_found"] == {"phone": 1}


def test_the_detectors_find_whatever_the_audit_finds() -> None:
    for kind, texts in VALUES.items():
        for text in texts:
            assert kind in set(values._kinds(text)), text
            assert kind in private.find(pl.Series([text])).to_list()[0], text
            assert not set(values._kinds(private.mask_all(pl.Series([text]))[0])), text


def leaks(*texts: str) -> Finding:
    return audit.no_benchmark_text(corpus(*texts), ITEMS.lazy(), SETTINGS)


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        (FILLER_EN, True),
        (f"{FILLER_EN}\n{EN.upper()}", False),
        (f"{FILLER_ZH}{ZH.replace('V1', 'Ｖ１')}", False),
        (f"{FILLER_ZH}{TRADITIONAL}", False),
        (f"{FILLER_ZH}突发胸骨后压榨样疼痛3小时{FILLER_ZH}", True),
        ("short", True),
        ("", True),
    ],
)
def test_benchmark_text(text: str, passed: bool) -> None:
    finding = leaks(FILLER_ZH, text, FILLER_EN)
    assert finding.passed is passed, finding.description
    assert finding.metadata["num_contaminated"] == (not passed)


WORDS = [f"w{i}" for i in range(90)]


@pytest.mark.parametrize(("length", "passed"), [(27, True), (28, False), (40, False)])
def test_a_passage_one_word_longer_than_the_judge_lets_through_is_found(
    length: int, passed: bool
) -> None:
    items = ITEMS.head(1).with_columns(question=pl.lit(" ".join(WORDS)))
    text = " ".join(WORDS[20 : 20 + length])
    finding = audit.no_benchmark_text(corpus(text, FILLER_EN), items.lazy(), SETTINGS)
    assert finding.passed is passed
    assert finding.metadata["examples"] == [f"{0:032x}"] * (not passed)


@pytest.mark.parametrize(
    ("of_the_question", "length", "passed"),
    [
        (30, 18, True),  # 0.6 of it is 18 words, 11 n-grams: one more is asked for
        (30, 19, False),
        (30, 29, False),
        (20, 17, True),  # 0.6 are 12 words, but 10 n-grams are needed, and one more
        (20, 18, False),
        (60, 27, True),  # 36 would be 0.6: a passage is found before
        (60, 28, False),
    ],
)
def test_most_of_a_question_is_found(of_the_question: int, length: int, passed: bool) -> None:
    question = WORDS[:of_the_question]
    items = ITEMS.head(1).with_columns(question=pl.lit(" ".join(question)))
    text = f"{FILLER_EN} {' '.join(question[-length:])} {FILLER_EN}"
    finding = audit.no_benchmark_text(corpus(text), items.lazy(), SETTINGS)
    assert finding.passed is passed
    ngrams = protected.ngrams(items.lazy(), SETTINGS)
    assert contamination.Index(ngrams, SETTINGS).repeats(pl.Series([text])).item()


def test_judge_and_audit_agree_on_real_records(shared_data) -> None:
    """Real exam vignettes against the items of MMLU: what the audit finds was dropped."""
    file = (
        shared_data
        / "sft_sources/medec_ms_test/MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv"
    )
    texts = pl.read_csv(file, infer_schema=False)["Text"].to_list()[:150]
    questions = pl.read_ndjson(
        shared_data / "benchmarks/medqa_us_4opt_test/phrases_no_exclude_test.jsonl"
    )["question"]
    items = pl.concat([ITEMS.head(1)] * len(questions)).with_columns(
        questions, item_id=pl.int_range(len(questions)).cast(pl.String)
    )
    ngrams = protected.ngrams(items.lazy(), SETTINGS)
    dropped = contamination.Index(ngrams, SETTINGS).repeats(pl.Series(texts))
    finding = audit.no_benchmark_text(corpus(*texts), items.lazy(), SETTINGS)
    found = {int(one, 16) for one in finding.metadata["examples"]}
    assert finding.metadata["num_contaminated"] > 10
    assert found <= set(dropped.arg_true().to_list())
