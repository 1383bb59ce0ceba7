"""What a trace says: JSON of any shape, in which the fields that are known are checked and all others are kept."""

import hashlib
import json
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.encoded import encode
from engine.errors import Invalid
from engine.memory.pathways import fingerprint
from engine.search.relevance.words import segments

FlagName = Literal[
    "UnitMismatch", "TypeConfusion", "NullableConfusion", "OffByOne", "StaleReference", "PseudoImpl", "DeadCode",
    "WarningNoise", "BoundaryViolation",
]  # fmt: skip
FLAGS: tuple[str, ...] = get_args(FlagName)
LARGEST = 2**31 - 1
KEYS = ("task_class", "file_path", "file_prefix", "signal_class")


class Part(BaseModel):
    """A part of a trace: known fields have their type, unknown ones are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """A field that is null is missing: older files write it so, and structs of a list have the same fields."""
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value


class Attempt(Part):
    """One rung of the ladder: a model, and whether its answer was accepted."""

    model: str
    accepted: bool | None = None
    reject_reason: str | None = None


class Flag(Part):
    """What kind of mistake was found; a plain text is the kind."""

    kind: FlagName

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class TypeHint(Part):
    """A type that was told to the model."""

    source: str = ""
    symbol: str
    type_repr: str = ""


class Bug(Part):
    """A pattern of mistakes and how often it was met."""

    flag: Flag
    pattern_key: str = Field(min_length=1)
    example: str = ""
    occurrences: int = Field(1, ge=1, le=LARGEST)


class KbChunk(Part):
    """A chunk of knowledge that was in the prompt."""

    provenance: str | None = None
    cosine: float | None = None
    rank: int | None = None


class Facts(Part):
    """The known fields of a trace."""

    task_class: str = ""
    file_path: str = ""
    file_prefix: str = ""
    signal_class: str | None = None
    ladder_attempts: list[Attempt] = Field(default_factory=list)
    kb_chunks: list[KbChunk] = Field(default_factory=list)
    final_verdict: Any = None
    audit_consensus: Any = None
    semantic_flags: list[Flag] = Field(default_factory=list)
    type_hints_used: list[TypeHint] = Field(default_factory=list)
    bug_fingerprints: list[Bug] = Field(default_factory=list)

    @property
    def file(self) -> str:
        """Its path, or what is known of it: the prefix."""
        return "/".join(segments(self.file_path or self.file_prefix))

    @property
    def signal(self) -> str:
        """The signal class, empty when there is none."""
        return self.signal_class or ""

    @property
    def pathway_id(self) -> str | None:
        """The narrow fingerprint; None for a trace that names neither task nor file nor signal."""
        named = self.task_class or self.file or self.signal
        return fingerprint.pathway_id(self.task_class, self.file, self.signal) if named else None

    @property
    def model(self) -> str | None:
        """The model whose attempt was accepted, the last one when there are several."""
        return next((one.model for one in reversed(self.ladder_attempts) if one.accepted), None)

    @property
    def audit(self) -> str | None:
        """What the audit said: passed or failed; None for none yet. One that cannot be read has not passed."""
        found = self.audit_consensus
        if found is None:
            return None
        passed = found.get("passed") if isinstance(found, dict) else found
        return {True: "passed", False: "failed"}[passed] if isinstance(passed, bool) else "unreadable"

    @property
    def workflow(self) -> str | None:
        """SHA-256 of what was tried and how it ended; latencies differ each time and do not count."""
        if not self.ladder_attempts and self.final_verdict is None:
            return None
        attempts = [[one.model, one.accepted, one.reject_reason] for one in self.ladder_attempts]
        text = json.dumps([self.pathway_id, attempts, self.final_verdict], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def tokens(self) -> list[str]:
        """The tokens of its vector: where it was done, the flags and the bugs."""
        flags = [f"flag:{one.kind}" for one in self.semantic_flags]
        bugs = [f"bug:{one.flag.kind}:{one.pattern_key}" for one in self.bug_fingerprints]
        return [*fingerprint.place_tokens(self.task_class, self.file, self.signal), *flags, *bugs]

    def bugs(self) -> str | None:
        """The bug fingerprints as JSON, None when there is none."""
        shown = [
            {"flag": one.flag.kind, "pattern_key": one.pattern_key, "example": one.example, "n": one.occurrences}
            for one in self.bug_fingerprints
        ]
        return encode(shown) if shown else None


def read(content: Any) -> Facts:
    """The known fields of a trace. Raises Invalid that names the first field which is wrong."""
    try:
        facts = Facts.model_validate(content if isinstance(content, dict) else {})
    except ValidationError as error:
        raise Invalid(f"the trace is wrong: {described(error)}", "see the comment of pathway_record") from None
    for name in KEYS:
        if "\0" in str(getattr(facts, name) or ""):
            raise Invalid(f"the trace is wrong: {name}: holds a NUL character", "remove it")
    return facts


def described(error: ValidationError) -> str:
    """The first thing that is wrong, with the name of its field: `ladder_attempts.0.model: Field required`."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
