"""A tokenizer and the configuration of a small Llama, for profiles without a snapshot.

Writes what `from_pretrained` expects, without importing torch; the weights are drawn by the
training script from its seed.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from carebot_assets.settings import ScratchModel
from carebot_assets.training.chat import TEMPLATE

EOS, PAD = "<|endoftext|>", "<|pad|>"
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]


def write_model(
    folder: Path, texts: Iterable[str], model: ScratchModel, max_positions: int
) -> None:
    """Train a byte-level BPE tokenizer on texts and write it with the model's configuration."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=model.vocab_size,
        special_tokens=[EOS, PAD, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    eos_id, pad_id = tokenizer.token_to_id(EOS), tokenizer.token_to_id(PAD)
    (folder / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": EOS,
            "pad_token": PAD,
            "additional_special_tokens": ROLES,
            "model_max_length": max_positions,
            "clean_up_tokenization_spaces": False,
        },
    )
    _write(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": model.hidden_size,
            "intermediate_size": model.intermediate_size,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "num_key_value_heads": model.heads,
            "max_position_embeddings": max_positions,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": eos_id,
            "pad_token_id": pad_id,
        },
    )


def _write(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values, indent=1), "utf-8")
