"""What staff do on the pages is written down before it is answered (2550 notification, 8(1)).

Questions write their own line (`asking`); here are the acts that are no questions. When the line
cannot be made durable, the act is refused.
"""

from __future__ import annotations

import json
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from appliance.web.deps import Deps
from appliance.web.texts import at
from collector.records import AuditEvent


async def write(deps: Deps, *, actor: str, act: str, target: str = "", address: str = "") -> None:
    """Make one act durable.

    Raises:
        CollectorError: the receiving process did not take it.
    """
    event = AuditEvent(
        event_id=uuid4(),
        time=at(deps.clock() // 1000),
        site=deps.settings.sites[0].id,
        actor=actor,
        act=act,
        target=target,
        address=address,
    )
    request = {"do": "event", "kind": "audit", "event": json.loads(event.to_json())}
    await run_in_threadpool(lambda: deps.control("receive", request, timeout_s=10.0))
