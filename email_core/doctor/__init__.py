"""Looks at everything that sending depends on, and says what is wrong and what mends it.

finding        what a check returns
examination    all checks, side by side
providers      each step up to the sign-in, or to a test email
sender_domain  MX, SPF, DKIM and DMARC of the sender's domain
storage        tables, queues and the container
secrets        the vault, and each secret that is needed
identity       who the app signs in as
operation      the distributor and the timers
report         findings as text or JSON
deployed       the findings of an app that runs elsewhere
"""
