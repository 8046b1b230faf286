import pytest

from carebot_assets.settings import load_settings
from carebot_assets.teacher.language import is_chinese
from carebot_assets.teacher.offline import consultation, evidence, heuristics, quality

DEMO = load_settings("demo", {})
LABELS = DEMO.domain.labels
MEDICAL = DEMO.domain.medical_labels
GOOD_EN = (
    "Type 2 diabetes is a chronic disease in which the body responds poorly to insulin. Typical "
    "symptoms of diabetes are thirst, fatigue and blurred vision. The diagnosis of diabetes rests "
    "on blood glucose. Treatment of diabetes includes metformin, exercise and weight loss."
)
GOOD_ZH = (
    "高血压是动脉血压长期升高的慢性疾病。高血压的症状包括头痛、头晕和心悸。高血压的诊断依靠多次测量血压。"
    "治疗高血压的药物有利尿剂和血管紧张素转换酶抑制剂，患者还应限盐、减重并定期复查。"
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (GOOD_EN, "Health & Medicine"),
        (GOOD_ZH, "Health & Medicine"),
        ("Amlodipine\nAmlodipine is prescribed for high blood pressure.", "Biopharmaceuticals"),
        ("氯沙坦\n氯沙坦适用于高血压，常见不良反应有头晕。", "Biopharmaceuticals"),
        ("The striker scored in the final; the team won the league.", "Sports"),
        ("球队在联赛决赛中进球，教练表扬了门将。", "Sports"),
        ("A rocket puts a satellite into geostationary orbit.", "Aerospace"),
        ("火箭把卫星送入地球静止轨道。", "Aerospace"),
        ("lorem ipsum", "Others"),
        ("", "Others"),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert evidence.rank_labels(text, LABELS)[0] == label


def test_only_allowed_labels_are_given() -> None:
    assert evidence.rank_labels(GOOD_EN, ["Sports", "Gaming"]) == ["Gaming"]


@pytest.mark.parametrize(("text", "low", "high"), [
    (GOOD_EN, 3.5, 5), (GOOD_ZH, 3.5, 5),
    ("BUY NOW!!! Miracle drops - 80% OFF, limited stock, free shipping, click here!!!", 0, 1),
    ("限时特惠！！！神奇膏药买一送一，加微信领取优惠券，货到付款，全网最低价！！！", 0, 1),
    ("ok", 0, 0), ("", 0, 0), ("\ufffd" * 60, 0, 0.5),
    ("You idiot, shut up, nobody wants your stupid crap, you pathetic moron.", 0, 1),
    ("你这个白痴，闭嘴，谁要看你的垃圾，滚开，人渣，废物一个。", 0, 1),
    ("高血压需要治疗。" * 30, 0, 2.5),
    ("High blood pressure needs treatment. " * 30, 0, 2.5),
])  # fmt: skip
def test_quality(text: str, low: float, high: float) -> None:
    points = quality.rate(text, MEDICAL)
    assert low <= points["score"] <= high
    assert sum(v for k, v in points.items() if k != "score") == points["score"]


def test_another_domain_is_less_relevant() -> None:
    assert quality.rate(GOOD_EN, ["Sports"])["relevance"] < 0.3


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("可能是偏头痛，建议休息，必要时做头颅检查，如果加重请立即就诊。", "不知道。"),
        ("It may be migraine; rest, see a doctor for a scan, at once if it gets worse.", "no idea"),
    ],
)
def test_judging(better: str, worse: str) -> None:
    asked = "头痛怎么办？" if not better.isascii() else "I have a headache, what should I do?"
    assert consultation.compare(asked, better, worse)["winner"] == "a"
    assert consultation.compare(asked, worse, better)["winner"] == "b"
    assert consultation.compare(asked, better, better)["winner"] == "tie"
    grades = [consultation.grade(asked, better, answer) for answer in (better, worse)]
    assert all(grades[0][name] >= grades[1][name] for name in grades[0])
    scores = [consultation.rate_instruction(asked, answer) for answer in (better, worse)]
    assert scores[0]["quality"] > scores[1]["quality"]


@pytest.mark.parametrize("rate", [0.0, 0.08, 0.3])
def test_rounds_disagree_at_the_stated_rate(rate: float) -> None:
    labels = {"labels": heuristics.LABEL_SEPARATOR.join(LABELS)}
    texts = [f"{GOOD_EN} {number}" for number in range(400)]
    rounds = [
        [heuristics.answer("domain_label", labels, {"text": t}, rate, seed) for t in texts]
        for seed in (1, 2)
    ]
    different = sum(a != b for a, b in zip(*rounds, strict=True)) / len(texts)
    assert abs(different - rate) < 0.05


def test_quality_rounds_are_near_or_clearly_apart() -> None:
    trusted = {"domain": heuristics.LABEL_SEPARATOR.join(MEDICAL)}
    found = {
        heuristics.answer("quality_score", trusted, {"text": GOOD_ZH}, 0.3, seed)["score"]
        for seed in range(100)
    }
    middle = quality.rate(GOOD_ZH, MEDICAL)["score"]
    assert found == {middle - 2, middle - 0.25, min(5.0, middle + 0.25)}


def test_unknown_role() -> None:
    with pytest.raises(ValueError, match="no role 'nurse'"):
        heuristics.answer("nurse", {}, {}, 0, 0)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("label", LABELS)
def test_a_written_document_is_of_its_label_and_each_is_another(label: str, lang: str) -> None:
    texts = set()
    for number in range(12):
        trusted = {"label": label, "language": lang, "form": "news", "number": str(number)}
        written = heuristics.answer("write_document", trusted, {}, 0.0, 1)
        text = f"{written['title']}\n\n{written['text']}"
        assert evidence.rank_labels(text, LABELS)[0] == label
        assert is_chinese(text) == (lang == "zh")
        texts.add(written["text"])
    assert len(texts) == 12
