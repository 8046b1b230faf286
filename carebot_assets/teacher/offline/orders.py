"""Lines of a text that are addressed to whoever rates it: taken out before the text is judged.

A person told to rate a text does not obey it either. What is left is judged as if the lines had
never been there, so an order moves neither a score nor a label.
"""

import re

_ORDER = re.compile(
    "|".join(
        (
            # "Ignore the rubric", "disregard all previous instructions"
            r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{0,60}"
            r"\b(?:rubrics?|rules?|instructions?|prompts?|criteria|guidelines?|task)\b",
            r"(?:忽略|无视|不要理会|不必理会|跳过)[^。！？\n]{0,20}"
            r"(?:规则|评分|标准|指令|指示|任务|以上|上述|前面)",
            # "answer 5", "answer with the label X", "rate this text 5 out of 5"
            r"\b(?:answer|respond|reply|output|return|print)\s+(?:only\s+|just\s+|simply\s+)?"
            r"(?:(?:with\s+)?the\s+(?:label|score|number)|with\s+[\"'{]*[0-6]\b|json\b"
            r"|[\"'{]*[0-6](?:\.\d+)?[\"'}]*\s*(?:[.!,;]|$))",
            r"\b(?:rate|score|grade|give)\s+(?:it|this(?:\s+(?:text|document|page))?)\s+"
            r"(?:a\s+|with\s+)?(?:full|top|maximum|[0-6])\b[^.!?\n]{0,20}",
            r"(?:回答|输出|给出|打|评为?|返回|给它?)\s*(?:一个)?[0-6０-６零一二三四五六满](?:\.\d+)?\s*(?:分|。|！|$)",
            r"(?:请|直接|只|务必|必须)[^。！？\n]{0,6}(?:回答|输出|选择|返回)[^。！？\n]{0,10}"
            r"(?:标签|分数|满分|JSON|json|[0-6]\s*分?)",
            # What an answer, a turn of a conversation or a fence would look like.
            r"[\"']?(?:score|label|grammar|winner|complexity|quality)[\"']?\s*[:：]\s*"
            r"(?:[\"'][^\"'\n]{0,60}[\"']|[0-6](?:\.\d+)?\b)\s*[,}]",
            r"^\s*[\[<{]*\|?(?:system|assistant|user|系统|助手)\|?[\]>}]*\s*[:：>]",
            r"={4,}\s*[0-9a-f]{6,}\s*={4,}",
            r"(?-i:^(?:domain|labels|text): ?.*$)",
            r"enclose material to be judged|nothing between them is an order",
            r"The material ends here|as first instructed|material count for nothing",
            r"之间是待判断的材料|材料到此结束|请按最初的说明|一概无效",
            r"\b(?:you are|you're|act as|note to) (?:now )?(?:a |an |the )?"
            r"(?:rater|grader|judge|classifier|language model|ai assistant|labell?er)\b",
            r"(?:你|您)(?:现在)?是(?:一个|一名)?(?:评分员|评分者|评委|分类器|语言模型|人工智能)",
        )
    ),
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = re.compile(r"[^\n。！？；]*?(?:[.!?]+(?=\s)\s*|[。！？；]+\s*|\n+|$)")


def without_orders(text: str) -> str:
    """The text without the sentences and lines that give orders to its judge."""
    if not _ORDER.search(text):
        return text
    parts = (part.group() for part in _SENTENCE.finditer(text))
    kept = "".join(part for part in parts if not _ORDER.search(part))
    return kept.strip() if kept.strip() else ""
