"""`tts.*`: answers as recordings."""

from __future__ import annotations

from carapace.methods.context import Context
from carapace.protocol.registry import AnyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.tts import (
    TtsConvert,
    TtsConverted,
    TtsEnabled,
    TtsProvider,
    TtsProviders,
    TtsSetProvider,
    TtsStatus,
)

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("tts.status", scope=Scope.READ, lenient=True)
async def tts_status(ctx: Context, params: AnyParams) -> TtsStatus:  # noqa: ARG001 - row shape
    """Whether answers are spoken, and by whom."""
    return await ctx.services.speech.status()


@METHODS.method("tts.providers", scope=Scope.READ, lenient=True)
async def tts_providers(ctx: Context, params: AnyParams) -> TtsProviders:  # noqa: ARG001 - row shape
    """Everybody who could speak, and whether they are set up."""
    return await ctx.services.speech.providers()


@METHODS.method("tts.enable", scope=Scope.WRITE, lenient=True)
async def tts_enable(ctx: Context, params: AnyParams) -> TtsEnabled:  # noqa: ARG001 - row shape
    """Send a recording after each answer to a chat service that takes files."""
    await ctx.services.speech.set_automatic(is_on=True)
    return TtsEnabled(enabled=True)


@METHODS.method("tts.disable", scope=Scope.WRITE, lenient=True)
async def tts_disable(ctx: Context, params: AnyParams) -> TtsEnabled:  # noqa: ARG001 - row shape
    """Send no recordings by itself any more."""
    await ctx.services.speech.set_automatic(is_on=False)
    return TtsEnabled(enabled=False)


@METHODS.method("tts.setProvider", scope=Scope.WRITE, lenient=True)
async def tts_set_provider(ctx: Context, params: TtsSetProvider) -> TtsProvider:
    """Choose who speaks; stands above the settings."""
    return TtsProvider(await ctx.services.speech.choose(params.provider))


@METHODS.method("tts.convert", scope=Scope.WRITE, lenient=True)
async def tts_convert(ctx: Context, params: TtsConvert) -> TtsConverted:
    """Make a recording of a text, in the media store."""
    speech = ctx.services.speech
    made = await speech.convert(params.text, channel=params.channel)
    # Paths of this machine are told to administrators only (advisory A16).
    is_told = Scope.ADMIN in ctx.caller.scopes
    return TtsConverted(
        audio_path=str(speech.path_of(made)) if is_told else made.media_id,
        media_id=made.media_id,
        provider=made.provider,
        output_format=made.format,
        voice_compatible=made.is_voice,
    )
