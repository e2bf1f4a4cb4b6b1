"""Runs in django-post_office's own environment: keeps emails one by one as an app would, then sends them all.

Usage: post_office_program.py FOLDER SMTP_PORT EMAILS; prints the seconds of both steps.
"""

import logging
import sys
import time

import django
from django.conf import settings
from django.core.management import call_command

FOLDER, SMTP_PORT, EMAILS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TEXT = "\r\n".join(f"Line {number:02}: the balance of your account has not changed." for number in range(32))


def main() -> None:
    configure()
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    from post_office import mail  # its models exist only now

    started = time.perf_counter()
    for _ in range(EMAILS):
        mail.send(["bob@example.com"], "ann@contoso.com", subject="Your statement for March", message=TEXT)
    kept = time.perf_counter()
    mail.send_queued_mail_until_done(lockfile=f"{FOLDER}/lock", processes=2)
    sent = time.perf_counter()
    left = mail.get_queued().count()
    if left:
        sys.exit(f"{left} emails were not sent")
    sys.stdout.write(f"{kept - started} {sent - kept}\n")


def configure() -> None:
    settings.configure(
        INSTALLED_APPS=["post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{FOLDER}/db.sqlite3",
                "OPTIONS": {
                    "timeout": 60,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                },
            }
        },
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=SMTP_PORT,
        POST_OFFICE={"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


if __name__ == "__main__":
    main()
