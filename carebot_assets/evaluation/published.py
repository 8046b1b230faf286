"""Published rows the scorecard shows beside ours.

Source: CareBot (arXiv 2412.15236 v2), Tables 1-3. Accuracies in percent, grades 1..5.
"""

# In the columns' order; BioMistral's first two values are 3-shot, from its own paper.
_KNOWLEDGE_SUITES = ("medqa", "mmlu_med", "cmb", "cmmlu_med", "ceval_med")
_KNOWLEDGE = {
    "ChatGPT": (52.24, 69.96, 43.26, 50.37, 48.80),
    "HuatuoGPT-7B": (16.63, 25.62, 19.68, 23.11, 25.66),
    "Zhongjing-13B": (11.28, 16.90, 20.39, 23.85, 30.09),
    "MedAlpaca-7B": (49.74, 62.72, 23.29, 25.38, 27.43),
    "BioMistral-7B": (50.60, 59.08, 23.83, 26.55, 25.67),
    "HuatuoGPT-II-7B": (41.13, 51.44, 60.39, 59.08, 62.40),
    "CareBot-Chat": (63.71, 71.53, 52.50, 56.42, 63.72),
    "CareBot-Chat (RL)": (63.63, 71.44, 52.45, 56.58, 62.83),
}

# Fluency, relevance, completeness, proficiency, average.
CONSULTATIONS: dict[str, dict[str, tuple[float, ...]]] = {
    "cmtmedqa": {
        "ChatGPT": (4.94, 4.21, 3.98, 4.04, 4.29),
        "HuatuoGPT-7B": (4.94, 3.28, 3.22, 4.19, 3.91),
        "Zhongjing-13B": (2.26, 1.68, 1.62, 2.63, 2.05),
        "MedAlpaca-7B": (4.35, 2.18, 1.97, 3.29, 2.95),
        "BioMistral-7B": (4.48, 2.45, 2.17, 3.55, 3.16),
        "HuatuoGPT-II-7B": (4.96, 3.41, 3.47, 4.27, 4.03),
        "CareBot-Chat": (4.99, 4.67, 4.20, 4.26, 4.53),
        "CareBot-Chat (RL)": (4.96, 4.70, 4.31, 4.34, 4.58),
    },
    "cmb_clin": {
        "ChatGPT": (4.78, 3.75, 3.77, 4.01, 4.08),
        "HuatuoGPT-7B": (4.69, 3.25, 3.08, 4.00, 3.76),
        "Zhongjing-13B": (3.14, 2.14, 1.89, 3.11, 2.57),
        "MedAlpaca-7B": (3.31, 1.69, 1.49, 2.58, 2.27),
        "BioMistral-7B": (3.79, 2.10, 1.82, 3.09, 2.70),
        "HuatuoGPT-II-7B": (4.75, 3.43, 3.43, 4.22, 3.96),
        "CareBot-Chat": (4.82, 4.20, 3.68, 4.16, 4.22),
        "CareBot-Chat (RL)": (4.74, 4.28, 4.01, 4.21, 4.31),
    },
}

KNOWLEDGE: dict[str, dict[str, float]] = {
    model: dict(zip(_KNOWLEDGE_SUITES, values, strict=True)) for model, values in _KNOWLEDGE.items()
}
