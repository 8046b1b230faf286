"""Partitions of the graph: corpus shards, instruction sources, checkpoints by suite."""

import dagster as dg

from carebot_assets.settings import current_settings

# Keys are planned and registered by `corpus_manifest`.
corpus_shards = dg.DynamicPartitionsDefinition(name="corpus_shard")

sft_sources = dg.StaticPartitionsDefinition(sorted(current_settings().instruction.sources))

CHECKPOINTS = (
    "base_model",
    "stable_checkpoint",
    "boost_checkpoint",
    "one_stage_checkpoint",
    "sft_checkpoint",
    "dpo_checkpoint",
)
CHAT_CHECKPOINTS = ("sft_checkpoint", "dpo_checkpoint")


def _by_suite(checkpoints: tuple[str, ...], suites: list[str]) -> dg.MultiPartitionsDefinition:
    return dg.MultiPartitionsDefinition(
        {
            "checkpoint": dg.StaticPartitionsDefinition(list(checkpoints)),
            "suite": dg.StaticPartitionsDefinition(suites),
        }
    )


benchmark_runs = _by_suite(CHECKPOINTS, sorted(current_settings().evaluation.benchmarks))
consultation_runs = _by_suite(CHAT_CHECKPOINTS, sorted(current_settings().evaluation.consultations))

PARTITIONS: dict[str, dg.PartitionsDefinition] = {
    "shard": corpus_shards,
    "sft_source": sft_sources,
    "benchmark": benchmark_runs,
    "consultation": consultation_runs,
}
