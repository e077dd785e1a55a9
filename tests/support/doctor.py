"""What the doctor found, and the users of Redis whom it is asked as."""

from collections.abc import Callable
from pathlib import Path

from forwarder.doctor.finding import Finding
from forwarder.queue.rights import Role
from tests.support.rig import Rig

USERS = Path(__file__).parents[2] / "deploy" / "redis" / "users.acl"
"""As we ship them, a user a line."""
Doctor = Callable[..., list[Finding]]
"""Looks; takes `role` and settings as keywords."""


def the(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check that is not well."""
    (found,) = [one for one in findings if one.check == check and one.level]
    return found


def unwell(findings: list[Finding]) -> set[str]:
    """The checks that are not well."""
    return {one.check for one in findings if one.level}


def rules_of(role: Role) -> str:
    """What the user that we ship for a role may do; its password is secret-of-it."""
    (line,) = [line for line in USERS.read_text().splitlines() if line.startswith(f"user {role} ")]
    return line.removeprefix(f"user {role} ").replace(f"#SHA256-OF-{role}", ">secret-of-it")


def grouped(rules: list[str]) -> list[str]:
    """A selector in parentheses is one word."""
    words: list[str] = []
    for rule in rules:
        if words and words[-1].startswith("(") and not words[-1].endswith(")"):
            words[-1] += f" {rule}"
        else:
            words.append(rule)
    return words


def user(rig: Rig, name: str, rules: str) -> str:
    """The URL of a user who has these rules and no others."""
    rig.redis.execute_command("ACL", "SETUSER", name, "reset", *grouped(rules.split()))
    return rig.url.replace("unix://", f"unix://{name}:secret-of-it@")
