"""A local OpenID Connect provider, for Streamlit's own sign-in: real redirects, codes and signed tokens.

Its login page shows a button per account:

    with OidcProvider({"ada@example.com": {"email_verified": True}}) as provider:
        secrets = f'[auth]\\nserver_metadata_url = "{provider.metadata_url}"\\n...'
"""

import base64
import contextlib
import hashlib
import html
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "dashboard"
CLIENT_SECRET = "the dashboard's secret"
TOKEN_SECONDS = 3_600


@dataclass(kw_only=True)
class _Grant:
    """What a code stands for until it is redeemed, once."""

    account: str
    redirect_uri: str
    nonce: str
    challenge: str


@dataclass
class OidcProvider:
    """`accounts`: by the name on the button, what the provider says of each beside its subject.

    An account has its name for an email address, unless it says otherwise; None leaves the email out.
    """

    accounts: dict[str, dict[str, Any]]
    signed_out: list[str] = field(default_factory=list)
    """Subjects whose sessions were ended here, in order."""

    def __post_init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "of this run", "use": "sig", "alg": "RS256"})
        self._grants: dict[str, _Grant] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def metadata_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def __enter__(self) -> "OidcProvider":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/end-session",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}

    def login_page(self, asked: dict[str, str]) -> str:
        """A button per account, or why there is none."""
        expected = {"client_id": CLIENT_ID, "response_type": "code", "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in expected.items()) or "state" not in asked:
            return "<h1>This is no request to sign in</h1>"
        buttons = []
        for account in self.accounts:
            code = secrets.token_urlsafe()
            self._grants[code] = _Grant(
                account=account,
                redirect_uri=asked["redirect_uri"],
                nonce=asked["nonce"],
                challenge=asked["code_challenge"],
            )
            target = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            buttons.append(f'<p><a href="{html.escape(target)}">{html.escape(account)}</a></p>')
        return f"<title>Sign in</title><h1>Who are you?</h1>{''.join(buttons)}"

    def redeem(self, asked: dict[str, str], credentials: str) -> dict[str, Any] | None:
        """The tokens for a code; None where the code, the client or the verifier is not the right one."""
        grant = self._grants.pop(asked.get("code", ""), None)
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if (
            grant is None
            or (grant.challenge, grant.redirect_uri) != (challenge, asked.get("redirect_uri"))
            or credentials != f"Basic {basic}"
        ):
            return None
        now = int(time.time())
        said = {"email": grant.account, **self.accounts[grant.account]}
        claims = {
            "iss": self.url,
            "sub": grant.account,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "nonce": grant.nonce,
            **{name: value for name, value in said.items() if value is not None},
        }
        return {
            "token_type": "Bearer",
            "access_token": secrets.token_urlsafe(),
            "expires_in": TOKEN_SECONDS,
            "id_token": jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key),
        }

    def end_session(self, asked: dict[str, str]) -> str:
        """Where to go from here."""
        token = jwt.decode(asked["id_token_hint"], self._key, algorithms=["RS256"])
        self.signed_out.append(token.claims["sub"])
        return asked["post_logout_redirect_uri"]


class _Server(ThreadingHTTPServer):
    # Waited for on closing, so that no socket outlives its test.
    daemon_threads = False
    provider: OidcProvider


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        # A browser that goes away is none of this server's troubles.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        provider, address = self.server.provider, urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        match address.path:
            case "/.well-known/openid-configuration":
                self._send_json(provider.metadata())
            case "/keys":
                self._send_json(provider.keys())
            case "/authorize":
                self._send(200, "text/html; charset=utf-8", provider.login_page(asked))
            case "/end-session":
                self._send(302, "text/plain", "", Location=provider.end_session(asked))
            case "/favicon.ico":
                self._send(200, "image/x-icon", "")
            case _:
                self._send(404, "text/plain", "not found")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        tokens = self.server.provider.redeem(asked, self.headers.get("Authorization", ""))
        if tokens is None:
            self._send_json({"error": "invalid_grant"}, status=400)
        else:
            self._send_json(tokens)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: what matters is in `signed_out`."""

    def _send_json(self, content: dict[str, Any], status: int = 200) -> None:
        self._send(status, "application/json", json.dumps(content))

    def _send(self, status: int, content_type: str, text: str, **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(data)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
