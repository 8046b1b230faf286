"""Assets from raw files to the rule filter's verdicts."""

from pathlib import Path
from typing import Any

from carebot_assets.corpus import landing, manifest, measures, rules, summaries, token_counts
from carebot_assets.corpus.digests import FILE, Digests
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.partitions import corpus_shards
from carebot_assets.settings import current_settings

SAMPLE = current_settings().sample_world is not None

if SAMPLE:

    @artifact(settings=["sample_world"], kinds={"python"})
    def sample_world(step: Step) -> dict[str, Any]:
        """Invented bilingual sources that the demo runs on: corpus, dialogues, benchmarks.

        Written by publisher, in the layouts and encodings that real publishers use, with planted
        dirt. `truth/` says what was planted where; no stage reads it, tests and the demo's summary
        do. The same settings and seed give the same bytes.
        """
        from carebot_assets.sample import world

        size = step.settings.sample_world
        assert size is not None
        return world.write_world(step.draft.dir, **size.model_dump(), seed=step.settings.seed)


@artifact(
    inputs=["sample_world"] if SAMPLE else [], settings=["corpus"], kinds={"polars"}, memo=False
)
def corpus_manifest(step: Step) -> dict[str, Any]:
    """Plan of shards: every file of every configured source, pinned by its sha256.

    A file that was planned before keeps its shard, whatever is added or removed; new files open
    new shards. The shards are registered as partitions, those without files are unregistered.
    Looks at the folders each time it runs; files that look as they did are not read again.
    """
    files = landing.listing(step.settings)  # before they are read: what comes later is news
    known = step.store.manifest(step.name) is not None
    last = step.store.scan(step.name).collect() if known else None
    hashes = Digests(step.store.dir(step.name) / FILE)
    plan = manifest.scan(step.settings, last, hashes)
    step.write(plan)
    hashes.save(step.draft.dir / FILE)
    shards, instance = set(plan["shard"]), step.context.instance
    dimension = str(corpus_shards.name)
    gone = set(instance.get_dynamic_partitions(dimension)) - shards
    for shard in sorted(gone):
        instance.delete_dynamic_partition(dimension, shard)
    instance.add_dynamic_partitions(dimension, sorted(shards))
    counts = {"num_shards_gone": len(gone), "num_parts_hashed": hashes.num_read}
    return {**summaries.of_plan(plan), **counts, "listing": files}


@artifact(
    inputs=["corpus_manifest"],
    slices={"corpus_manifest": "shard"},
    settings=[
        "corpus.max_record_chars",
        "corpus.max_bad_ratio",
        "corpus.max_bad_records",
        "corpus.max_expansion",
    ],
    partitions="shard",
    kinds={"polars", "duckdb"},
    version="4",
)
def documents(step: Step) -> dict[str, Any]:
    """Documents of a shard: one record each, normalised, with language and a stable id.

    Text is NFC with `\\n` line ends and without control or invisible characters; nothing else is
    changed. Records that are undecodable, malformed, oversized or empty go to the side table
    `quarantine` with their position and error; too many of them stop the shard. `n_tokens` is an
    estimate: CJK characters plus other words.
    """
    reader = ShardReader(step.scan("corpus_manifest").collect(), step.settings.corpus)
    step.write(reader.documents())
    step.write(reader.quarantine(), "quarantine")
    return {
        "num_records": reader.num_records,
        **summaries.of_documents(step.written(), step.written("quarantine")),
    }


def _own_files() -> list[Path]:
    """The user's own phrases and frequencies; for an absent file the measures have a message."""
    own = current_settings().rules
    paths = map(Path, (*own.lexicons.values(), *own.unigrams.values()))
    return [path for path in paths if path.is_file()]


@artifact(
    inputs=["documents"],
    settings=["rules.unigrams", "rules.lexicons"],
    outside=lambda _: _own_files(),
    partitions="shard",
    kinds={"polars", "numba"},
    version="3",
)
def text_measures(step: Step) -> dict[str, Any]:
    """Numbers the rules need of every document, independent of any threshold.

    The only pass of the rule filter over the text: lengths, character classes, repetition, lines,
    page furniture, oddness of words, adverts, abuse, damaged encodings, and which kinds of private
    information occur how often and where (never a value). Ratios lie in 0..1. One row a document,
    in the documents' order.
    """
    rules = step.settings.rules
    step.write(measures.measure(step.scan("documents"), rules.unigrams, rules.lexicons))
    return summaries.of_measures(step.written())


def _tokenizer_file() -> list[Path]:
    path = current_settings().rules.tokenizer
    return [] if path is None else [token_counts.file_of(Path(path))]


@artifact(
    inputs=["documents", "text_measures"],
    settings=["rules"],
    outside=lambda _: _tokenizer_file(),
    extra=lambda: rules.RULE_NAMES,
    partitions="shard",
    kinds={"polars"},
    version="3",
)
def rule_verdicts(step: Step) -> dict[str, Any]:
    """Verdict of the rule filter on every document of a shard, with every failing rule named.

    Compares measures with the thresholds of the document's language, so changed thresholds are
    decided anew within seconds: text is read only where `rules.tokenizer` is given, to count the
    tokens of documents near a limit. `evidence` holds value and threshold of each failing
    rule, `masked_kinds` the private information that the filtered corpus will mask and `masks`
    where in the text it stands. A document in neither language is dropped by `language_v2`.

    Source: CareBot (arXiv 2412.15236), rule filter of the pretraining data; the paper gives no
    thresholds, those of the profile are ours.
    """
    measured, chosen = step.scan("text_measures"), step.settings.rules
    if chosen.tokenizer is not None:
        documents, tokenizer = step.scan("documents"), Path(chosen.tokenizer)
        measured = token_counts.exact(measured, documents, chosen, tokenizer)
    step.write(rules.decide(measured, chosen))
    return summaries.of_verdicts(step.written())
