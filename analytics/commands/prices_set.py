"""`prices set`: a price of one's own, or a discount on the public one."""

from contextlib import closing
from datetime import datetime
from typing import Any, get_args

import click

from analytics.clients import find_client
from analytics.commands.moments import moment
from analytics.commands.terminal import person, printable
from analytics.migrations import open_ready_database
from analytics.pricing.editing import add_price, checked_price
from analytics.pricing.listed import FEES, NAMES, Unit
from analytics.pricing.words import in_words

_MORE = {name: name.removesuffix("_usd").replace("_", "-") for name in NAMES}


def _amounts(command: Any) -> Any:
    """An option for each price beside input and output."""
    for name, option in reversed(_MORE.items()):
        per = "1,000" if name in FEES else "1M tokens"
        command = click.option(f"--{option}", name, default="", help=f"Of {NAMES[name]}, per {per}.")(command)
    return command


@click.command("set")
@click.argument("source")
@click.argument("model")
@click.option("--input", "input_usd", default="", help="USD per unit of input, such as 0.15.")
@click.option("--output", "output_usd", default="", help="USD per 1M tokens of output.")
@_amounts
@click.option("--per", type=click.Choice(get_args(Unit)), default="1M tokens", help="The unit of --input.")
@click.option("--discount", default="", help="Percent off the public price, in place of amounts.")
@click.option("--tier", default="", help="Of this service tier, such as batch.  [default: the ordinary one]")
@click.option("--above-prompt-tokens", default="", help="Of prompts with more tokens than these.")
@click.option("--client", help="Of this one alone: name or id.  [default: all clients]")
@click.option("--from", "begin", metavar="MOMENT", help="In UTC unless it says.  [default: always]")
@click.option("--reference", default="", help="Where the price is from: a contract, a link.")
@click.option("--by", help="Who; kept with the price.  [default: the user of this machine]")
def set_price(
    source: str,
    model: str,
    input_usd: str,
    output_usd: str,
    per: Unit,
    discount: str,
    tier: str,
    above_prompt_tokens: str,
    client: str | None,
    begin: str | None,
    reference: str,
    by: str | None,
    **more_usd: str,
) -> None:
    """Adds a price of MODEL of SOURCE: a name, a pattern such as "my-deploy-*", or "*" for all.

    Booked costs stay as they are: "python -m analytics reprice" corrects them.
    """
    at: datetime | None = None if begin is None else moment(begin)
    with closing(open_ready_database(report=click.echo)) as database:
        owner = None if client is None else find_client(database, client)
        price = checked_price(
            source=source,
            model=model,
            unit=per,
            input_usd=input_usd,
            output_usd=output_usd,
            more_usd=more_usd,
            discount_percent=discount,
            service_tier=tier,
            above_prompt_tokens=above_prompt_tokens,
            client_id=None if owner is None else owner.id,
            effective_from=at,
        )
        add_price(database, price, reference=reference, note=f"entered by {person(by)}")
    click.echo(f"saved: {printable(in_words(price))}")
    click.echo('booked costs are as they were: "python -m analytics reprice" shows what would change')
