"""The subscription that pays for a call, in which case what it would cost is not money."""

from collections.abc import Mapping
from typing import Any

from analytics.calls.row import BY_THE_TOKEN
from analytics.pricing.explained import UNKNOWN_PLAN

CLAUDE_CODE = "com.anthropic.claude_code"
"""Begin of its scopes' names."""

_SIGNED_IN = {
    # With Google: free, or Code Assist, which the last one asks, too (from a machine of Google's cloud).
    **dict.fromkeys(("oauth-personal", "cloud-shell", "compute-default-credentials"), "Gemini"),
    "qwen-oauth": "Qwen",
}


def plan_of(said: str | None, attributes: Mapping[str, Any], scope: str) -> str | None:
    """Its name; None where the tokens are paid for, by an API key say; UNKNOWN_PLAN where nobody says which.

    `said` is usage.plan, which goes before what coding agents tell of how they are signed in.
    """
    if said is not None:
        return None if said.strip().lower() in BY_THE_TOKEN else said
    if scope.startswith(CLAUDE_CODE):
        # Those of an account, which it writes only where no API key is given. One of the Console, which pays
        # by the token, has the same as a subscription (2.1.197).
        return UNKNOWN_PLAN if attributes.keys() & {"user.account_uuid", "organization.id"} else None
    if str(attributes.get("auth_mode")).lower() in ("chatgpt", "chatgptauthtokens"):
        return "ChatGPT"
    return _SIGNED_IN.get(str(attributes.get("auth_type")))
