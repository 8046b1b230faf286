"""Figure 4 in small on real text: a boost stage against as many more tokens of the stable mix.

A small Llama is trained from random weights on general text, then on the stable mix, then in two
ways from there: on the boost mix (two stages) or on more of the stable mix (one stage), the same
steps, batches and learning rates. Every seed draws its own mixes and orders; the base model is
shared. Loss is in nats a token on held-out text of each source group; differences are paired by
seed.

    python -m benchmarks.two_stage --seeds 3 --stable-tokens 270000
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from benchmarks import open_data

os.environ.setdefault("ACCELERATE_USE_CPU", "true")
os.environ.setdefault("TQDM_DISABLE", "1")

PIECE = 2_000
LENGTH, BATCH, VOCABULARY = 256, 4, 6_000
# Groups of sources: what is trained on as general, medical and best text, and as instruction text.
SOURCES = {
    "general": [
        "cmrc2018_wiki", "drcd_wiki_tc", "fewclue_tnews_iflytek", "gutenberg_fiction",
        "wikipedia_en_demo", "web_en_c4_demo", "news_en_ag", "openstax_political_science",
    ],
    "broad": ["tcm_ancient_books", "gutenberg_medicine", "openstax_psychology", "plos_articles"],
    "best": ["drug_monographs_zh", "disease_kb_zh", "medical_abstracts"],
    "instruction": [
        "huatuo26m_test", "toyhom_internal_medicine", "cmtmedqa_test", "bentsao",
        "chatdoctor5k", "medquad", "forum_qa_en",
    ],
}  # fmt: skip
HELD_OUT_PIECES = 24
MEDICAL_ZH = ("broad_zh", "best_zh")


def read() -> pl.DataFrame:
    """Pieces of documents with group, language, and whether they are held out."""
    group = {source: name for name, sources in SOURCES.items() for source in sources}
    documents = open_data.documents("corpus", "sft_sources").filter(
        pl.col("dataset").is_in(list(group))
    )
    pieces = documents.select(
        pl.concat_str("dataset", "file", "index", separator="/").alias("doc"),
        pl.col("dataset").alias("source"),
        pl.col("dataset").replace_strict(group).alias("group"),
        pl.col("text").str.extract_all(rf"(?s).{{1,{PIECE}}}").alias("text"),
    ).explode("text")
    han = pl.col("text").str.count_matches(r"\p{Han}")
    return pieces.filter(pl.col("text").str.len_chars() > 20).select(
        pl.concat_str("doc", pl.int_range(pl.len()).over("doc"), separator="#").alias("doc_id"),
        "source",
        "group",
        "text",
        pl.when(han * 4 > pl.col("text").str.len_chars())
        .then(pl.lit("zh"))
        .otherwise(pl.lit("en"))
        .alias("lang"),
        pl.col("text").str.len_chars().cast(pl.Int64).alias("n_tokens"),
    )


def split(pieces: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Held-out pieces, as many of each stratum, and the others."""
    lang, kind = pl.col("lang"), pl.col("group")
    held_out = (
        pieces.with_columns(pl.concat_str(kind, lang, separator="_").alias("stratum"))
        .sort(pl.col("doc_id").hash(seed))
        .group_by("stratum", maintain_order=True)
        .head(HELD_OUT_PIECES)
        .sort("stratum", "doc_id")
    )
    return held_out, pieces.join(held_out, on="doc_id", how="anti")


