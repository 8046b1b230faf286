"""A doctor's reply out of the conversation itself, and judgements of replies by their surface."""

import re
from collections.abc import Callable
from math import exp, log

from carebot_assets.teacher.language import is_chinese
from carebot_assets.teacher.offline.evidence import (
    BIOPHARMACEUTICALS,
    score_labels,
    terms,
    weights,
)
from carebot_assets.teacher.offline.quality import count_marks, rate, sentences, size

HEALTH = "Health & Medicine"
MAX_COMPLAINTS = 3
_MEDICAL = [HEALTH, BIOPHARMACEUTICALS]
_SPEAKER = re.compile(
    r"^\s*(?:patient|user|doctor|assistant|患者|病人|用户|医生|助手|human|问|答)\s*[:：]\s*",
    re.IGNORECASE,
)
_ADVICE = ("advise", "examine", "explain", "warn")
_PHRASES = {
    "en": (
        (
            "Thank you for describing this in detail.",
            "I understand that this worries you.",
            "What you describe deserves attention.",
        ),
        "You mention {topic}.",
        (
            "Several causes are possible, and they cannot be told apart without an examination; "
            "how long it has lasted and what makes it better or worse matter most.",
            "Most causes of this can be treated well, but which one it is has to be found out "
            "first, because the treatment depends on it.",
        ),
        (
            "For now, rest enough, drink enough and write down when the complaints come and what "
            "brings relief; do not start, stop or change medicines on your own.",
            "Until it is clear, avoid what makes it worse, keep taking medicines that were "
            "prescribed for you, and note changes from day to day.",
        ),
        "Please see a doctor in person, so that a physical examination and, if needed, blood tests "
        "or imaging can be arranged.",
        "Go to an emergency department without delay if there is severe pain, trouble breathing, "
        "high fever, confusion, fainting or heavy bleeding.",
        "May I ask how long this has been going on, and whether you have other illnesses, "
        "allergies or regular medicines?",
    ),
    "zh": (
        ("感谢您详细的描述。", "理解您的担心。", "您说的情况需要重视。"),
        "您提到{topic}。",
        (
            "可能的原因不止一种，仅凭文字难以区分，症状持续多久、何时加重或缓解是判断的关键。",
            "这类情况多数可以得到较好的处理，但需要先明确原因，因为治疗方案取决于病因。",
        ),
        (
            "目前建议注意休息、适量饮水，记录症状出现的时间和诱因，不要自行加药、停药或换药。",
            "在明确之前，请避免会加重不适的因素，继续按医嘱用药，并观察每天的变化。",
        ),
        "建议尽早到医院相应专科就诊，由医生查体，必要时安排血液化验或影像学检查。",
        "如果出现剧烈疼痛、呼吸困难、高热、意识不清、晕厥或大量出血，请立即前往急诊。",
        "请问症状持续多长时间了？既往有无其他疾病、过敏史或正在服用的药物？",
    ),
}


def reply(dialogue: str, draw: Callable[[str], float]) -> str:
    """A careful answer: takes up the complaint, explains, advises, examines, warns, asks back."""
    turns = [_SPEAKER.sub("", line).strip() for line in dialogue.splitlines() if line.strip()]
    last = turns[-1] if turns else dialogue
    lang = "zh" if is_chinese(last) else "en"
    opening, mention, explain, advise, examine, warn, ask = _PHRASES[lang]
    topics = _complaints(last) or _complaints(dialogue)
    parts = [_pick(opening, draw("opening"))]
    if topics:
        parts.append(str(mention).format(topic=("、" if lang == "zh" else ", ").join(topics)))
    parts += [
        _pick(explain, draw("explain")),
        _pick(advise, draw("advise")),
        str(examine),
        str(warn),
    ]
    # A first turn leaves most to be asked; later ones have heard it.
    if len(turns) < 3:
        parts.append(str(ask))
    return (" " if lang == "en" else "").join(parts)


def _complaints(text: str) -> list[str]:
    """Up to three medical words of a text, longer ones first, none inside another."""
    known = weights()
    found = [
        term
        for term in dict.fromkeys(terms(text))
        if any(label == HEALTH for label, _ in known.get(term, ()))
    ]
    chosen: list[str] = []
    for term in sorted(found, key=len, reverse=True):
        if len(chosen) < MAX_COMPLAINTS and not any(term in longer for longer in chosen):
            chosen.append(term)
    return chosen


