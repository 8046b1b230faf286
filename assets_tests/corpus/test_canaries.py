import polars as pl

from assets_tests.corpus.test_contamination import FILLER_EN, FILLER_ZH, ITEMS, SETTINGS
from carebot_assets.corpus import canaries, protected


def test_canaries() -> None:
    documents = pl.LazyFrame({"text": [FILLER_EN, FILLER_ZH]})
    ngrams = protected.ngrams(ITEMS.lazy(), SETTINGS).lazy()
    found = canaries.recall(documents, ITEMS.lazy(), ngrams, SETTINGS)
    assert found.passed
    forms = dict.fromkeys(("converted", "published", "question", "reflowed", "traditional"), 1.0)
    assert (found.metadata["num_canaries"], found.metadata["recall_by_form"]) == (9, forms)
    lost = ngrams.with_columns(ngram=pl.col("ngram") + 1)
    broken = canaries.recall(documents, ITEMS.lazy(), lost, SETTINGS)
    assert not broken.passed
    assert "cmb/0 traditional" in broken.metadata["missed"]
    assert not canaries.recall(documents, ITEMS.lazy(), ngrams.clear(), SETTINGS).passed
    assert canaries.recall(documents, ITEMS.clear().lazy(), ngrams.clear(), SETTINGS).passed
