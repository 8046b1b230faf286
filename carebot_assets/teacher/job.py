"""One request to a teacher for many answers: what is open, what it may cost, what came of it."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationError

from carebot_assets.settings.base import Lang
from carebot_assets.teacher import roles
from carebot_assets.teacher.answers import Answer, BudgetExceeded
from carebot_assets.teacher.endpoint import Endpoint
from carebot_assets.teacher.ledger import Call, call_key
from carebot_assets.teacher.offline.process import offline_version
from carebot_assets.teacher.progress import Progress

# An answer that is not what was asked for is sent back this often with a note of what is wrong.
REPAIRS = 2
MAX_ERROR_CHARS = 300
# Below this a token of UTF-8 hardly ever is: one Chinese character, or a short English word.
BYTES_PER_TOKEN = 3

_NOTE: dict[Lang, str] = {
    "en": "That is not a valid answer: {error}. Answer again, as JSON of the schema.",
    "zh": "这不是有效的回答：{error}。请重新回答，只输出符合要求的 JSON。",
}


class Job:
    """One `ask`: what is open, what is answered, what is reserved of the budget.

    Args:
        endpoint: where to ask.
        role: one of `roles.ROLES`.
        items: the role's fields, one mapping an item.
        rounds: numbers of independent repetitions, asked together.
        log: for progress.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        role: str,
        items: Sequence[Mapping[str, str]],
        rounds: Sequence[int],
        log: logging.Logger | None = None,
    ) -> None:
        self.endpoint, self.role = endpoint, roles.role_named(role)
        self._rounds: dict[str, int] = {}
        self._input_tokens: dict[str, int] = {}
        self.items: dict[str, Mapping[str, str]] = {}
        self.keys = [[self._add(item, number) for item in items] for number in rounds]
        known = endpoint.ledger.known(self.items)
        self.answers = {key: _answer(call, cached=True) for key, call in known.items()}
        self.open = [key for key in self.items if key not in known]
        self.spent = self.reserved = 0.0
        self.title = f"{role}, round{'s' * (len(rounds) > 1)} {' and '.join(map(str, rounds))}"
        self.progress = Progress(log, self.title, len(self.items), len(self.answers))

    def _add(self, item: Mapping[str, str], round: int) -> str:
        settings = self.endpoint.settings
        messages, schema = self._messages(item), roles.response_format(self.role.name, item)
        mind = [offline_version(), settings.offline.disagreement_rate] * settings.is_offline
        parameters = [self._parameters(round), schema, *mind]
        key = call_key(settings.model, messages, parameters, round)
        self.items[key], self._rounds[key] = item, round
        num_bytes = sum(len(m["content"].encode("utf-8", "replace")) for m in messages)
        self._input_tokens[key] = num_bytes // BYTES_PER_TOKEN
        return key

    def _messages(self, item: Mapping[str, str]) -> list[dict[str, str]]:
        """Made anew each time: kept for every item they would be the texts all over again."""
        return roles.render(self.role.name, item, max_chars=self.endpoint.settings.max_chars)

    def _parameters(self, round: int) -> dict[str, Any]:
        settings = self.endpoint.settings
        parameters: dict[str, Any] = {
            "seed": self.endpoint.seed + round,
            "max_completion_tokens": settings.max_output_tokens,
        }
        if settings.temperature is not None:
            parameters["temperature"] = settings.temperature
        return parameters

    def request(self, key: str, invalid: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Body of a chat completion.

        Args:
            key: the call.
            invalid: earlier answers that were none, each with what is wrong with it.
        """
        item = self.items[key]
        messages = self._messages(item)
        lang = roles.language_of(self.role, item)
        for text, error in invalid:
            messages += [
                {"role": "assistant", "content": text},
                {"role": "user", "content": _NOTE[lang].format(error=error)},
            ]
        return {
            "model": self.endpoint.settings.model,
            "messages": messages,
            "response_format": roles.response_format(self.role.name, item),
            **self._parameters(self._rounds[key]),
        }

    def read(self, key: str, text: str) -> tuple[dict[str, Any] | None, str | None]:
        """The answer a text holds, or what is wrong with it."""
        model = self.role.answer_model(self.items[key])
        try:
            return model.model_validate_json(text, strict=False).model_dump(), None
        except ValidationError as invalid:
            return None, _explain(invalid)

    def call(
        self,
        key: str,
        value: dict[str, Any] | None,
        error: str | None,
        *,
        input_tokens: int,
        output_tokens: int,
        latency_seconds: float,
        attempts: int = 1,
        transport: str = "direct",
    ) -> Call:
        """A call as it is logged."""
        prompt = json.dumps(self._messages(self.items[key]), ensure_ascii=False)
        return Call(
            key=key,
            role=self.role.name,
            model=self.endpoint.settings.model,
            round=self._rounds[key],
            status="failed" if value is None else "ok",
            value=value,
            error=None if value is not None else error,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            usd=self.endpoint.price(input_tokens, output_tokens),
            latency_seconds=latency_seconds,
            attempts=attempts,
            prompt_hash=hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:32],
            parameters=json.dumps(self._parameters(self._rounds[key]), sort_keys=True),
            transport=transport,
        )

    def settle(self, call: Call) -> None:
        """Take a logged call as the end of its item."""
        self.answers[call.key] = _answer(call, cached=False)
        self.progress.add(failed=call.status == "failed", usd=call.usd)

    def input_tokens(self, key: str) -> int:
        """Estimated tokens of a prompt."""
        return self._input_tokens[key]

    def worst_case(self, key: str) -> float:
        """US dollars of a call whose answer is as long as it may be."""
        limit = self.endpoint.settings.max_output_tokens
        return self.endpoint.price(self.input_tokens(key), limit)

    def over_budget(self, cost: float) -> bool:
        """Whether so much more than is spent and reserved would break the budget."""
        budget = self.endpoint.settings.budget_usd
        return budget is not None and self.spent + self.reserved + cost > budget

    def out_of_budget(self, key: str) -> BudgetExceeded:
        """How far the job got when the next call was too dear."""
        good = sum(answer.status == "ok" for answer in self.answers.values())
        return BudgetExceeded(
            f"teacher.budget_usd = {self.endpoint.settings.budget_usd:g}: {self.spent:.4f} US "
            f"dollars are spent, {self.reserved:.4f} reserved for calls under way and the next "
            f"call may cost {self.worst_case(key):.4f}. {good} of {len(self.items)} calls of "
            f"{self.title} have answers, kept in the ledger; raise the budget to go on"
        )


def _answer(call: Call, *, cached: bool) -> Answer:
    status: Literal["ok", "failed"] = "ok" if call.status == "ok" else "failed"
    return Answer(
        status, call.value, call.error, cached, call.input_tokens, call.output_tokens, call.usd
    )


def _explain(error: ValidationError) -> str:
    items = [
        f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}"
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(items)[:MAX_ERROR_CHARS]
