"""What decides about the calls of one client, model and tier: own prices first, then the public one."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from analytics.pricing.listed import ListedPrice
from analytics.pricing.model_names import Named
from analytics.pricing.public_list import PublicModel, PublicPrice, public_model
from analytics.pricing.sheet import UNDIVIDED, Sheet, is_plain
from analytics.pricing.usage import ONE_REQUEST, Basis, Cost, Requests, Usage, rounded, unpriced

_HUNDRED = Decimal(100)


class Quote:
    """What decides for one (client, source, model, tier), looked up once."""

    def __init__(self, own: list[list[ListedPrice]], named: list[Named], tier: str | None) -> None:
        self._own = own
        self._named, self._tier = named, tier
        # Looked up only where no own price holds: loading the public list takes a quarter of a second.
        self._public: PublicModel | None = None
        self._is_unknown, self._guess = False, ""
        self._sheets: dict[tuple[int, ...], Sheet] = {}

    def own_price(self, at: datetime, prompt_tokens: int = 0) -> ListedPrice | None:
        """Of the first name that has any: that of the tier, and of prompts as long as this one."""
        for same_name in self._own:
            found, best = None, (False, -1)
            for price in same_name:
                above = price.above_prompt_tokens
                if (
                    price.service_tier not in (None, self._tier)
                    or (above and prompt_tokens <= above)
                    or not price.holds_at(at)
                ):
                    continue
                rank = (price.service_tier == self._tier, above)
                # Of equal ones the first, which began last.
                if rank > best:
                    found, best = price, rank
            if found is not None:
                return found
        return None

    def public_price(self, at: datetime) -> PublicPrice | None:
        public = self._public or self._find()
        return None if public is None else public.price(at, self._tier)

    def cost(self, at: datetime, usage: Usage, basis: Basis, requests: Requests = ONE_REQUEST) -> Cost:
        if self._own:
            length = requests.prompt_tokens
            own = self.own_price(at, usage.prompt_tokens if length is None else length)
            if own is not None:
                return self._own_cost(own, at, usage, basis, requests)
        public = self._public
        if public is None:
            public = self._find()
            if public is None:
                return unpriced(self._no_price)
        sheet, _, note, price = public.price(at, self._tier)
        cost = _cost(sheet, usage, basis, note, price, requests)
        return _guessed(cost, self._guess) if self._guess else cost

    @property
    def _no_price(self) -> str:
        source, model, _ = self._named[0]
        return f"no price is known for {model or 'a call without a model'} of {source or 'no source'}"

    def _find(self) -> PublicModel | None:
        if self._is_unknown:
            return None
        for source, model, guess in self._named:
            self._public = public_model(source, model)
            if self._public is not None:
                self._guess = guess
                return self._public
        self._is_unknown = True
        return None

    def sheet(self, at: datetime) -> tuple[Sheet, str] | None:
        """The rates that decide for short prompts, and the name of their list."""
        own = self.own_price(at)
        if own is not None:
            sheet = self._own_sheet(own, at)
            return None if sheet is None else (sheet, own.list_name)
        public = self.public_price(at)
        return None if public is None else (public.sheet, public.price["list"])

    def _own_cost(
        self, own: ListedPrice, at: datetime, usage: Usage, basis: Basis, requests: Requests
    ) -> Cost:
        sheet = self._own_sheet(own, at)
        if own.discount_percent is None or sheet is None:
            if sheet is None:
                return unpriced(f"the {own.note} is a discount, and {self._no_price}")
            return _cost(sheet, usage, basis, own.note, own.facts, requests)
        public = self.public_price(at)
        assert public is not None  # its sheet is
        note = f"{own.note}, {own.facts['discount_percent']} percent off the {public.note}"
        facts = {**own.facts, "of": " ".join((public.price["list"], public.price["model"]))}
        return _cost(sheet, usage, basis, note, facts, requests)

    def _own_sheet(self, own: ListedPrice, at: datetime) -> Sheet | None:
        """The rates of a price of one's own; None for a discount on a price that is not known."""
        if own.discount_percent is None:
            key: tuple[int, ...] = (id(own),)
            if key not in self._sheets:
                is_of_tier = own.service_tier == self._tier
                self._sheets[key] = own.sheet(self._named[-1].model, None if is_of_tier else self._tier)
            return self._sheets[key]
        public = self.public_price(at)
        if public is None:
            return None
        key = (id(own), id(public))
        if key not in self._sheets:
            self._sheets[key] = public.sheet.scaled(1 - own.discount_percent / _HUNDRED)
        return self._sheets[key]


def _cost(
    sheet: Sheet, usage: Usage, basis: Basis, note: str, price: Mapping[str, str], requests: Requests
) -> Cost:
    plain = sheet.plain
    prompt, completion, total, _, details = usage
    if plain is not None and (prompt or completion) and total <= prompt + completion and is_plain(details):
        # The way of nearly all calls, in a few microseconds.
        input_usd, cached_usd, output_usd = plain
        cached = details.get("cached_tokens", 0)
        if cached <= prompt <= sheet.short_prompt and (output_usd is not None or not completion):
            amount = prompt * input_usd
            if cached:
                amount = (prompt - cached) * input_usd + cached * cached_usd
            if completion and output_usd is not None:
                amount += completion * output_usd
            return Cost(amount, basis, note, price)
    usd, guesses, reason, by_tokens = sheet.amount(usage, requests)
    if usd is None:
        return unpriced(reason if reason == UNDIVIDED else f"the {note} {reason}")
    if not guesses:
        # What was estimated are tokens, which then did not decide.
        return Cost(rounded(usd), basis if by_tokens else "priced", note, price)
    return _guessed(Cost(rounded(usd), basis, note, price), "; ".join(dict.fromkeys(guesses)))


def _guessed(cost: Cost, why: str) -> Cost:
    """The cost as an estimate, with the reason; one that is not known stays so."""
    if cost.basis == "unpriced":
        return cost
    whys = "; ".join(filter(None, (cost.price.get("estimated"), why)))
    return Cost(cost.amount_usd, "estimated", f"{cost.note}: {why}", {**cost.price, "estimated": whys})
