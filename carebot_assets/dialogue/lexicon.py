"""Words that make a dialogue unfit for training: violence, bias, pornography; and answers that
only refuse.

Small on purpose: medicine speaks plainly of bodies, wounds and death, so only phrases without a
clinical reading are listed. English ones match whole words, Chinese ones anywhere.
Source: CareBot 2.2 names the three kinds; the lists are ours.
"""

UNSAFE: dict[str, tuple[str, ...]] = {
    "violence": (
        "how to kill (?:him|her|them|someone|somebody|people)",
        "(?:build|make) (?:a|pipe) bombs?",
        "mass shooting",
        "beat (?:him|her|them) to death",
        "torture (?:him|her|them)",
        "(?:beat|punch|hit|stab|shoot) (?:the|that|this|those) (?:nurses?|doctors?|staff|people)",
        "(?:smash|burn) (?:up |down )?(?:the|this|that) (?:place|hospital|clinic)",
        "制作炸弹",
        "自制炸药",
        "怎么杀人",
        "如何杀人",
        "杀人方法",
        "砍死他",
        "砍死她",
        "打死他们",
        "雇凶杀人",
        "[打揍砍](?:这|那)个?(?:护士|医生|大夫)",
        "(?:砸|烧)了(?:这|那)家?(?:医院|诊所)",
    ),
    "bias": (
        "(?:blacks|whites|jews|muslims|asians|women|gays) are (?:inferior|subhuman|vermin)",
        "(?:are|is) all (?:\\w+ )?(?:liars|pigs|vermin|animals)",
        "you idiots?",
        "stupid fools?",
        "subhumans?",
        "racial purity",
        "white power",
        "劣等民族",
        "劣等人种",
        "低等种族",
        "女人就是贱",
        "(?:地方|外地|种|些)的?人(?:全|都)是(?:骗子|蠢猪|垃圾|小偷)",
        "你这(?:蠢货|白痴)",
        "黑鬼",
        "支那猪",
    ),
    "pornography": (
        "porn(?:o|ographic)? (?:videos?|sites?|movies?|films?)",
        "child porn(?:ography)?",
        "xxx videos?",
        "cam ?girls?",
        "escort services?",
        "色情片",
        "色情网站",
        "成人电影",
        "成人视频",
        "黄色网站",
        "黄色视频",
        "裸聊",
        "约炮",
        "一夜情交友",
        "迷奸药",
    ),
}
REFUSALS = (
    "as an ai(?: language)? model",
    "as an artificial intelligence",
    "作为(?:一个|一名|一款)?(?:ai|人工智能)(?:语言)?(?:模型|助手|程序)",
)


def pattern(phrases: tuple[str, ...]) -> str:
    """One regular expression for all phrases, ignoring case."""
    english = [p for p in phrases if p.isascii()]
    chinese = [p for p in phrases if not p.isascii()]
    parts = [rf"\b(?:{'|'.join(english)})\b"] if english else []
    return "(?i)" + "|".join([*parts, *chinese])
