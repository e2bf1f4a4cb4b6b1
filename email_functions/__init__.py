"""The doors: each decodes, calls one function of the core, and encodes. No rule about email lives here."""
