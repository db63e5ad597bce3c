"""The subscription that pays for a call, in which case what it would cost is not money."""

from collections.abc import Mapping
from typing import Any

from analytics.pricing.explained import CLAUDE_ACCOUNT

CLAUDE_CODE = "com.anthropic.claude_code"
"""Begin of its scopes' names."""

_SIGNED_IN = {"oauth-personal": "Gemini", "cloud-shell": "Gemini", "qwen-oauth": "Qwen"}
_NOBODY = frozenset({"", "none", "no", "false", "api", "0"})
"""Values of usage.plan: the tokens are paid for."""


def plan_of(said: str | None, attributes: Mapping[str, Any], scope: str) -> str | None:
    """Its name; None where the tokens are paid for, by an API key say.

    `said` is usage.plan, which goes before what coding agents tell of how they are signed in.
    """
    if said is not None:
        return None if said.strip().lower() in _NOBODY else said
    if scope.startswith(CLAUDE_CODE):
        # Those of an account, which it writes only where no API key is given. One of the Console, which pays
        # by the token, has the same (2.1.197).
        return CLAUDE_ACCOUNT if attributes.keys() & {"user.account_uuid", "organization.id"} else None
    if str(attributes.get("auth_mode")).lower() in ("chatgpt", "chatgptauthtokens"):
        return "ChatGPT"
    # Gemini CLI, signed in with Google: free, or Code Assist. Its fork, with Qwen.
    return _SIGNED_IN.get(str(attributes.get("auth_type")))
