"""Documents for a label out of the words that speak for it: plain, but about nothing else."""

from collections.abc import Callable
from functools import cache

import yaml

from carebot_assets.teacher.offline.evidence import EVIDENCE_FILE, weights

NUM_SENTENCES = 7
_FRAMES = {
    "en": (
        "Anyone who deals with {a} meets {b} sooner or later, and the two are best explained "
        "together.",
        "The usual account begins with {a}: it decides how {b} is planned and what {c} will cost.",
        "In practice {a} and {b} differ less in principle than in how {c} is handled day by day.",
        "Ten years ago {a} was a matter for a few specialists; today {b} is part of every course.",
        "A common mistake is to judge {a} without looking at {b}, which hides the role of {c}.",
        "Where {a} is well documented, {b} can be compared over several years.",
        "Reports from three regions agree that {a} improves once {b} is checked every month.",
        "Beginners should first understand {a}, then {b}, and only after that turn to {c}.",
        "The limits are known as well: {a} says little about {b} as long as {c} is missing.",
        "A short example shows the point: with more {a}, the need for {b} falls by about a third.",
    ),
    "zh": (
        "从事这一行的人迟早会遇到{a}与{b}，两者放在一起讲最清楚。",
        "通常先讲{a}：它决定了{b}如何安排，也影响{c}的成本。",
        "在实际工作中，{a}和{b}原理相近，区别主要在于如何处理{c}。",
        "十年前{a}还只是少数人的课题，如今{b}已成为基础内容。",
        "常见的误区是只看{a}而不看{b}，从而忽视了{c}的作用。",
        "如果{a}的记录完整，就可以对{b}作多年的比较。",
        "三个地区的报告都指出，定期检查{b}之后，{a}会有所改善。",
        "初学者应先弄懂{a}，再学习{b}，最后才接触{c}。",
        "局限同样清楚：缺少{c}时，{a}并不能说明{b}。",
        "举一个简单的例子：{a}增加以后，对{b}的需求大约下降三分之一。",
    ),
}
# For a label that no words speak for ("Others"): texts about nothing in particular.
_NOTHING = {
    "en": (
        "The drawer in the hall holds things nobody can place.",
        "On some mornings the street is quiet until nine.",
        "He kept the list, although most of it had been crossed out.",
        "There are people who cannot pass a bench without sitting down.",
        "What was meant by the note on the door was never settled.",
        "The umbrella was left behind again, and again it was returned.",
        "Somebody had moved the chair to the other side of the room.",
        "It is not much to tell, but it was told at length.",
        "A parcel arrived for a neighbour who had moved away.",
        "The clock is five minutes fast, and everyone has got used to it.",
    ),
    "zh": (
        "门厅的抽屉里放着几样谁也说不清的东西。",
        "有些早晨，街上要到九点才热闹起来。",
        "那张清单他一直留着，虽然大半已经划掉。",
        "有的人路过长椅总要坐一会儿。",
        "门上那张字条是什么意思，始终没有弄清楚。",
        "雨伞又落下了，过后又有人送了回来。",
        "不知是谁把椅子挪到了房间的另一头。",
        "说来并没有什么，却说了很久。",
        "有个包裹寄给早已搬走的邻居。",
        "墙上的钟快五分钟，大家早就习惯了。",
    ),
}


def write(label: str, lang: str, draw: Callable[[str], float]) -> dict[str, str]:
    """A document for a label, another one for every number drawn."""
    lang = "zh" if lang == "zh" else "en"
    words = _words(label, lang)
    pool = _shuffled(_FRAMES[lang] if words else _NOTHING[lang], draw, "frame")[:NUM_SENTENCES]
    if not words:
        return {"title": pool[0].rstrip(".。"), "text": _joined(pool, lang)}
    chosen = _shuffled(words, draw, "word")
    sentences = []
    for number, frame in enumerate(pool):
        a, b, c = (chosen[(3 * number + i) % len(chosen)] for i in range(3))
        sentence = frame.format(a=a, b=b, c=c)
        sentences.append(sentence[0].upper() + sentence[1:])
    title = f"{chosen[0]} and {chosen[1]}" if lang == "en" else f"{chosen[0]}与{chosen[1]}"
    return {"title": title, "text": _joined(sentences, lang)}


@cache
def _words(label: str, lang: str) -> tuple[str, ...]:
    """Words of a language that speak for this label alone."""
    known = weights()
    listed = yaml.safe_load(EVIDENCE_FILE.read_text("utf-8")).get(label, {}).get(lang, "")
    words = dict.fromkeys(word.strip() for word in listed.split(",") if word.strip())
    own = [w for w in words if [label for label, _ in known.get(w.lower(), ())] in ([label], [])]
    return tuple(own)


def _shuffled(values: tuple[str, ...], draw: Callable[[str], float], purpose: str) -> list[str]:
    return sorted(values, key=lambda value: (draw(f"{purpose} {value}"), value))


def _joined(sentences: list[str], lang: str) -> str:
    return (" " if lang == "en" else "").join(sentences)
