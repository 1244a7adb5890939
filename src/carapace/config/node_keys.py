"""Keys that the Node gateway knows and that have no effect here yet.

Its file is accepted as it is, so these warn and never stop a start. A key whose whole object
is unknown here is listed once; what lies below it is not looked at.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NODE_KEYS", "SILENT_KEYS"]

SILENT_KEYS: Final = frozenset({"$schema", "meta"})
"""Stamps at the root of a file that say nothing about settings."""

_AGENT: Final = frozenset({"groupChat", "humanDelay", "memorySearch", "sandbox"})

_READING: Final = frozenset(
    {
        "attachments",
        "baseUrl",
        "deepgram",
        "headers",
        "language",
        "prompt",
        "providerOptions",
        "request",
        "scope",
    }
)
_READER: Final = _READING | {
    "args",
    "capabilities",
    "command",
    "maxBytes",
    "maxChars",
    "preferredProfile",
    "profile",
    "timeoutSeconds",
    "type",
}

NODE_KEYS: Final[dict[tuple[str, ...], frozenset[str]]] = {
    (): frozenset(
        {
            "approvals",
            "audio",
            "auth",
            "bindings",
            "broadcast",
            "browser",
            "diagnostics",
            "nodeHost",
            "talk",
            "ui",
            "update",
            "web",
            "wizard",
        }
    ),
    ("discovery",): frozenset({"wideArea"}),
    ("skills",): frozenset({"allowBundled"}),
    ("skills", "load"): frozenset({"watch", "watchDebounceMs"}),
    ("plugins",): frozenset({"allow", "deny", "installs", "load", "slots"}),
    ("channels", "defaults"): frozenset({"heartbeat"}),
    ("commands",): frozenset(
        {
            "allowFrom",
            "bash",
            "bashForegroundMs",
            "config",
            "debug",
            "native",
            "nativeSkills",
            "restart",
        }
    ),
    ("cron",): frozenset({"store"}),
    ("env",): frozenset({"shellEnv"}),
    ("gateway", "controlUi"): frozenset({"dangerouslyDisableDeviceAuth"}),
    ("gateway", "remote"): frozenset({"sshIdentity", "sshTarget", "tlsFingerprint", "transport"}),
    ("gateway", "tailscale"): frozenset({"resetOnExit"}),
    ("gateway", "tls"): frozenset({"autoGenerate", "caPath"}),
    ("gateway", "http", "endpoints", "responses", "files"): frozenset(
        {"allowedMimes", "maxRedirects", "timeoutMs"}
    ),
    ("gateway", "http", "endpoints", "responses", "files", "pdf"): frozenset(
        {"maxPixels", "minTextChars"}
    ),
    ("gateway", "http", "endpoints", "responses", "images"): frozenset(
        {"allowedMimes", "maxRedirects", "timeoutMs"}
    ),
    ("canvasHost",): frozenset({"liveReload", "port"}),
    ("messages",): frozenset(
        {
            "ackReaction",
            "ackReactionScope",
            "messagePrefix",
            "queue",
            "removeAckAfterReply",
            "suppressToolErrors",
        }
    ),
    ("messages", "tts"): frozenset(
        {"edge", "enabled", "mode", "modelOverrides", "prefsPath", "summaryModel"}
    ),
    ("messages", "tts", "elevenlabs"): frozenset(
        {"applyTextNormalization", "languageCode", "seed", "voiceSettings"}
    ),
    ("models",): frozenset({"bedrockDiscovery"}),
    ("models", "providers", "*"): frozenset({"auth"}),
    ("models", "providers", "*", "models", "*"): frozenset({"compat"}),
    ("session",): frozenset(
        {
            "agentToAgent",
            "identityLinks",
            "idleMinutes",
            "reset",
            "resetByChannel",
            "resetByType",
            "resetTriggers",
            "store",
            "typingIntervalSeconds",
            "typingMode",
        }
    ),
    ("hooks",): frozenset({"gmail", "internal", "transformsDir"}),
    ("hooks", "mappings", "*"): frozenset({"allowUnsafeExternalContent"}),
    ("hooks", "mappings", "*", "transform"): frozenset({"export"}),
    ("logging",): frozenset({"redactSensitive"}),
    ("tools",): frozenset(
        {
            "agentToAgent",
            "alsoAllow",
            "elevated",
            "message",
            "sandbox",
        }
    ),
    ("tools", "byProvider", "*"): frozenset({"alsoAllow"}),
    ("tools", "subagents", "tools"): frozenset({"alsoAllow"}),
    ("tools", "exec"): frozenset(
        {
            "applyPatch",
            "approvalRunningNoticeMs",
            "backgroundMs",
            "cleanupMs",
            "host",
            "node",
            "notifyOnExit",
            "safeBins",
        }
    ),
    ("tools", "web", "fetch"): frozenset(
        {"cacheTtlMinutes", "firecrawl", "maxRedirects", "readability", "userAgent"}
    ),
    ("tools", "web", "search"): frozenset({"cacheTtlMinutes"}),
    ("tools", "links"): frozenset({"models", "scope"}),
    ("media",): frozenset({"preserveFilenames"}),
    ("tools", "media"): frozenset({"concurrency", "models", "video"}),
    ("tools", "media", "audio"): _READING - {"language"},
    ("tools", "media", "audio", "models", "*"): _READER,
    ("tools", "media", "image"): _READING,
    ("tools", "media", "image", "models", "*"): _READER,
    ("agents", "defaults"): frozenset(
        {
            "blockStreamingBreak",
            "blockStreamingChunk",
            "blockStreamingCoalesce",
            "blockStreamingDefault",
            "cliBackends",
            "contextPruning",
            "elevatedDefault",
            "envelopeElapsed",
            "envelopeTimestamp",
            "envelopeTimezone",
            "humanDelay",
            "imageModel",
            "memorySearch",
            "models",
            "repoRoot",
            "sandbox",
            "timeFormat",
            "typingIntervalSeconds",
            "typingMode",
        }
    ),
    ("agents", "defaults", "heartbeat"): frozenset({"includeReasoning", "model", "session"}),
    ("agents", "defaults", "compaction"): frozenset({"maxHistoryShare", "memoryFlush", "mode"}),
    ("agents", "list", "*", "heartbeat"): frozenset({"includeReasoning", "model", "session"}),
    ("agents", "list", "*"): _AGENT | {"agentDir"},
    ("agents", "list", "*", "subagents"): frozenset({"model"}),
    ("agents", "list", "*", "tools"): frozenset({"alsoAllow", "elevated", "sandbox"}),
    ("agents", "list", "*", "tools", "byProvider", "*"): frozenset({"alsoAllow"}),
    ("agents", "list", "*", "tools", "exec"): frozenset(
        {
            "applyPatch",
            "approvalRunningNoticeMs",
            "backgroundMs",
            "cleanupMs",
            "node",
            "notifyOnExit",
            "pathPrepend",
            "safeBins",
        }
    ),
}
