"""Tracks one call of OpenAI. USAGE_CLIENT_ID is what `python -m analytics client Acme` prints."""

import os

from openai import OpenAI

from analytics import log_openai_usage

question = [{"role": "user", "content": "Say hello in three languages."}]
response = OpenAI().chat.completions.create(model="gpt-4o-mini", messages=question)
log_openai_usage(os.environ["USAGE_CLIENT_ID"], "examples", None, response.model, response.usage)
print(response.choices[0].message.content)
