"""Whose a call is that is in no table: one that waits on this machine, or is in an archive."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from analytics.people.person import Named
from analytics.people.pseudonyms import digits_of


class Belongs:
    """What a person's calls are known by; it grows by what they tell."""

    def __init__(
        self, client_id: UUID, named: Named, conversations: Iterable[UUID], phones: Iterable[str]
    ) -> None:
        self._phones_of: dict[UUID, set[str]] = {
            conversation_id: set() for conversation_id in named.conversation_ids(client_id)
        }
        self.conversations = set(conversations)
        self.phones = set(phones)
        self._digits = {digits for phone in self.phones if (digits := digits_of(phone))}
        self._tags = set(named.tags)

    def is_phone(self, phone: str | None) -> bool:
        """Whether it is one of the person's, however it is written."""
        return phone is not None and (phone in self.phones or digits_of(phone) in self._digits)

    def has(self, conversation_id: UUID | None, phone: str | None, tags: Mapping[str, str] | None) -> bool:
        """Whether a call with these is the person's."""
        return (
            (conversation_id is not None and conversation_id in self.conversations)
            or self.is_phone(phone)
            or self._is_tagged(tags)
        )

    def learn(self, conversation_id: UUID | None, phone: str | None, tags: Mapping[str, str] | None) -> None:
        """What else a call of the person tells of the person."""
        if phone is not None and conversation_id in self._phones_of:
            self._phones_of[conversation_id].add(phone)
        if phone is not None and (self._is_tagged(tags) or self.is_phone(phone)):
            self.phones.add(phone)
            self._digits |= {digits_of(phone)} - {""}
        if conversation_id is not None:
            self.conversations.add(conversation_id)

    def conclude(self) -> None:
        """After all calls: the one phone of a conversation that was named is the person's."""
        for phones in self._phones_of.values():
            if len({digits_of(phone) or phone for phone in phones}) == 1:
                self.phones |= phones
                self._digits |= {digits_of(phone) for phone in phones} - {""}

    @property
    def size(self) -> tuple[int, int]:
        """Grows while there is something to learn."""
        return len(self.conversations), len(self.phones)

    @property
    def needs_tags(self) -> bool:
        """Whether it looks at tags."""
        return bool(self._tags)

    def _is_tagged(self, tags: Mapping[str, str] | None) -> bool:
        return not self._tags.isdisjoint((tags or {}).items())
