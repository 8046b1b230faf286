import pytest
from pydantic import ValidationError

from carebot_assets.teacher import roles
from carebot_assets.teacher.fence import unwrap
from carebot_assets.teacher.language import is_chinese

GOOD = {"grammar": 1, "information": 1.5, "coherence": 1, "relevance": 0.5, "score": 4}


@pytest.mark.parametrize("role", roles.ROLES)
def test_every_role_has_a_prompt_a_schema_and_a_message(role: str) -> None:
    spec = roles.role_named(role)
    item = {name: f"<{name}>" for name in (*spec.untrusted, *spec.trusted)}
    system, user = roles.render(role, item)
    assert system == {"role": "system", "content": spec.instruction("en")}
    trusted, untrusted = unwrap(user["content"])
    assert trusted | untrusted == item and set(untrusted) == set(spec.untrusted)
    asked = roles.response_format(role, item)["json_schema"]
    assert asked["name"] == role and asked["schema"]["additionalProperties"] is False
    assert asked["schema"]["required"] == list(asked["schema"]["properties"])


@pytest.mark.parametrize("role", roles.ROLES)
def test_every_role_is_put_in_both_languages(role: str) -> None:
    spec = roles.role_named(role)
    zh, en = spec.instruction("zh"), spec.instruction("en")
    assert is_chinese(zh) and not is_chinese(en) and len(en) > 200 and len(zh) > 100
    # What an answer is made of is named alike: the schema is one for both.
    item = {name: "x" for name in (*spec.untrusted, *spec.trusted)}
    fields = spec.answer_model(item).model_fields
    if len(fields) > 2:
        assert all(name in zh and name in en for name in fields)


@pytest.mark.parametrize(
    ("role", "item", "lang"),
    [
        ("domain_label", {"text": "糖尿病的治疗", "labels": "Health & Medicine | Others"}, "zh"),
        ("domain_label", {"text": "Treatment of 糖尿病 (diabetes mellitus)", "labels": "A"}, "en"),
        ("judge_pair", {"dialogue": "患者：咳嗽怎么办", "answer_a": "x", "answer_b": "y"}, "zh"),
        ("write_document", {"label": "Sports", "language": "zh", "form": "news", "number": "1"},
         "zh"),
    ],
)  # fmt: skip
def test_an_item_is_asked_about_in_its_own_language(
    role: str, item: dict[str, str], lang: str
) -> None:
    system, user = roles.render(role, item)
    assert system["content"] == roles.role_named(role).instruction(lang)  # type: ignore[arg-type]
    assert ("陌生人" in user["content"]) == (lang == "zh")
    trusted, untrusted = unwrap(user["content"])
    assert trusted | untrusted == item


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"text": "x"}, "has fields \\['text'\\], needs \\['labels', 'text'\\]"),
        ({"text": "x", "labels": "a", "round": "1"}, "'round'"),
    ],
)
def test_wrong_fields(item: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roles.render("domain_label", item)


def test_unknown_role() -> None:
    with pytest.raises(ValueError, match="no teacher role 'nurse'; there are domain_label"):
        roles.render("nurse", {})


@pytest.mark.parametrize(
    ("role", "field", "kept"),
    [("domain_label", "text", "头cde"), ("doctor_answer", "dialogue", "efg尾")],
)
def test_overlong_fields_lose_the_less_telling_end(role: str, field: str, kept: str) -> None:
    item = {field: "头cdefg尾"} | ({"labels": "A"} if role == "domain_label" else {})
    messages = roles.render(role, item, max_chars=4)
    assert unwrap(messages[1]["content"])[1] == {field: kept}


@pytest.mark.parametrize(
    ("role", "answer", "valid"),
    [
        ("domain_label", {"label": "体育"}, True),
        ("domain_label", {"label": "Weather"}, False),
        ("quality_score", GOOD, True),
        ("quality_score", GOOD | {"score": 1}, False),
        ("quality_score", GOOD | {"grammar": 2, "score": 5}, False),
        ("quality_score", {"score": 4}, False),
        ("quality_score", GOOD | {"why": "fine"}, False),
        ("instruction_score", {"complexity": 6, "quality": 1.5}, True),
        ("instruction_score", {"complexity": 0, "quality": 1.5}, False),
        ("instruction_score", {"complexity": float("nan"), "quality": 1.5}, False),
        ("doctor_answer", {"answer": ""}, False),
        ("judge_consultation", dict.fromkeys(roles.ConsultationGrades.model_fields, 5), True),
        ("judge_consultation", dict.fromkeys(roles.ConsultationGrades.model_fields, 6), False),
        ("judge_consultation", dict.fromkeys(roles.ConsultationGrades.model_fields, 2.5), False),
        ("judge_pair", dict.fromkeys(roles.PairVerdict.model_fields, "tie"), True),
        ("judge_pair", dict.fromkeys(roles.PairVerdict.model_fields, "A"), False),
    ],
)
def test_answers_are_validated(role: str, answer: dict[str, object], valid: bool) -> None:
    model = roles.role_named(role).answer_model({"labels": "Sports | 体育"})
    if valid:
        model.model_validate(answer)
    else:
        with pytest.raises(ValidationError):
            model.model_validate(answer)


def test_prompt_versions_name_version_and_content() -> None:
    versions = roles.prompt_versions("judge_pair", "domain_label")
    assert versions["judge_pair"].startswith("v1:") and "offline" in versions
    assert versions["judge_pair"] != versions["domain_label"]
