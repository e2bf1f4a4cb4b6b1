"""Where passwords and client secrets are kept: Key Vault on Azure, files on a developer's machine."""
