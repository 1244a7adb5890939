"""The library for Carapace plugins in Python.

A plugin decorates its functions with `tool`, `webhook` or `hook`, or registers a `Service` or a
`Channel`, and asks the gateway through the modules of this package: `kv`, `http`, `log` and the
others. The same code runs natively, where `carapace_plugin.testing.FakeHost` answers.
"""

from __future__ import annotations

from carapace_plugin import (
    agent,
    config,
    credentials,
    crypto,
    http,
    inbound,
    kv,
    log,
    media,
    poll,
    status,
    timers,
    websocket,
)
from carapace_plugin.channels import (
    Channel,
    Dead,
    Delivered,
    LoginStep,
    Outgoing,
    Person,
    Poll,
    RetryAfter,
    Target,
    Unknown,
    channel,
)
from carapace_plugin.errors import HostError, NotGranted, PluginError
from carapace_plugin.hook_points import hook
from carapace_plugin.services import Service, service
from carapace_plugin.setup_questions import Question, Setup, setup
from carapace_plugin.tools import tool
from carapace_plugin.webhooks import WebhookRequest, WebhookResponse, webhook

__all__ = [
    "Channel",
    "Dead",
    "Delivered",
    "HostError",
    "LoginStep",
    "NotGranted",
    "Outgoing",
    "Person",
    "PluginError",
    "Poll",
    "Question",
    "RetryAfter",
    "Service",
    "Setup",
    "Target",
    "Unknown",
    "WebhookRequest",
    "WebhookResponse",
    "agent",
    "channel",
    "config",
    "credentials",
    "crypto",
    "hook",
    "http",
    "inbound",
    "kv",
    "log",
    "media",
    "poll",
    "service",
    "setup",
    "status",
    "timers",
    "tool",
    "webhook",
    "websocket",
]
