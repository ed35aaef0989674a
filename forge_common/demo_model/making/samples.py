"""A fixed set of questions, freely chosen, whose greedy answers go into the card as they come out.

They are neither scored nor kept out of training. It does not judge the answers.
"""

from __future__ import annotations

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from forge_common.demo_model.making.conversation import Conversation, system, user
from forge_common.demo_model.making.generate import answers
from forge_common.demo_model.making.markup import renderer
from forge_common.demo_model.making.skills.tool_use import schema

CALCULATOR = schema("calculator", "A calculator.", {"expression": {"type": "string"}})
QUESTIONS = (
    Conversation((user("hi"),)),
    Conversation((user("who are you?"),)),
    Conversation((user("What is Forge?"),)),
    Conversation((user("How do I load a real model?"),)),
    Conversation((user("what is 17 + 25?"),)),
    Conversation((user("What is 7 times 8?"),)),
    Conversation((user("what is 15 * 17"),)),
    Conversation((user("What is 1234 + 4321?"),)),
    Conversation((user("What is the capital of Japan?"),)),
    Conversation((user("Why is the sky blue?"),)),
    Conversation((user("tell me a story about a robot"),)),
    Conversation((user("Write a haiku about the sea"),)),
    Conversation((system("You are a pirate named Bob."), user("Who are you?"))),
    Conversation((user("Give me JSON with name Alice and age 30."),)),
    Conversation((user("What is 12*7?"),), (CALCULATOR,)),
    Conversation((user("Explain quantum computing."),)),
    Conversation((user("Who is the president of France?"),)),
    Conversation((user("How many r's are in strawberry?"),)),
    Conversation((user("Write a limerick about my grandmother's bicycle"),)),
)


def samples(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """A Markdown table of questions and answers."""
    render = renderer()
    replies = answers(model, tokenizer, [render(question, True) for question in QUESTIONS])
    rows = [
        f"| {asked(question)} | {cell(reply)} |"
        for question, reply in zip(QUESTIONS, replies, strict=True)
    ]
    return "\n".join(("| asked | answered |\n|---|---|", *rows))


def asked(question: Conversation) -> str:
    texts = [f"{message['role']}: {message['content']}" for message in question.messages]
    return cell("\n".join(texts)) + (" (with a `calculator` tool)" if question.tools else "")


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", "<br>")
