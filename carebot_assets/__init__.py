"""carebot_assets: a Dagster asset graph from raw bilingual text to an aligned medical LLM."""
