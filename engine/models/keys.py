"""Keys of model endpoints: from the environment or from a file that only its owner reads, and never shown."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import Forbidden, Invalid

VARIABLE = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Keys:
    """Where keys are looked up. `file`: TOML with a line `"https://host/v1" = "key"` for each endpoint."""

    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def of(self, endpoint: str) -> str | None:
        """The key for an endpoint: that of the file, else the one of the environment; None for none.

        Raises Forbidden for a file that others may read, Invalid for one that is not TOML.
        """
        found = self._from_file().get(endpoint) if self.file is not None else None
        return found or self.environment.get(VARIABLE) or None

    def _from_file(self) -> Mapping[str, str]:
        assert self.file is not None
        path = self.file.expanduser()
        try:
            mode = path.stat().st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise Forbidden(f"the key file {path.name} may be read by others", f"chmod 600 {path.name}")
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Invalid(f"the key file cannot be read: {error.strerror}", "see [models] key_file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # its text must not be in the message
            raise Invalid(f"the key file {path.name} is not TOML", 'write "https://host/v1" = "key"') from None
        return {name.rstrip("/"): value for name, value in found.items() if isinstance(value, str)}
