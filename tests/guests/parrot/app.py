"""A plugin of every role: its chat service is its own webhook, what was sent lies in its store."""

# pyright: basic, reportMissingImports=false, reportUntypedClassDecorator=false
# Reason: the library of plugins is found where the guest is built.

import json
from typing import Annotated

from carapace_plugin import (
    Channel,
    Delivered,
    PluginError,
    Question,
    Service,
    Setup,
    WebhookResponse,
    channel,
    config,
    credentials,
    hook,
    inbound,
    kv,
    service,
    setup,
    timers,
    tool,
    webhook,
)


@channel
class Parrot(Channel):
    id = "parrot"
    label = "Parrot"
    max_text = 500
    chat_types = ("direct", "group")
    features = ("drops-repeats",)

    def start(self, account, settings):
        kv.put(f"started/{account}", json.dumps(settings))
        if f"{account}/botToken" not in credentials.names():
            raise PluginError("settings", "botToken is missing: set it.")

    def stop(self, account):
        kv.delete(f"started/{account}")

    def send_text(self, outgoing):
        key = f"sent/{outgoing.idempotency_key}"
        kv.put(key, json.dumps([outgoing.target.conversation_id, outgoing.text]))
        return Delivered(outgoing.idempotency_key)

    def probe(self, account):
        return {"name": f"the parrot of {account}"}


@webhook("/in")
def take(request):
    if not credentials.verify("default/botToken", request.headers.get("x-parrot-token", "")):
        return WebhookResponse(401, "who are you?")
    said = request.body.json()
    status = inbound.deliver(
        inbound.Message(
            account="default",
            message_id=said["id"],
            conversation_id="room",
            sender_id=said["from"],
            text=said["text"],
        )
    )
    return {"status": status}


@webhook("/state")
def state(request):
    return {
        "sent": [json.loads(entry.value) for entry in kv.scan("sent/")],
        "started": [json.loads(entry.value) for entry in kv.scan("started/")],
        "service": [entry.key for entry in kv.scan("service/")],
        "color": config.get("color"),
        "token": config.get("botToken"),
    }


@webhook("/")
def root(request):
    return "squawk"


@tool(risk="read")
def squawk(word: Annotated[str, "What to repeat."]) -> str:
    """Repeat a word as a parrot does."""
    return f"{word}! {word}!"


@service
class Wings(Service):
    def start(self):
        kv.put("service/started", "1")
        timers.set_after("flap", 0.01, "hard")

    def tick(self, now_ms):
        kv.put("service/ticked", str(now_ms))

    def on_timer(self, name, payload):
        kv.put(f"service/{name}-{payload}", "1")

    def stop(self):
        kv.put("service/stopped", "1")


@hook("message_sending")
def loud(event):
    if event["channel"] == "parrot":
        return {"text": event["text"] + " (squawk)"}
    return None


@hook("session_end")
def gone(event):
    kv.put("service/session-ended", "1")


@setup
class Cage(Setup):
    def questions(self, account):
        return [
            Question(key="botToken", label="Token", kind="secret"),
            Question(key="color", label="Color", kind="choice", choices=("green", "blue")),
        ]

    def settings(self, account, answers):
        if answers["color"] not in ("green", "blue"):
            raise PluginError("settings", "There is no parrot of that color.")
        return {**answers, "dmPolicy": "pairing"}
