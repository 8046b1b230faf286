"""Held-out text in other documents: the same text, most of it, or a large part of a longer one.

Units are those of `matching`: words and single CJK characters, alike in case, width, Traditional
or Simplified. Source: the overlap coefficient of n-grams (Szymkiewicz-Simpson), which, unlike
Jaccard similarity, does not fall when one text is a part of the other.
"""

import polars as pl

NGRAM = 8


class HeldOut:
    """N-grams of held-out texts, ready to be looked up in batches of texts.

    Args:
        texts: the held-out texts.
        least: share of the n-grams of the shorter text, from which on two texts overlap.
    """

    def __init__(self, texts: pl.Series, least: float) -> None:
        import numpy as np

        from carebot_assets.corpus import matching

        self.texts = texts.unique().sort()
        self.least = least
        grams = matching.ngrams(self.texts, NGRAM)
        self.grams = pl.DataFrame({"held": grams.text, "ngram": grams.ngram}).unique()
        self.sizes = self.grams.group_by("held").len("held_size")
        self.distinct = self.grams["ngram"].unique().sort().to_numpy()
        self.wanted = matching.lookup(self.distinct, np.array([NGRAM]))

    def in_texts(self, texts: pl.Series) -> pl.Series:
        """Whether each text overlaps a held-out one."""
        same = texts.is_in(self.texts.implode())
        overlap = self.overlaps(texts).filter(pl.col("overlap") >= self.least)
        return same.scatter(overlap["text"].unique(), True) if overlap.height else same

    def overlaps(self, texts: pl.Series) -> pl.DataFrame:
        """Pairs `text`, `held` that share an n-gram, and their `overlap` coefficient."""
        from carebot_assets.corpus import matching

        found, index = matching.find(texts, self.wanted)
        hits = pl.DataFrame({"text": found, "ngram": self.distinct[index]}).unique()
        shared = hits.join(self.grams, on="ngram").group_by("text", "held").len("num_shared")
        # Few texts share any: what the n-grams of the others are need not be known.
        rows = shared["text"].unique().sort()
        own = matching.ngrams(texts.gather(rows), NGRAM)
        sizes = (
            pl.DataFrame({"text": rows.gather(own.text), "ngram": own.ngram})
            .group_by("text")
            .agg(size=pl.col("ngram").n_unique())
        )
        return (
            shared.join(sizes, on="text")
            .join(self.sizes, on="held")
            .select(
                "text",
                "held",
                overlap=pl.col("num_shared") / pl.min_horizontal("size", "held_size"),
            )
            .sort("text", "held")
        )
