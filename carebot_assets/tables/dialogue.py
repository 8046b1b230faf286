"""Tables from dialogues to preference pairs."""

import polars as pl

from carebot_assets.tables.base import TURNS, VERDICT_COLUMNS, Table

TABLES = [
    Table(
        "sft_dialogues",
        "Instruction records of a source in one schema",
        {
            "record_id": (pl.String, "hash of source and record position"),
            "source": (pl.String, "name of the source"),
            "license": (pl.String, "licence"),
            "lang": (pl.String, "zh or en"),
            "kind": (pl.String, "single, multi or choice"),
            "turns": (TURNS, "role (user, assistant) and text"),
            "answer_key": (pl.String, "right letter(s) of a choice question"),
            "options": (pl.List(pl.String), "options of a choice question"),
            "department": (pl.String, "department, where the source gives one"),
            "question_key": (pl.String, "md5 of the normalised first question"),
            "pair_key": (pl.String, "md5 of the normalised first question and last answer"),
            "origin": (pl.String, "source/file#record position"),
        },
        ("sft_source",),
        key=("record_id",),
    ),
    Table(
        "sft_quarantine",
        "Records that could not become dialogues (kept beside `sft_dialogues`)",
        {
            "origin": (pl.String, "source/file#record position"),
            "source": (pl.String, "name of the source"),
            "error": (pl.String, "what was wrong"),
            "sample": (pl.String, "start of the record"),
        },
        ("sft_source",),
        key=("origin",),
    ),
    Table(
        "sft_verdicts",
        "Which instruction records are fit for training, and why not",
        {"record_id": (pl.String, "record"), "source": (pl.String, "name of the source")}
        | VERDICT_COLUMNS
        | {
            "num_tokens": (pl.Int64, "length in the target tokenizer"),
            "num_trainable_tokens": (pl.Int64, "assistant tokens inside the maximum length"),
        },
        ("sft_source",),
        rows_of="sft_dialogues",
        key=("record_id",),
    ),
    Table(
        "instruction_seed_scores",
        "The teacher's Deita complexity and quality (1..6) of a sample of rounds",
        {
            "record_id": (pl.String, "record"),
            "round": (pl.Int64, "round of the record, from 0"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "question": (pl.String, "what the user says"),
            "answer": (pl.String, "what is answered"),
            "complexity": (pl.Float64, "of the question"),
            "quality": (pl.Float64, "of the answer"),
            "status": (pl.String, "ok or failed"),
            "teacher": (pl.String, "model that scored"),
        },
        key=("record_id", "round"),
    ),
    Table(
        "instruction_scores",
        "Deita complexity and quality (1..6) of each record that is fit",
        {
            "record_id": (pl.String, "record"),
            "source": (pl.String, "name of the source"),
            "complexity": (pl.List(pl.Float64), "one per round"),
            "quality": (pl.List(pl.Float64), "one per round"),
            "score": (pl.Float64, "mean over rounds of complexity x quality"),
            "status": (pl.String, "scored or failed"),
            "model": (pl.String, "content hash of the raters"),
        },
        key=("record_id",),
    ),
    Table(
        "confilter_scores",
        "How much history helps each turn of a multi-turn dialogue (ConFilter)",
        {
            "record_id": (pl.String, "record"),
            "source": (pl.String, "name of the source"),
            "conditioned_loss": (pl.List(pl.Float64), "L(t|H) of turns >= 2"),
            "direct_loss": (pl.List(pl.Float64), "L(t) of turns >= 2"),
            "num_tokens": (pl.List(pl.Int64), "tokens of those turns"),
            "cf": (pl.Float64, "mean over turns of L(t|H)/L(t), null when no turn counts"),
            "cf_min": (pl.Float64, "smallest"),
            "cf_max": (pl.Float64, "largest"),
            "model": (pl.String, "content hash of the scoring checkpoint"),
        },
        key=("record_id",),
    ),
    Table(
        "sft_set",
        "Selected instruction records and the verdict on every candidate",
        {
            "record_id": (pl.String, "record"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "kind": (pl.String, "single, multi or choice"),
        }
        | VERDICT_COLUMNS
        | {
            "deita": (pl.Float64, "Deita score"),
            "cf": (pl.Float64, "ConFilter score"),
            "split": (pl.String, "sft or preference (held out for DPO prompts)"),
            "turns": (TURNS, "turns of the record"),
            "answer_key": (pl.String, "right letter(s) of a choice question"),
            "options": (pl.List(pl.String), "options of a choice question"),
            "department": (pl.String, "department"),
        },
        key=("record_id",),
    ),
    Table(
        "preference_prompts",
        "Prompts held out from SFT for preference pairs",
        {
            "record_id": (pl.String, "record"),
            "kind": (pl.String, "single, multi or choice"),
            "lang": (pl.String, "language"),
            "prompt": (TURNS, "turns up to the last question"),
            "reference": (pl.String, "last answer of the record"),
            "answer_key": (pl.String, "right letter(s)"),
            "options": (pl.List(pl.String), "options"),
        },
        key=("record_id",),
    ),
    Table(
        "chat_responses",
        "Answers of the SFT checkpoint to the preference prompts",
        {
            "record_id": (pl.String, "record"),
            "response": (pl.String, "generated answer"),
            "num_tokens": (pl.Int64, "generated tokens"),
            "finished": (pl.Boolean, "ended by itself, not by the limit"),
            "model": (pl.String, "content hash of the checkpoint"),
        },
        rows_of="preference_prompts",
        key=("record_id",),
    ),
    Table(
        "dpo_pairs",
        "Chosen and rejected answers, and why a prompt gave no pair",
        {"record_id": (pl.String, "record")}
        | VERDICT_COLUMNS
        | {
            "kind": (pl.String, "subjective or objective"),
            "lang": (pl.String, "language"),
            "prompt": (TURNS, "turns up to the question"),
            "chosen": (pl.String, "preferred answer"),
            "rejected": (pl.String, "other answer"),
            "chosen_from": (pl.String, "teacher, model or key"),
            "votes": (pl.List(pl.String), "judge's winner in each order"),
            "teacher": (pl.String, "model that answered and judged"),
        },
        rows_of="preference_prompts",
        key=("record_id",),
    ),
]
