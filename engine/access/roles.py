"""Effects and roles. What a function does to the lake decides who may call it."""

from typing import Literal, get_args

from engine.errors import Forbidden

Effect = Literal["reads", "records", "writes", "administers"]
Role = Literal["reader", "contributor", "editor", "admin"]

EFFECTS: tuple[Effect, ...] = get_args(Effect)
ROLES: tuple[Role, ...] = get_args(Role)


def allows(role: Role, effect: Effect) -> bool:
    """Whether `role` may do what has `effect`: each role may do what the former ones may."""
    return ROLES.index(role) >= EFFECTS.index(effect)


def require(role: Role, effect: Effect, what: str) -> None:
    """Raise Forbidden unless `role` may do `what`, which has `effect`."""
    if not allows(role, effect):
        needed = ROLES[EFFECTS.index(effect)]
        raise Forbidden(f"{what} {effect}, which the role {role!r} may not", f"ask for the role {needed!r}")


def strongest(effects: list[Effect]) -> Effect:
    """The effect that needs the highest role; `reads` for none."""
    return max(effects, key=EFFECTS.index, default="reads")
