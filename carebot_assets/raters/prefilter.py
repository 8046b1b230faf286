"""The cheap model in front of the classifier: it drops what cannot be medical.

A logistic model on hashed character n-grams, distilled from the classifier's own verdicts on
unlabelled documents; a document under its threshold is dropped without being encoded. The
threshold is the highest that keeps the asked share of what the classifier finds medical among
documents the prefilter has not learned from.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import classifier
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import Head, load_head, outputs_of
from carebot_assets.raters.splitting import is_validation
from carebot_assets.settings import EncoderSettings, PrefilterSettings

KIND = "domain prefilter"
# Below so many medical documents on either side nothing can be said about a recall near 1.
MIN_MEDICAL = 40
VALIDATION_RATIO = 0.5
MAX_CHARS = 2000


def distil(
    documents: pl.DataFrame,
    p_medical: np.ndarray,
    threshold: float,
    settings: PrefilterSettings,
    seed: int,
) -> Head:
    """A prefilter and its threshold, from the classifier's probabilities.

    Where it is switched off, or the sample holds too few documents of either kind to set a
    threshold, it lets everything pass, and its card says why.

    Args:
        documents: `text` of unlabelled documents.
        p_medical: the classifier's probability of each.
        threshold: of the classifier.
    """
    from sklearn.linear_model import LogisticRegression

    encoder = EncoderSettings(features=settings.features, max_chars=MAX_CHARS)
    held_out = is_validation(documents["text"], VALIDATION_RATIO, seed)
    medical = np.asarray(p_medical) >= threshold
    counts = [int(part.sum()) for part in (medical[held_out], medical[~held_out], ~medical)]
    card: dict[str, Any] = {
        "kind": KIND, "threshold": -np.inf, "num_documents": documents.height,
        "num_medical_held_out": counts[0], "min_recall": settings.min_recall,
    }  # fmt: skip
    nothing = Head(
        np.zeros((1, settings.features), np.float32), np.zeros(1, np.float32), encoder, card
    )
    if not settings.enabled or min(counts) < MIN_MEDICAL:
        reason = "off" if not settings.enabled else "too few documents to learn from"
        nothing.card = _readable(
            card | {"passes_everything": reason, "recall": 1.0, "saved_ratio": 0.0}
        )
        return nothing
    vectors = open_encoder(encoder).encode(documents["text"].to_list())
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=300)
    model.fit(vectors[~held_out], medical[~held_out])
    head = Head(model.coef_.astype(np.float32), model.intercept_.astype(np.float32), encoder, {})
    outputs = head.outputs(vectors[held_out])[:, 0]
    card["threshold"] = float(_threshold(outputs[medical[held_out]], settings.min_recall))
    card["recall"] = float((outputs[medical[held_out]] >= card["threshold"]).mean())
    card["saved_ratio"] = float((outputs < card["threshold"]).mean())
    head.card = _readable(card)
    return head


def passes(folder: Path, texts: pl.LazyFrame) -> pl.DataFrame:
    """`doc_id` and whether the classifier has to see it, of every row of `doc_id`, `text`."""
    head = load_head(folder, KIND)
    if head.card["threshold"] is None:
        return texts.select("doc_id", passes=pl.lit(True)).collect()
    ids, outputs = outputs_of(head, texts)
    return pl.DataFrame({"doc_id": ids, "passes": outputs[:, 0] >= head.card["threshold"]})


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
        and no probability. And the predictions of up to `num_audited` texts, chosen by hash, that
        the prefilter would have stopped and the classifier was shown all the same; what it says of
        them holds.
    """
    seen = passes(prefilter, texts)
    stopped = seen.filter(~pl.col("passes"))
    chosen = stopped.sort(pl.col("doc_id").hash(0), "doc_id").head(num_audited)
    wanted = pl.concat([seen.filter("passes"), chosen]).lazy().select("doc_id")
    judged = classifier.predict(
        folder,
        texts.join(wanted, on="doc_id", how="semi", maintain_order="left"),
        medical_labels,
        work,
    )
    predicted = seen.join(
        judged.with_columns(judged=pl.lit(True)), on="doc_id", how="left", maintain_order="left"
    ).select("doc_id", "label", "p_medical", prefiltered=pl.col("judged").is_null())
    return predicted, judged.join(chosen, on="doc_id", how="semi")


def report(predicted: pl.DataFrame, audit: pl.DataFrame, threshold: float) -> dict[str, Any]:
    """What the prefilter saved and missed in a shard.

    `prefilter_recall` estimates the share of the medical documents that the classifier was shown:
    the rate among the audited ones is taken for all that were prefiltered.
    """
    num_stopped = int(predicted["prefiltered"].sum())
    num_found = int((predicted["p_medical"] >= threshold).sum())
    num_missed = int((audit["p_medical"] >= threshold).sum())
    missed = num_missed / audit.height * num_stopped if audit.height else 0.0
    return {
        "num_prefiltered": num_stopped,
        "prefilter_saved_ratio": num_stopped / predicted.height if predicted.height else 0.0,
        "num_audited": audit.height,
        "num_missed_in_audit": num_missed,
        "num_medical": num_found,
        "prefilter_recall": num_found / (num_found + missed) if num_found + missed else None,
    }


def _threshold(medical_outputs: np.ndarray, min_recall: float) -> float:
    """The highest output that at least `min_recall` of the medical documents reach."""
    ordered = np.sort(medical_outputs)
    return float(ordered[int(np.floor((1 - min_recall) * len(ordered)))])


def _readable(card: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: no threshold is null."""
    finite = card["threshold"] if np.isfinite(card["threshold"]) else None
    return card | {"threshold": finite}
