"""Files: where they are kept, how they come in, who reads them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from carapace.agent.budget import Budget
from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.understanding.charges import Charges
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.describe import Describer
from carapace.agent.understanding.links import LinkReader
from carapace.agent.understanding.prepare import MAX_TEXT_CHARS, Understanding
from carapace.agent.understanding.side_question import SideQuestions
from carapace.agent.understanding.summarise import Summariser
from carapace.agent.understanding.transcribe import Transcribers
from carapace.agent.weights.speech import SpeechModel
from carapace.app.account_files import AccountFiles
from carapace.app.observing import Observing
from carapace.app.preparing import Preparing
from carapace.channels.types import Target
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.errors import GatewayError
from carapace.ids import AgentId
from carapace.media.fetch import MediaFetcher
from carapace.media.images import Images
from carapace.media.links import MediaLinks
from carapace.media.store import MediaStore
from carapace.net.client import Egress
from carapace.store.ports import Database
from carapace.value import Value

__all__ = ["Files", "open_files"]


class Files(Value, frozen=True, kw_only=True):
    """Everything that has to do with files.

    Attributes:
        of_accounts: How files come in for accounts of chat services.
    """

    store: MediaStore
    fetcher: MediaFetcher
    links: MediaLinks
    understanding: Understanding
    prepare: Preparing
    of_accounts: AccountFiles

    def apply(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self.store.apply(settings.media)
        self.links.apply(settings.media.links)
        self.understanding.apply(settings.tools.media, settings.tools.links)

    async def fetch(self, url: str, target: Target) -> str:
        """Fetch a file for `target` from a public https address into the store; its id there.

        Raises:
            Refused: If a rule of `net` or of the store refuses it, or it is too large for the
                target's account.
            Failed: If the server does not give it.
        """
        return (await self.of_accounts.fetch(url, target.channel, target.account)).id

    async def link_to(self, media_id: str) -> str | None:
        """A temporary public address for a file; None if links are off or it is gone."""
        try:
            return (await self.links.create(media_id)).url
        except GatewayError:
            return None


async def open_files(
    settings: Callable[[], Settings],
    *,
    root: Path,
    models: Path,
    database: Database,
    egress: Egress,
    providers: ProviderRegistry,
    budget: Budget,
    clock: Clock,
    observing: Observing,
    stack: AsyncExitStack,
) -> Files:
    """Open the store under `root` and build what stands on it.

    A speech model is looked for in `models`, where `cara model pull` puts it.

    Raises:
        Failed: If the folder cannot be used.
    """
    audit, metrics, now = observing.audit, observing.metrics, settings()
    store = await MediaStore.open(
        root, database, settings=now.media, clock=clock, audit=audit, metrics=metrics
    )
    stack.push_async_callback(store.aclose)
    child, speech = ChildReader(), SpeechModel(models)
    charges = Charges(budget, database, clock)
    questions = SideQuestions(charges, clock)

    def room_chars(agent_id: AgentId) -> int:
        try:
            tokens = providers.resolve(None, agent_id)[0].context_tokens
        except GatewayError:
            return MAX_TEXT_CHARS
        # A third of the window, at four characters a token.
        return MAX_TEXT_CHARS if tokens is None else min(MAX_TEXT_CHARS, tokens * 4 // 3)

    understanding = Understanding(
        media=store,
        pictures=Images(store, audit=audit),
        child=child,
        links=LinkReader(egress, child),
        describer=Describer(providers, questions),
        summariser=Summariser(providers, questions, metrics),
        transcribers=Transcribers(
            providers.sources,
            http_client=provider_clients(egress),
            child=child,
            clock=clock,
            charges=charges,
            speech_dir=speech.find,
        ),
        settings=now.tools.media,
        link_settings=now.tools.links,
        metrics=metrics,
        room_chars=room_chars,
    )

    def takes_images(agent_id: AgentId) -> bool:
        try:
            return providers.resolve(None, agent_id)[0].takes_images
        except GatewayError:
            return False

    fetcher = MediaFetcher(egress, store, clock=clock, audit=audit, metrics=metrics)
    of_accounts = AccountFiles(fetcher, settings)
    return Files(
        store=store,
        fetcher=fetcher,
        links=MediaLinks(database, settings=now.media.links, clock=clock),
        understanding=understanding,
        prepare=Preparing(of_accounts, store, understanding, takes_images=takes_images),
        of_accounts=of_accounts,
    )
