"""`erase`: forgets a person, and lists the receipts of that."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import click

from analytics import config
from analytics.commands.terminal import person, printable
from analytics.errors import InvalidInput
from analytics.formatting import counted, utc_moment
from analytics.migrations import open_ready_database
from analytics.people.erase import Found, erase_person, look, vacuum
from analytics.people.person import Named
from analytics.people.receipts import Receipt, list_receipts
from analytics.people.spools import damaged_in

_MAX_TAGS = 5

NOT_HERE = (
    "backups and archives of the write-ahead log have it until they are over: after a restore erase it again",
    "spools of other machines may have calls that are not shipped: run the same there",
    "ids of calls stay, so that what is sent again is not counted twice",
)
"""What an erasure cannot reach."""


@click.command()
@click.option("--client", help="Name or id; required to erase.")
@click.option("--phone", "phones", multiple=True, help="However it is written, with its country.")
@click.option(
    "--conversation", "conversations", multiple=True, help="Its id, or the application's name of it."
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Whose calls have this tag.")
@click.option("--dry-run", is_flag=True, help="Shows what there is, and changes nothing.")
@click.option("--yes", is_flag=True, help="Does not ask.")
@click.option("--by", help="Who erases; kept with the receipt.  [default: the user of this machine]")
@click.option("--no-vacuum", is_flag=True, help="Leaves it to autovacuum to free the old rows.")
@click.option("--list", "is_list", is_flag=True, help="Lists the receipts, the newest first.")
def erase(
    client: str | None,
    phones: Sequence[str],
    conversations: Sequence[str],
    tags: Sequence[str],
    dry_run: bool,
    yes: bool,
    by: str | None,
    no_vacuum: bool,
    is_list: bool,
) -> None:
    """Forgets a person: phone, name, conversations and metadata become a random pseudonym; no sum changes."""
    with closing(open_ready_database(report=click.echo)) as database:
        if is_list:
            for line in _receipts(list_receipts(database, client=client)):
                click.echo(line)
            return
        if client is None:
            raise InvalidInput("--client is missing: say whose person it is")
        named = Named(phones=phones, conversations=conversations, tags=[_tag(tag) for tag in tags])
        spools = config.tracker_settings().spool_path.parent
        found = look(database, client, named, spools=spools)
        for line in _found_lines(found):
            click.echo(line)
        for damaged in damaged_in(spools):
            click.echo(f"{damaged} is a damaged spool, which is not looked into: delete it")
        if dry_run or not found.is_kept:
            return
        if not yes:
            click.confirm("erase it? This cannot be undone", abort=True)
        receipt = erase_person(database, str(found.client.id), named, by=person(by), spools=spools)
        if receipt is not None:
            for line in [*_receipt_lines(receipt), *(f"  {line}" for line in NOT_HERE)]:
                click.echo(line)
        if not no_vacuum:
            vacuum(database)


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidInput(f'--tag must be KEY=VALUE, not "{printable(text[:60])}"')
    return key, value


def _found_lines(found: Found) -> Iterator[str]:
    """What would be erased, without whose it is."""
    whose, some = printable(found.client.name), found.person
    if not found.is_kept:
        yield f'nothing is kept under this of "{whose}"'
        return
    yield (
        f'"{whose}" has of this person: {counted(some.call_count, "call")} of '
        f"{counted(some.conversation_count, 'conversation')} on {counted(some.day_count, 'day')}"
    )
    if len(some.phones) > 1:
        yield f"its phone is written in {len(some.phones)} ways, or it has several"
    if found.mention_count:
        places = counted(found.mention_count, "other place")
        yield f"named in {places}: tags, budgets, alerts, notes, other calls"
    if found.archived.count:
        yield f"{counted(found.archived.count, 'call')} in archives, whose files are written anew"
    if found.waiting.count:
        yield f"{counted(found.waiting.count, 'call')} waiting on this machine"
    if some.other_phones:
        yield (
            f"{counted(some.other_phones, 'phone')} of others on calls of these conversations stay: "
            "give them with --phone to erase them, too"
        )
    if found.own_tags:
        shown = ", ".join(f"{key}={value}" for key, value in found.own_tags[:_MAX_TAGS])
        more = f" and {len(found.own_tags) - _MAX_TAGS} more" if len(found.own_tags) > _MAX_TAGS else ""
        yield f"only this person has the tags {printable(shown)}{more}, which stay: --tag erases one"


def _receipts(receipts: Sequence[Receipt]) -> Iterator[str]:
    for receipt in receipts:
        yield from _receipt_lines(receipt)
    if not receipts:
        yield "nobody was erased"


def _receipt_lines(receipt: Receipt) -> Iterator[str]:
    """Which erasure, of how much, and by whom."""
    yield f"{receipt.id}  {utc_moment(receipt.begun_at)}"
    kinds = " and ".join(receipt.kinds)
    yield f"  {printable(receipt.client_name)}, named by {kinds}: now {receipt.pseudonym}"
    yield (
        f"  {counted(receipt.call_count, 'call')}, {counted(receipt.conversation_count, 'conversation')}, "
        f"{counted(receipt.mention_count, 'other place')}, {receipt.spooled_count:,} waiting on this machine"
    )
    yield f"  by {printable(receipt.erased_by)}"
    if receipt.finished_at is None:
        yield "  it did not come to its end: run the same again"
