from pathlib import Path

import pytest

from carebot_assets.settings import (
    PROFILES_DIR,
    SettingsError,
    fingerprint_of,
    load_settings,
)


@pytest.mark.parametrize("name", sorted(p.stem for p in PROFILES_DIR.glob("*.yaml")))
def test_every_builtin_profile_is_valid(name: str) -> None:
    settings = load_settings(name, {})
    assert settings.profile == name
    assert set(settings.domain.medical_labels) <= set(settings.domain.labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: demo\ndomain: {treshold: 0.5}", "domain.treshold: unknown setting"),
        ("extends: demo\ndomain: {threshold: 1.5}", "domain.threshold: Input should be less than"),
        ("extends: demo\ndomain: {seed_documents: -1}", "domain.seed_documents"),
        ("extends: demo\ndomain: {medical_labels: [Nonsense]}", "medical_labels ['Nonsense']"),
        ("extends: demo\npretraining: {base: {}}", "exactly one of `path` and `scratch`"),
        ("extends: nowhere", "profile 'nowhere' is neither one of demo"),
        ("extends: ME", "round in a circle"),
        (
            "extends: demo\nduplicates: {prefer_sources: [web_zh, nowhere]}",
            "duplicates.prefer_sources names nowhere; there are abstracts_en, ",
        ),
        ("[1, 2]", "expected a mapping"),
        ("a: [", "not readable as YAML"),
        (
            "corpus:\n  sources:\n    web: {path: a}\n    web: {path: b}",
            "mine.yaml: not readable as YAML: key 'web' is given twice",
        ),
        ("corpus: {}", "rules: Field required"),
        (
            "extends: demo\nsample_world: null\ncorpus: {sources: {}}",
            "instruction.sources.toyhom, ",
        ),
    ],
)
def test_a_bad_profile_names_the_setting(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("ME", str(path)), "utf-8")
    with pytest.raises(SettingsError) as error:
        load_settings(str(path), {})
    assert message in str(error.value)
    assert len(str(error.value)) < 1000 + len(str(path)), "it does not quote the profile"


def test_a_profile_extends_another_but_its_sources_stand_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: demo\ncorpus: {sources: {mine: {path: texts/*.txt}}}\nseed: 7\n", "utf-8"
    )
    settings = load_settings(str(path), {})
    assert list(settings.corpus.sources) == ["mine"]
    assert settings.seed == 7
    assert settings.domain == load_settings("demo", {}).domain
    assert settings.corpus.sources["mine"].path == str(tmp_path / "texts/*.txt")
    assert settings.resolve("{sample}/a").is_relative_to(settings.sample_dir)


def test_paths_are_relative_to_the_file_that_gives_them(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "base.yaml").write_text(
        "extends: demo\ncorpus: {sources: {ours: {path: a/*.txt}}}\n", "utf-8"
    )
    (tmp_path / "mine.yaml").write_text("extends: team/base.yaml\nseed: 3\n", "utf-8")
    settings = load_settings(str(tmp_path / "mine.yaml"), {})
    assert settings.corpus.sources["ours"].path == str(tmp_path / "team/a/*.txt")


def test_environment_overrides_single_values() -> None:
    settings = load_settings(
        "demo", {"CAREBOT_SET__domain__threshold": "0.25", "CAREBOT_SET__STORE__ROOT": "/tmp/x"}
    )
    assert settings.domain.threshold == 0.25
    assert settings.store.root == Path("/tmp/x")


def test_an_override_of_an_unknown_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"domain\.nope: unknown setting"):
        load_settings("demo", {"CAREBOT_SET__domain__nope": "1"})
    with pytest.raises(SettingsError, match="holds no settings"):
        load_settings("demo", {"CAREBOT_SET__launcher__config__x": "1"})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{web: {path: a}, web: {path: b}}", "key 'web' is given twice"),
        ("{web: {path: a", "not readable as YAML"),
    ],
)
def test_an_override_that_is_no_yaml_is_refused_by_name(value: str, message: str) -> None:
    variable = "CAREBOT_SET__corpus__sources"
    with pytest.raises(SettingsError, match=rf"environment variable {variable}: .*{message}"):
        load_settings("demo", {variable: value})


def test_the_fingerprint_holds_exactly_the_named_sections() -> None:
    one = load_settings("demo", {})
    two = load_settings("demo", {"CAREBOT_SET__domain__threshold": "0.25"})
    assert fingerprint_of(one, ("rules", "seed")) == fingerprint_of(two, ("rules", "seed"))
    assert fingerprint_of(one, ("domain",)) != fingerprint_of(two, ("domain",))
    assert fingerprint_of(two, ("domain.threshold",)) == {"domain.threshold": 0.25}


@pytest.mark.parametrize("profile", ["lab", "paper"])
def test_backbones_hold_the_paper_s_encoder_and_those_that_run_offline(profile: str) -> None:
    chosen = load_settings(profile, {})
    models = {name: (e.backend, e.model) for name, e in chosen.domain.backbones.items()}
    assert models == {
        "char_ngram": ("char_ngram", None),
        "word_ngram": ("word_ngram", None),
        "minilm": ("sentence_transformers", None),
        "hybrid": ("hybrid", None),
        "bge_m3": ("sentence_transformers", "BAAI/bge-m3"),
    }
    assert chosen.quality.backbones == chosen.domain.backbones
