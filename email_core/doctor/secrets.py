"""Whether the place that keeps secrets can be used, and holds each secret that the configuration needs."""

from collections.abc import Awaitable, Iterable

from email_core.doctor.finding import Finding, bounded, failed, ok, skipped
from email_core.secret_store.base import SecretName, SecretStore

SECONDS = 25.0


def secret_checks(store: SecretStore, needed: Iterable[SecretName], vault: str) -> list[Awaitable[Finding]]:
    """`vault` is its address, or empty where secrets are files on this machine."""
    names = sorted(set(needed))
    if names:
        return [bounded(name, _secret(store, name), SECONDS) for name in names]
    return [bounded("vault", _vault(store, vault), SECONDS)]


async def _secret(store: SecretStore, name: SecretName) -> Finding:
    state = await store.about(name)
    if not state.set:
        return failed(name, "is not set", f"Enter it: PUT /api/secrets/{name}.")
    return ok(name, f"set on {state.updated_at:%Y-%m-%d}" if state.updated_at else "set")


async def _vault(store: SecretStore, vault: str) -> Finding:
    """Asked for any secret: that it has none is an answer too."""
    if not vault:
        return skipped("vault", "no secret is needed")
    await store.about(SecretName.SMTP_PASSWORD)
    return ok("vault", f"{vault} answers; no secret is needed")
