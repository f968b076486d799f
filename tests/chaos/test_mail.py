"""SMTP is away: mails wait, and each arrives once it is back."""

import asyncio

from tests.chaos.dose import Dose, doses
from tests.chaos.scene import Scene
from tests.mails import mails_to

REST_SECONDS = 240
"""Each wait is up to twice the one before: after half a minute's outage the next try may be a minute or two away."""


@doses(short=Dose(faults=2, pause=1, rate=10), long=Dose(faults=40, pause=30, rate=330))
async def test_smtp_away(running: Scene, dose: Dose) -> None:
    addresses = [f"{running.bucket.name}-{number}@example.com" for number in range(dose.faults)]

    async with running.under_load(dose.rate, rest=REST_SECONDS) as load:
        await running.smtp.cut()
        running.faults = 1
        for address in addresses:
            await load.register(address)
        await asyncio.sleep(dose.pause)
        await running.smtp.mend()
    tried = await running.database.rows("SELECT attempts FROM deliveries WHERE consumer = 'send_mail'")

    assert min(attempts for (attempts,) in tried) > 1
    assert [len(mails_to(running.stack.maildir, address)) for address in addresses] == [1] * dose.faults
