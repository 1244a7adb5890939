"""Shows people at a chat service that their message is being answered, and with what.

Follows each run that answers a chat: somebody is seen typing while it lasts, and where the operator
wants it the words are shown as they are written. All of it is best effort and beside the run: what
fails here is logged, and the finished answer goes its own way.
"""

from __future__ import annotations

from typing import Final

from carapace.agent.runs import Run
from carapace.agent.types import TextUpdate
from carapace.channels.live.drafts import Draft, Drafts
from carapace.channels.live.typing import Typing
from carapace.channels.types import ReplyRoute
from carapace.errors import GatewayError
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["LiveReplies"]

_log = get_logger(__name__)
_MAX_SHOWN: Final = 200_000
"""Of a longer answer no message shows more."""


class LiveReplies:
    """Follows runs; `started` is for `carapace.agent.inbound.Inbound`.

    Args:
        drafts: Shows words.
        typing: Shows that somebody types.
        tasks: Owns the following.
    """

    def __init__(self, drafts: Drafts, typing: Typing, tasks: Tasks) -> None:
        self._drafts = drafts
        self._typing = typing
        self._tasks = tasks

    def started(self, run: Run, route: ReplyRoute) -> None:
        """A run begins whose answer goes to `route`."""
        self._tasks.start(self._follow(run, route), name=run.run_id)

    async def _follow(self, run: Run, route: ReplyRoute) -> None:
        self._typing.start(run.run_id, route.target)
        try:
            draft = await self._drafted(run, route)
            text = ""
            async for update in run.updates():
                if draft is not None and isinstance(update, TextUpdate):
                    text = (text + update.text)[:_MAX_SHOWN]
                    draft.show(text)
        finally:
            self._typing.stop(run.run_id, route.target)
            await self._drafts.close(run.run_id)

    async def _drafted(self, run: Run, route: ReplyRoute) -> Draft | None:
        try:
            return await self._drafts.open(run.run_id, route.target, route.reply_to)
        except GatewayError as error:
            _log.warning("answer not shown live", run_id=run.run_id, reason=error.message)
            return None
