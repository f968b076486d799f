"""SMTP is away: mails wait, and each arrives once it is back."""

import asyncio

from tests.chaos.dose import Dose, doses
from tests.chaos.scene import Scene
from tests.mails import mails_to
from tests.outbox.forwarder import forwarder_to_smtp

PATIENT = {"WAYBILL_RETRY_MAX_ATTEMPTS": "20"}
REST_SECONDS = 240
"""Each wait is up to twice the one before: after half a minute's outage the next try may be a minute or two away."""


@doses(short=Dose(faults=3, pause=1, rate=30), long=Dose(faults=40, pause=30, rate=330))
async def test_smtp_away(scene: Scene, dose: Dose) -> None:
    addresses = [f"{scene.bucket.name}-{number}@example.com" for number in range(dose.faults)]

    async with forwarder_to_smtp(scene.programs.env) as smtp:
        url = f"smtp://127.0.0.1:{smtp.port}"
        await scene.start("api", "relay", "worker", WAYBILL_SMTP_URL=url, **PATIENT)
        async with scene.under_load(dose.rate, rest=REST_SECONDS) as load:
            await smtp.cut()
            scene.faults = 1
            for address in addresses:
                await load.register(address)
            await asyncio.sleep(dose.pause)
            await smtp.mend()
        tried = await scene.database.rows("SELECT attempts FROM deliveries WHERE consumer = 'send_mail'")

    assert min(attempts for (attempts,) in tried) > 1
    assert [len(mails_to(scene.stack.maildir, address)) for address in addresses] == [1] * dose.faults
