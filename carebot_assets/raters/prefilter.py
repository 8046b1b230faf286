"""The cheap model in front of the classifier: it drops what cannot be medical.

A linear model on hashed characters and words, distilled from the classifier's own verdicts on
unlabelled documents: a ridge on its log odds, which say more of a document than yes or no. A
document under the threshold of its language is dropped without being encoded. A threshold is the
highest that keeps the asked share of what the classifier finds medical among documents that the
model judging them had not learned from.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import classifier
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import Head, load_head, outputs_of
from carebot_assets.raters.splitting import near_duplicate_groups
from carebot_assets.settings import EncoderSettings, PrefilterSettings

KIND = "domain prefilter"
# With fewer medical documents of a language nothing can be said about a recall near 1.
MIN_MEDICAL = 40
MAX_CHARS = 2000
FOLDS = 4
ALPHA = 0.1
# Log odds beyond which a verdict is as sure as can be.
MAX_LOG_ODDS = 10.0
# Of the one-sided bounds on a recall.
CONFIDENCE = 0.95


def distil(
    documents: pl.DataFrame,
    p_medical: np.ndarray,
    threshold: float,
    settings: PrefilterSettings,
) -> Head:
    """A prefilter and its thresholds, from the classifier's probabilities.

    Where it is switched off, or the sample holds too few documents of either kind in any language,
    it lets everything pass, and its card says why. A language with too few passes as a whole.

    Args:
        documents: `text` and `lang` of unlabelled documents.
        p_medical: the classifier's probability of each.
        threshold: of the classifier.
    """
    encoder = EncoderSettings(
        backend="char_word_ngram", features=settings.features, max_chars=MAX_CHARS
    )
    card: dict[str, Any] = {
        "kind": KIND, "num_documents": documents.height, "min_recall": settings.min_recall,
    }  # fmt: skip
    medical, langs = np.asarray(p_medical) >= threshold, documents["lang"].to_numpy()
    enough = [
        lang
        for lang in np.unique(langs)
        if min((medical & (langs == lang)).sum(), (~medical & (langs == lang)).sum()) >= MIN_MEDICAL
    ]
    if not settings.enabled or not enough:
        reason = "off" if not settings.enabled else "too few documents to learn from"
        card |= {"passes_everything": reason, "recall": 1.0, "saved_ratio": 0.0, "thresholds": {}}
        nothing = np.zeros((1, 2 * settings.features), np.float32)
        return Head(nothing, np.zeros(1, np.float32), encoder, card)
    vectors = open_encoder(encoder).encode(documents["text"].to_list())
    wanted = _log_odds(p_medical)
    outputs = _unseen_outputs(vectors, wanted, near_duplicate_groups(documents["text"]))
    passes, by_lang = np.ones(documents.height, bool), dict[str, dict[str, Any]]()
    for lang in enough:
        rows = langs == lang
        limit = _threshold(outputs[rows & medical], settings.min_recall)
        passes[rows] = outputs[rows] >= limit
        by_lang[str(lang)] = _measured(passes[rows], medical[rows]) | {"threshold": limit}
    weight, bias = _fit(vectors, wanted)
    card |= {
        "thresholds": {lang: numbers.pop("threshold") for lang, numbers in by_lang.items()},
        **_measured(passes, medical),
        "by_lang": by_lang,
    }
    return Head(weight, bias, encoder, card)


def passes(folder: Path, texts: pl.LazyFrame) -> pl.DataFrame:
    """Of every row of `doc_id`, `lang`, `text`: `doc_id`, whether the classifier has to see it
    (`passes`), and how far above the threshold of its language it is (`margin`)."""
    head = load_head(folder, KIND)
    thresholds = head.card["thresholds"]
    if not thresholds:
        nothing = pl.lit(None, pl.Float64)
        return texts.select("doc_id", passes=pl.lit(True), margin=nothing).collect()
    ids, outputs = outputs_of(head, texts)
    langs = texts.select("doc_id", "lang").collect()
    limit = pl.col("lang").replace_strict(thresholds, default=None, return_dtype=pl.Float64)
    margin = pl.col("output") - limit
    return pl.DataFrame({"doc_id": ids, "output": outputs[:, 0]}).join(
        langs, on="doc_id", how="left", maintain_order="left"
    ).select("doc_id", passes=(margin >= 0).fill_null(True), margin=margin)  # fmt: skip


def predict(
    folder: Path,
    prefilter: Path,
    texts: pl.LazyFrame,
    medical_labels: list[str],
    num_audited: int,
    work: Path | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The classifier's predictions where the prefilter lets a text pass, and an audit of the rest.

    Returns:
        `doc_id`, `label`, `p_medical`, `prefiltered` of every text: a prefiltered one has no label
        and no probability. And the predictions of up to `num_audited` texts that the prefilter
        would have stopped and the classifier was shown all the same; what it says of them holds.
        Half of them were the closest to pass, where misses are (`is_closest`), the others were
        chosen by hash from the rest.
    """
    seen = passes(prefilter, texts)
    stopped = seen.filter(~pl.col("passes")).sort("margin", "doc_id", descending=[True, False])
    closest, rest = stopped.head(num_audited // 2), stopped.slice(num_audited // 2)
    by_hash = rest.sort(pl.col("doc_id").hash(0), "doc_id").head(num_audited - closest.height)
    chosen = pl.concat(
        [closest.with_columns(is_closest=True), by_hash.with_columns(is_closest=False)]
    )
    wanted = pl.concat([seen.filter("passes").select("doc_id"), chosen.select("doc_id")]).lazy()
    judged = classifier.predict(
        folder,
        texts.join(wanted, on="doc_id", how="semi", maintain_order="left"),
        medical_labels,
        work,
    )
    predicted = seen.join(
        judged.with_columns(judged=pl.lit(True)), on="doc_id", how="left", maintain_order="left"
    ).select("doc_id", "label", "p_medical", prefiltered=pl.col("judged").is_null())
    return predicted, judged.join(chosen.select("doc_id", "is_closest"), on="doc_id")


def report(predicted: pl.DataFrame, audit: pl.DataFrame, threshold: float) -> dict[str, Any]:
    """What the prefilter saved and missed in a shard.

    `prefilter_recall` estimates the share of what the classifier finds medical that the prefilter
    lets pass. Misses among the closest are counted; the rate among those chosen by hash is taken
    for all that were stopped and are not among the closest. `num_surely_missed` takes the lower
    end of that rate (exact, one-sided 95 %), and no less than was seen; `num_missed` the rate.
    """
    is_medical = pl.col("p_medical") >= threshold
    num_stopped = int(predicted["prefiltered"].sum())
    num_medical = predicted.filter(is_medical).height
    by_hash = audit.filter(~pl.col("is_closest"))
    num_closest = audit.filter("is_closest", is_medical).height
    num_by_hash = by_hash.filter(is_medical).height
    missed = surely = float(num_closest)
    if by_hash.height:
        rest, rate = num_stopped + by_hash.height, lowest_share(num_by_hash, by_hash.height)
        missed += num_by_hash / by_hash.height * rest
        surely += max(num_by_hash, rate * rest)
    num_passed = num_medical - num_closest - num_by_hash
    return {
        "num_prefiltered": num_stopped,
        "prefilter_saved_ratio": num_stopped / predicted.height if predicted.height else 0.0,
        "num_audited": audit.height,
        "num_missed_in_audit": num_closest + num_by_hash,
        "num_missed": missed,
        "num_surely_missed": int(surely),
        "num_medical_passed": num_passed,
        "prefilter_recall": num_passed / (num_passed + missed) if num_passed + missed else None,
    }


def lowest_share(num: int, count: int) -> float:
    """Lower end of a share (exact, one-sided 95 %); 0 of nothing."""
    from scipy.stats import binomtest

    if not count:
        return 0.0
    test = binomtest(num, count, alternative="greater")
    return float(test.proportion_ci(CONFIDENCE, method="exact").low)


def _measured(passes: np.ndarray, medical: np.ndarray) -> dict[str, Any]:
    num_kept, num_medical = int((passes & medical).sum()), int(medical.sum())
    return {
        "num_medical": num_medical,
        "recall": num_kept / num_medical,
        "lowest_recall": round(lowest_share(num_kept, num_medical), 4),
        "saved_ratio": float((~passes).mean()),
    }


def _log_odds(probability: np.ndarray) -> np.ndarray:
    tiny = float(np.exp(-MAX_LOG_ODDS))
    p = np.clip(np.asarray(probability, dtype=np.float64), tiny, 1 - tiny)
    return np.log(p / (1 - p))


def _fit(vectors: Any, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=ALPHA, solver="lsqr").fit(vectors, wanted)
    return model.coef_.reshape(1, -1).astype(np.float32), np.array([model.intercept_], np.float32)


def _unseen_outputs(vectors: Any, wanted: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Outputs on every document of a model that had learned from no near-duplicate of it."""
    from sklearn.model_selection import GroupKFold

    outputs = np.zeros(len(wanted))
    folds = GroupKFold(min(FOLDS, len(np.unique(groups))))
    for learn, see in folds.split(vectors, wanted, groups):
        weight, bias = _fit(vectors[learn], wanted[learn])
        outputs[see] = np.asarray(vectors[see] @ weight.T)[:, 0] + bias[0]
    return outputs


def _threshold(medical_outputs: np.ndarray, min_recall: float) -> float:
    """The highest output that at least `min_recall` of the medical documents reach."""
    ordered = np.sort(medical_outputs)
    return float(ordered[int(np.floor((1 - min_recall) * len(ordered)))])
