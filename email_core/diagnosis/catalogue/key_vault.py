"""Secrets that cannot be read: our own words, and those of Azure Key Vault where they come through."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_KIND = r"(?:secret|password|certificate)"
_OURS = rf"{_KIND} (?:[\w-]+ )?(?:is|was)"
_ENTER = "Enter it again: `PUT /api/secrets/{name}`, with the name that the answer gives."

SECTION = Section(
    title="Secrets in Key Vault",
    entries=(
        entry(
            "vault-forbidden",
            Category.CONFIGURATION,
            Retry.NO,
            "The app may not read its secrets",
            "Key Vault refused the app's identity, or its network.",
            "Give the function app's managed identity the role Key Vault Secrets User on the vault (or the secret "
            "permission Get in its access policies), and allow the app's network under Networking. It takes some "
            "minutes to count.",
            Match(names=("ForbiddenByRbac", "ForbiddenByPolicy", "ForbiddenByFirewall", "ForbiddenByConnection")),
            Match(no_reply=True, text=(rf"{_OURS} forbidden",)),
            Match(
                text=(
                    r"does not have secrets? (?:\w+ )?permission|not authorized to perform action .*vault",
                    r"\b(?:key ?vault|vaults)\b.*\b(?:forbidden|403|not authori[sz]ed)\b",
                )
            ),
        ),
        entry(
            "vault-secret-disabled",
            Category.CREDENTIALS,
            Retry.NO,
            "The secret is switched off in Key Vault",
            "Its current version is disabled, or its time has not come yet.",
            f"Enable the current version in the vault. Or: {_ENTER}",
            Match(names=("SecretDisabled",)),
            Match(no_reply=True, text=(rf"{_OURS} (?:disabled|not active)|not allowed on a disabled secret",)),
        ),
        entry(
            "vault-secret-deleted",
            Category.CREDENTIALS,
            Retry.NO,
            "The secret was deleted in Key Vault",
            "It is soft-deleted: it keeps its name and can be recovered, but not be read.",
            f"Recover it in the vault, under Manage deleted secrets. Or: {_ENTER}",
            Match(names=("ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted", "ObjectIsBeingRecovered")),
            Match(no_reply=True, text=(rf"{_OURS} (?:soft-)?deleted|deleted but recoverable",)),
        ),
        entry(
            "vault-secret-expired",
            Category.CREDENTIALS,
            Retry.NO,
            "The secret is over its expiration date in Key Vault",
            "Whoever set it gave it an end, and that has passed.",
            f"{_ENTER} Or change the expiration date of its current version in the vault.",
            Match(no_reply=True, text=(rf"{_OURS} expired",)),
        ),
        entry(
            "vault-unreachable",
            Category.TRANSIENT,
            Retry.SOON,
            "Key Vault cannot be reached",
            "It did not answer, or asked for patience. The mail waits and is tried again.",
            "If it does not pass: see that the app setting `EmailSecrets__vaultUri` is the vault's address and that "
            "the app's network reaches it (firewall, private endpoint, DNS).",
            Match(names=("VaultNotFound",)),
            Match(
                no_reply=True,
                text=(
                    rf"{_OURS} unreachable",
                    r"(?:key )?vault (?:cannot be|could not be|is not|is un)(?: )?reach\w*",
                ),
            ),
            Match(no_reply=True, text=(r"vault\.azure|\bkey ?vault\b",)),
        ),
        entry(
            "vault-secret-missing",
            Category.CREDENTIALS,
            Retry.NO,
            "The password or secret was never entered, or is gone",
            "There is no such secret where the app looks for it, or it cannot be read.",
            "Enter it: `PUT /api/secrets/{name}`, with the name that the answer gives.",
            Match(names=("SecretNotFound",)),
            Match(no_reply=True, text=(rf"{_OURS} (?:missing|not set|not found|empty)",)),
            Match(
                text=(
                    rf"{_KIND}(?: \S+){{0,3}} (?:cannot|could not|can't) be (?:read|decrypted)",
                    r"enter it again",
                )
            ),
        ),
    ),
)
