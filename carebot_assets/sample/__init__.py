"""The embedded sample world: a bilingual corpus, dialogues and benchmarks with known truth."""