def _pick(phrases: str | tuple[str, ...], number: float) -> str:
    return phrases if isinstance(phrases, str) else phrases[int(number * len(phrases))]


def rate_instruction(question: str, answer: str) -> dict[str, float]:
    """Complexity of the question and quality of the answer, 1..6 (Deita)."""
    asked, evidence = size(question), score_labels(question)
    findings = log(1 + sum(evidence.values()))
    complexity = 1 + 1.6 * (1 - exp(-asked / 40)) + 0.8 * findings
    complexity += 0.4 * min(3, count_marks(question, "ask"))
    if size(answer) < 3:
        return {"complexity": _bounded(complexity, 6), "quality": 1.0}
    quality = 1 + 1.5 * _fit(question, answer) + 0.5 * _breadth(answer)
    quality += 1.5 * rate(answer, _MEDICAL)["score"] / 5
    return {"complexity": _bounded(complexity, 6), "quality": _bounded(quality, 6)}


def compare(dialogue: str, answer_a: str, answer_b: str) -> dict[str, str]:
    """The better answer on every dimension; the overall winner by their weighted sum."""
    one, two = _measure(dialogue, answer_a), _measure(dialogue, answer_b)
    verdict = {name: _better(one[name], two[name], 0.08) for name in one}
    total = {"fluency": 1.0, "relevance": 1.5, "completeness": 1.5, "proficiency": 2.0}
    sums = [sum(weight * side[name] for name, weight in total.items()) for side in (one, two)]
    return verdict | {"winner": _better(sums[0], sums[1], 0.2)}


def grade(dialogue: str, reference: str, answer: str) -> dict[str, int]:
    """Grades 1..5 with the reference as the measure of what is right and complete."""
    own = _measure(dialogue, answer)
    likeness = _share(reference, answer) if reference.strip() else own["relevance"]
    values = {
        "fluency": own["fluency"],
        "relevance": 0.5 * own["relevance"] + 0.5 * min(1.0, 1.5 * likeness),
        "completeness": 0.4 * own["completeness"] + 0.6 * min(1.0, 1.5 * likeness),
        "proficiency": 0.6 * own["proficiency"] + 0.4 * min(1.0, 1.5 * likeness),
    }
    return {name: int(_bounded(1 + round(4 * value), 5)) for name, value in values.items()}


def _measure(dialogue: str, answer: str) -> dict[str, float]:
    if size(answer) < 2:
        return {"fluency": 0.0, "relevance": 0.0, "completeness": 0.0, "proficiency": 0.0}
    points = rate(answer, _MEDICAL)
    unbroken = len(set(sentences(answer))) / len(sentences(answer))
    return {
        "fluency": (points["grammar"] if size(answer) >= 8 else 0.5) * unbroken,
        "relevance": _fit(dialogue, answer),
        "completeness": 0.7 * _breadth(answer) / 4 + 0.3 * (1 - exp(-size(answer) / 60)),
        "proficiency": (0.5 * points["relevance"] + 0.25 * points["information"]) * unbroken
        + 0.25 * bool(count_marks(answer, "examine")) * unbroken,
    }


def _breadth(answer: str) -> int:
    """How many of advice, examination, explanation and warning an answer has."""
    return sum(bool(count_marks(answer, kind)) for kind in _ADVICE)


def _fit(question: str, answer: str) -> float:
    """Whether the answer takes up the question's words, in its language."""
    if is_chinese(question) != is_chinese(answer):
        return 0.0
    return min(1.0, 0.3 + 2.0 * _share(question, answer))


def _share(wanted: str, text: str) -> float:
    """Share of the wanted text's terms that occur in a text."""
    asked = _content(wanted)
    return len(asked & _content(text)) / len(asked) if asked else 0.0


def _content(text: str) -> set[str]:
    return {term for term in terms(text) if (len(term) > 4 if term.isascii() else len(term) == 2)}


def _better(one: float, two: float, margin: float) -> str:
    return "tie" if abs(one - two) < margin else "a" if one > two else "b"


def _bounded(value: float, top: float) -> float:
    return round(min(top, max(1.0, value)), 2)