class Bench:
    """Mixes and trainings in one folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        from carebot_assets.corpus.overlap import HeldOut
        from carebot_assets.settings import ScratchModel, TrainSettings
        from carebot_assets.training import scratch

        self.folder = folder
        self.held_out, self.pieces = split(read(), seed)
        self.held_out.select("stratum", "text").write_parquet(folder / "held_out.parquet")
        self.index = HeldOut(self.held_out["text"], 0.5)
        train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
        sizes = {"vocab_size": VOCABULARY, "hidden_size": 128, "layers": 4, "heads": 4}
        model = ScratchModel(**sizes, intermediate_size=384, tokens=1, train=train)
        sample = self.pieces.sample(min(6_000, self.pieces.height), seed=seed)["text"].to_list()
        scratch.write_model(folder / "start", sample, model, LENGTH * 4)

    def mix(
        self, name: str, primary: list[str], secondary: list[str], seed: int, **asked: Any
    ) -> dict[str, Any]:
        """Pack a mix; returns its receipts."""
        from carebot_assets.corpus import mixing
        from carebot_assets.settings import MixSettings

        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir()
        parts = [
            self.pieces.filter(pl.col("group").is_in(groups)).lazy() if groups else None
            for groups in (primary, secondary)
        ]
        found = mixing.build_mix(
            parts[0],
            parts[1],
            MixSettings(**asked),
            held_out=self.index,
            model_dir=self.folder / "start",
            sequence_length=LENGTH,
            seed=seed,
            folder=self.folder / name,
        )
        return found.receipts

    def train(
        self, name: str, start: str, mix: str, tokens: int, rate: float, seed: int
    ) -> dict[str, float]:
        """Train on a mix for a number of tokens; the held-out losses at the end."""
        from carebot_assets.training import checkpoint, pretrain
        from carebot_assets.training.config import PretrainConfig
        from carebot_assets.training.reporter import Reporter

        steps = tokens // (LENGTH * BATCH)
        work, output = self.folder / f"{name}.work", self.folder / name
        for folder in (work, output):
            shutil.rmtree(folder, ignore_errors=True)
        work.mkdir()
        every = {key: steps for key in ("eval_steps", "save_steps", "log_steps")}
        config = PretrainConfig(
            stage=name,
            model=self.folder / start,
            data=self.folder / mix / "tokens.npy",
            output=output,
            work_dir=work,
            seed=seed,
            held_out=self.folder / "held_out.parquet",
            held_out_tokens=LENGTH,
            from_scratch=start == "start",
            objective=[],
            train={"max_steps": steps, "batch_size": BATCH, "learning_rate": rate} | every,
        )
        pretrain.train(config, Reporter(False))
        shutil.rmtree(work)
        found = checkpoint.read_manifest(output)["losses"]["after"]
        found.pop("train")
        return found | {"medical_zh": sum(found[name] for name in MEDICAL_ZH) / len(MEDICAL_ZH)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--base-tokens", type=int, default=300_000)
    parser.add_argument("--stable-tokens", type=int, default=270_000)
    parser.add_argument("--boost-tokens", type=int, default=120_000, help="of either second stage")
    asked = parser.parse_args()
    started, cpu = time.monotonic(), time.process_time()
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), 0)
        general, medical = ["general"], ["broad", "best"]
        bench.mix(
            "general", general, [], 0, tokens=asked.base_tokens, primary_share=1, zh_share=0.3
        )
        losses = {"base": [bench.train("base", "start", "general", asked.base_tokens, 3e-3, 0)]}
        repeated: list[dict[str, float]] = []
        for seed in range(1, asked.seeds + 1):
            stable = {"primary_share": 0.95, "zh_share": 0.1}
            boost = {"primary_share": 0.5, "zh_share": 0.4}
            tokens, more = asked.stable_tokens, asked.boost_tokens
            bench.mix("stable", medical, general, seed, tokens=tokens, **stable)
            receipts = {
                "boost": bench.mix("boost", ["best"], ["instruction"], seed, tokens=more, **boost),
                "more": bench.mix("more", medical, general, seed + 100, tokens=more, **stable),
            }
            repeated.append(
                {
                    name: sum(s["repeated"] for s in found["strata"]) / found["num_tokens"]
                    for name, found in receipts.items()
                }
            )
            plan = [
                ("stable", "base", "stable", tokens, 2e-3),
                ("two_stages", "trained-stable", "boost", more, 1e-3),
                ("one_stage", "trained-stable", "more", more, 1e-3),
            ]
            for arm, start, mix, num, rate in plan:
                found = bench.train(f"trained-{arm}", start, mix, num, rate, seed)
                losses.setdefault(arm, []).append(found)
    print(json.dumps(_summary(asked, losses, repeated, started, cpu)))


def _summary(
    asked: argparse.Namespace,
    losses: dict[str, list[dict[str, float]]],
    repeated: list[dict[str, float]],
    started: float,
    cpu: float,
) -> dict[str, Any]:
    from carebot_assets.training.arms import mean_of

    names = sorted(losses["base"][0])
    pairs = list(zip(losses["two_stages"], losses["one_stage"], strict=True))
    return {
        "seeds": asked.seeds,
        "tokens": {"base": asked.base_tokens, "stable": asked.stable_tokens}
        | {"second_stage": asked.boost_tokens},
        "repeated_ratio": repeated,
        "losses": {
            arm: {name: str(mean_of([run[name] for run in runs])) for name in names}
            for arm, runs in losses.items()
        },
        "two_stages_minus_one": {
            name: str(mean_of([two[name] - one[name] for two, one in pairs])) for name in names
        },
        "cpu_seconds": round(time.process_time() - cpu),
        "seconds": round(time.monotonic() - started),
    }


if __name__ == "__main__":
    main()
