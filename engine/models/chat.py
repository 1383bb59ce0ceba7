"""Language models behind an endpoint: a prompt in, a text out. OpenAI's protocol, and Ollama's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.errors import Internal, Invalid, nearest
from engine.models.endpoint import Cancelled, Endpoint, Reach, reached

SCHEMES = ("openai", "ollama")
CUT = "length"  # what both protocols call an answer that was cut off


@dataclass(frozen=True)
class Reply:
    """What a model wrote, and why it stopped: `stop`, `length` (cut off), or what else the endpoint says."""

    text: str
    finish: str | None


class Chat(Protocol):
    """A model that answers a prompt."""

    @property
    def model(self) -> str:
        """The name of the model."""
        ...

    def chat(self, prompt: str, *, cancelled: Cancelled | None = None) -> Reply:
        """One prompt, one reply. `cancelled` is polled; once it is true, TimedOut is raised within 0.1 s."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class RemoteChat:
    """A chat model behind an endpoint, asked without a former conversation and without hidden reasoning."""

    def __init__(self, scheme: str, endpoint: Endpoint, temperature: float) -> None:
        """`scheme`: openai or ollama. `temperature` below 0 is not sent: some models take none."""
        self._scheme, self._endpoint = scheme, endpoint
        self._temperature = {"temperature": temperature} if temperature >= 0 else {}
        self.model = endpoint.model

    def chat(self, prompt: str, *, cancelled: Cancelled | None = None) -> Reply:
        """See `Chat.chat`. Raises what `Endpoint.post` raises, and Internal for an answer without text."""
        message = {"model": self.model, "messages": [{"role": "user", "content": _whole(prompt)}], "stream": False}
        if self._scheme == "openai":
            answer = self._endpoint.post("/chat/completions", message | self._temperature, 1, cancelled)
            choices = answer.get("choices")
            first = choices[0] if isinstance(choices, list) and choices else None
            return self._reply(first, "finish_reason")
        body = {**message, "think": False, "options": self._temperature}
        return self._reply(self._endpoint.post("/api/chat", body, 1, cancelled), "done_reason")

    def _reply(self, holder: Any, finish: str) -> Reply:
        message = holder.get("message") if isinstance(holder, Mapping) else None
        text = message.get("content") if isinstance(message, Mapping) else None
        if not isinstance(text, str) or not text.strip():
            raise Internal(f"the endpoint {self._endpoint.base} answers without a text", "is it a chat model?")
        why = holder.get(finish)
        return Reply(text, why if isinstance(why, str) else None)

    def close(self) -> None:
        """Close the connections; what runs ends by itself."""
        self._endpoint.close()


def _whole(text: str) -> str:
    """A text that UTF-8 can hold: half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def name_of(uri: str) -> str:
    """The name of the model in a URI: `openai:https://host/v1#vendor/model` is `vendor/model`."""
    _, _, rest = uri.partition(":")
    return rest.partition("#")[2] or rest


def open_chat(uri: str, reach: Reach, temperature: float = 0.0) -> Chat:
    """Open `openai:<base URL>#<model>`, `ollama:<base URL>#<model>` or `ollama:<model>`.

    Raises Invalid for another scheme, Forbidden for an endpoint that the configuration does not name.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in SCHEMES:
        raise Invalid(f"the chat model {uri!r} names an unknown provider", nearest(scheme, SCHEMES))
    return RemoteChat(scheme, reached(scheme, rest, reach), temperature)
