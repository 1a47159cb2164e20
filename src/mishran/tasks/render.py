"""Examples to tokens: `[bos] + prompt + answer + [eos]`, and where the answer begins.

Prompt and answer are tokenised apart, so that the prompt's tokens are the ones the model will see
when it is asked; joint tokenisation may merge across the seam. The tokenizer adds no special tokens
by itself; BOS and EOS come from here, once, and only where the tokenizer has them and the text does
not already begin or end with them.

Chat messages are written out by the model's chat template, which is complete: no BOS is added. The
text with the generation prompt must be the beginning of the text of all messages. Where the tokens
of that beginning are also the beginning of the tokens of the whole, the whole is tokenised at once,
as the model was trained; elsewhere apart, as above. EOS is added only where the template writes
nothing after the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mishran.errors import DataError, ModelError
from mishran.tasks.task import Example


@dataclass(frozen=True)
class Rendered:
    """Token ids of one example; the answer is `input_ids[num_prompt_tokens:]`."""

    input_ids: tuple[int, ...]
    num_prompt_tokens: int

    @property
    def num_answer_tokens(self) -> int:
        return len(self.input_ids) - self.num_prompt_tokens


@dataclass(frozen=True)
class Renderer:
    """A tokenizer with the special tokens to add; make it with `renderer`.

    bos_id, eos_id: None when not wanted or when the tokenizer has none. max_tokens: longest
    example, special tokens included.
    """

    tokenizer: Any
    bos_id: int | None
    eos_id: int | None
    max_tokens: int

    def render(self, example: Example) -> Rendered:
        """Tokens of one example, however long.

        Raises:
            DataError: nothing to predict (an empty answer), nothing to predict it from (no prompt
                and no BOS), or messages that the chat template refuses. ModelError: messages
                without a chat template.
        """
        return self.render_many([example])[0]

    def render_many(self, examples: Sequence[Example]) -> list[Rendered]:
        """The same for many, with one call of the tokenizer."""
        pairs = [self.texts(example) for example in examples]
        prompts = self._encode([prompt for prompt, _ in pairs])
        answers = self._encode([answer for _, answer in pairs])
        wholes = self._encode(
            [p + a if e.messages else "" for e, (p, a) in zip(examples, pairs, strict=True)]
        )
        rows = zip(examples, prompts, answers, wholes, pairs, strict=True)
        return [self._join(e, p, a, whole, answer) for e, p, a, whole, (_, answer) in rows]

    def documents(self, texts: Sequence[str]) -> list[Rendered]:
        """Raw text: `[bos] + text + [eos]`, of which everything is trained on but the first token."""
        begin = [] if self.bos_id is None else [self.bos_id]
        end = [] if self.eos_id is None else [self.eos_id]
        out = []
        for start in range(0, len(texts), 1000):
            for ids in self._encode(list(texts[start : start + 1000])):
                first = [] if ids[:1] == begin else begin
                last = [] if ids[-1:] == end else end
                out.append(Rendered((*first, *ids, *last), 0))
        return out

    def _join(
        self, example: Example, prompt: list[int], answer: list[int], whole: list[int], text: str
    ) -> Rendered:
        said = example.messages[-1]["content"] if example.messages else example.answer
        # A blank message of a chat has the tokens of the template's end of turn.
        if not answer or (example.messages and not said.strip()):
            raise DataError(
                expected="an answer of at least one token",
                found=f"{said!r}, which has none" if said.strip() else "an empty answer",
                where=example.where,
                fix="fill it in or remove the record",
            )
        if example.messages:
            if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
                answer = whole[len(prompt) :]
            ended = not text.rstrip().endswith(said.rstrip())
        else:
            ended = False
            if self.bos_id is not None and prompt[:1] != [self.bos_id]:
                prompt = [self.bos_id, *prompt]
        if self.eos_id is not None and not ended and answer[-1] != self.eos_id:
            answer = [*answer, self.eos_id]
        if not prompt:
            raise DataError(
                expected="a prompt of at least one token to predict the answer from",
                found="an empty prompt, and no BOS before it",
                where=example.where,
                fix="give the task a prompt template, or set bos: true with a model that has a BOS",
            )
        return Rendered((*prompt, *answer), len(prompt))

    def texts(self, example: Example) -> tuple[str, str]:
        """Prompt and answer as text, before BOS and EOS; messages by the chat template.

        Raises:
            DataError: messages that the chat template refuses. ModelError: there is none.
        """
        if not example.messages:
            return example.prompt, example.answer
        if getattr(self.tokenizer, "chat_template", None) is None:
            raise ModelError(
                expected="a tokenizer with a chat template, since the task has messages",
                found="none",
                where=f"{_name(self.tokenizer)} (for {example.where})",
                fix="use a chat model, put chat_template.jinja into its folder, or write the task "
                'as prompt: "{messages[0].content}" and answer: "{messages[1].content}"',
            )
        prompt = self._chat(example.messages[:-1], example.where, ask=True)
        whole = self._chat(example.messages, example.where, ask=False)
        if not whole.startswith(prompt):
            same = next(i for i, c in enumerate(prompt + "\0") if i >= len(whole) or c != whole[i])
            raise DataError(
                expected=f"the chat template of {_name(self.tokenizer)} to continue its own prompt",
                found=f"{whole[same : same + 30]!r} instead of {prompt[same : same + 30]!r} at "
                f"character {same + 1}",
                where=example.where,
                fix="use a template whose text with add_generation_prompt=True begins the text of "
                "the whole chat, or give the task prompt and answer templates",
            )
        return prompt, whole[len(prompt) :]

    def _chat(self, messages: Sequence[dict[str, Any]], where: str, *, ask: bool) -> str:
        try:
            return self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=ask
            )
        except Exception as error:
            # Templates are programs: they raise jinja's, Python's and their own errors.
            raise DataError(
                expected=f"messages that the chat template of {_name(self.tokenizer)} accepts",
                found=str(error).strip() or type(error).__name__,
                where=where,
                fix="change the messages, or give the task prompt and answer templates",
            ) from error

    def _encode(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        return self.tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]


def renderer(tokenizer: Any, bos: bool, eos: bool, max_tokens: int) -> Renderer:
    """A renderer that adds BOS before prompts and EOS after answers, where asked and possible."""
    return Renderer(
        tokenizer,
        tokenizer.bos_token_id if bos else None,
        tokenizer.eos_token_id if eos else None,
        max_tokens,
    )


def render_all(
    examples: Sequence[Example], renderer: Renderer, task_name: str
) -> tuple[list[tuple[int, Rendered]], int]:
    """(index of the example, its tokens) for those that fit, and how many were too long.

    Raises:
        DataError: none of them fits; and see `Renderer.render`.
    """
    rows = list(enumerate(renderer.render_many(examples)))
    kept = [(i, row) for i, row in rows if len(row.input_ids) <= renderer.max_tokens]
    if rows and not kept:
        shortest = min(len(row.input_ids) for _, row in rows)
        raise DataError(
            expected=f"examples of at most {renderer.max_tokens} tokens",
            found=f"{len(rows)} examples, the shortest of {shortest} tokens",
            where=f"task {task_name!r}",
            fix="raise max_tokens (up to the model's context), shorten the examples, or remove the "
            "task",
        )
    return kept, len(rows) - len(kept)


def _name(tokenizer: Any) -> str:
    return getattr(tokenizer, "name_or_path", "") or "this model"
