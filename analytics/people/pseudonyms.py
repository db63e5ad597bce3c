"""What stands in the place of what told a person: random, so that nobody can guess back what was there."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

from analytics.queries.filters import TAG, spelled

ERASED = "erased"
"""Key of the metadata of an erased call: its pseudonym. What is sent again of such a call is passed over."""
KEPT_KEYS = ("price", "bucket", "tokens_estimated", "usage_missing", "usage_not_understood")
"""Keys of the metadata that stay: what sums and prices are made from, which we wrote there ourselves."""
LEAST_DIGITS = 7
"""Fewer are in too many numbers to be looked for within texts."""

# No digits and no vowels: it is never taken for a phone, or for a word.
_LETTERS = "bcdfghjklmnpqrstvwxz"
_LABEL_LETTERS = 12
# Between two digits of one phone, as sql/functions/phones.sql has it.
APART = r"[\s()./\u00a0\u200b-\u2015\u202a-\u202f\u2060\u2066-\u2069-]{0,3}"
UUID_TEXT = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_IDS = re.compile(rf"(?<![0-9a-z])(?:p[0-9a-f]{{32}}|{UUID_TEXT})(?![0-9a-z])", re.IGNORECASE)
_JSON_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')


def digits_of(phone: str) -> str:
    """The digits of a phone, however it is written: `+55 (11) 98765-4321`, `5511987654321@s.whatsapp.net`.

    Empty where it has too few to be one.
    """
    digits = re.sub(r"[^0-9]", "", phone.partition("@")[0])
    return digits if len(digits) >= LEAST_DIGITS else ""


def phone_pattern(digits: str) -> str:
    """An expression for the phone with these digits within a text."""
    return rf"(?<![0-9])(?<![0-9]\.)\+?\(?{APART.join(digits)}(?![0-9])(?:@[\w.-]+)?"


class Pseudonyms:
    """What becomes of each phone, conversation, tag and handle of one person. Equal ones stay equal, and
    different ones different: two conversations remain two."""

    def __init__(self) -> None:
        self.label = f"{ERASED}-{''.join(secrets.choice(_LETTERS) for _ in range(_LABEL_LETTERS))}"
        self.salt = secrets.token_hex(16)
        self.phones: dict[str, str] = {}
        """Each phone as it is written somewhere."""
        self.conversations: dict[UUID, UUID] = {}
        self.handles: dict[str, tuple[str, str]] = {}
        """What links name each phone without a conversation by, and what from now on."""
        self.tags: dict[tuple[str, str], str] = {}
        """Key and value, of those values that tell the person."""
        self.names: dict[str, str] = {}
        """What the conversations are called, as it is and as it is seen masked."""
        self._given: dict[str, str] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []

    def of(self, text: str) -> str:
        """The pseudonym of a text; the first one's is the label itself."""
        number = len(self._given) + 1
        return self._given.setdefault(text, self.label if number == 1 else f"{self.label}-{number}")

    def add_phone(self, phone: str) -> None:
        if phone in self.phones:
            return
        self.phones[phone] = self.of(phone)
        digits = digits_of(phone)
        if digits:
            pattern = phone_pattern(digits)
        elif len(phone) >= LEAST_DIGITS:
            pattern = rf"(?<!\w){re.escape(phone)}(?!\w)"
        else:
            return
        self._patterns.append((re.compile(pattern), self.phones[phone]))

    def add_conversation(self, conversation_id: UUID) -> None:
        self.conversations.setdefault(conversation_id, uuid4())

    def add_name(self, name: str) -> None:
        if name.strip():
            self.names.setdefault(name, self.label)

    def limited(self, conversations: Iterable[UUID], phones: Iterable[str]) -> "Pseudonyms":
        """The same for no other conversations than these, nor other handles than those of these phones."""
        limited = copy(self)
        limited.conversations = {each: self.conversations[each] for each in conversations}
        limited.handles = {each: self.handles[each] for each in phones}
        return limited

    def text(self, text: str) -> str:
        """The text without the person's phones, ids of conversations and handles."""
        if len(text) >= LEAST_DIGITS and text in self.phones:
            return self.phones[text]
        for pattern, pseudonym in self._patterns:
            text = pattern.sub(pseudonym, text)
        return _IDS.sub(self._id, text)

    def _id(self, found: re.Match[str]) -> str:
        text = found[0]
        if len(text) == 33 or text[0] in "pP":
            return dict(self.handles.values()).get(text.lower(), text)
        renamed = self.conversations.get(UUID(text))
        if renamed is None:
            return text
        return str(renamed) if "-" in text else renamed.hex

    def words(self, text: str) -> str:
        """A text that people wrote: also without names of more than one word, as others are words, too."""
        for name, pseudonym in self.names.items():
            if text.strip() == name.strip() or " " in name.strip():
                text = re.sub(rf"(?<!\w){re.escape(name.strip())}(?!\w)", pseudonym, text)
        return self.text(text)

    def json(self, text: str, replace: Callable[[str], str] | None = None) -> str:
        """JSON with each of its texts and keys as text() has them; of numbers those that are a phone."""
        change = replace or self.text

        def token(found: re.Match[str]) -> str:
            if found[0][0] == '"':
                value = json.loads(found[0], strict=False)
                changed = change(value)
                return found[0] if changed == value else json.dumps(changed, ensure_ascii=False)
            number = found[0].removesuffix(".0")
            for phone, pseudonym in self.phones.items():
                if number == digits_of(phone):
                    return json.dumps(pseudonym)
            return found[0]

        return _JSON_TOKENS.sub(token, text)

    def erased_json(self, text: str | None) -> str:
        """What is left of the metadata of the person's call: what prices are made from, digit by digit."""
        kept = [
            f"{json.dumps(key)}: {value}"
            for key, value in ([] if text is None else _top_level(text))
            if key in KEPT_KEYS and self.json(value) == value
        ]
        return f"{{{', '.join([f'{json.dumps(ERASED)}: {json.dumps(self.label)}', *kept])}}}"

    def hashed(self, operation_id: str) -> str:
        """What attempts at one operation share from now on, as the database makes it in calls.py."""
        return hashlib.sha256(f"{self.salt}{operation_id}".encode()).hexdigest()[:32]

    def key(self, key: str) -> str:
        """The key of a tag."""
        return self.of(key) if self.text(key) != key else key

    def tag(self, key: str, value: str) -> str:
        """The value of a tag."""
        return self.tags.get((key, value)) or self.text(value)

    def evidence(self, text: str) -> str:
        """A text that an alert told: also without tags and names where such a text has them."""
        if text.startswith("/") and "?" in text:
            return self._link(text)
        for (key, value), pseudonym in self.tags.items():
            for between in (" ", " = "):
                told = f"{key}{between}{value}"
                if told in text:
                    text = re.sub(rf"(?<!\w){re.escape(told)}(?!\w)", f"{key}{between}{pseudonym}", text)
        for name, pseudonym in self.names.items():
            said = f"driver: conversation {name}"
            if text.startswith(said) and text[len(said) :][:1] in ("", ","):
                text = f"driver: conversation {pseudonym}{text[len(said) :]}"
        return self.text(text)

    def _link(self, link: str) -> str:
        parts = urlsplit(link)
        pairs = []
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            changed = self.text(value)
            for (key, tag), pseudonym in self.tags.items():
                if name == "value" and value == tag:
                    changed = pseudonym
                elif name.removeprefix(TAG).removesuffix("!") == key:
                    changed = _without(changed, spelled(tag), pseudonym)
            pairs.append((self.text(name), changed))
        changed_link = f"{parts.path}?{urlencode(pairs)}"
        return link if pairs == parse_qsl(parts.query, keep_blank_values=True) else changed_link


def _top_level(text: str) -> Iterator[tuple[str, str]]:
    """Keys of an object and the texts of their values, as they are written; of other JSON there are none."""
    read = json.JSONDecoder(strict=False).raw_decode
    at = 1 if text.startswith("{") and text != "{}" else len(text)
    while at < len(text):
        key, at = read(text, at)
        begin = at + len(": ")
        _, at = read(text, begin)
        yield str(key), text[begin:at]
        at += len(", ")


def _without(values: str, value: str, pseudonym: str) -> str:
    """A list of a link in which one value is another."""
    return ",".join(pseudonym if each == value else each for each in re.split(r"(?<!\\),", values))


def erased_metadata(metadata: Mapping[str, object] | None, label: str) -> dict[str, object]:
    """What is left of a call's metadata."""
    kept = {key: value for key, value in (metadata or {}).items() if key in KEPT_KEYS}
    return {ERASED: label, **kept}


def first_of(texts: Iterable[str | None]) -> Sequence[str]:
    """The texts, each once, in their order."""
    return list(dict.fromkeys(text for text in texts if text))
