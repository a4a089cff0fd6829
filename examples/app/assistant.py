"""Stands in for a provider of language models: the longer the text, the longer it takes. Put your client here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

PROVIDER, MODEL = "example", "summary-small"
CHARACTERS_A_SECOND = 10_000
CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, and the tokens that the provider bills."""

    text: str
    input_tokens: int
    output_tokens: int


async def summarise(transcript: str) -> Answer:
    """The beginning of the transcript, after some time."""
    await asyncio.sleep(0.05 + len(transcript) / CHARACTERS_A_SECOND)
    text = transcript[:200]
    return Answer(text, len(transcript) // CHARACTERS_A_TOKEN, len(text) // CHARACTERS_A_TOKEN)
