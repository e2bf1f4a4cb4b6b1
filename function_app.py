"""Every way in, on one page."""

import azure.functions as func

from email_functions import http_emails, http_health, queue_sender

app = func.FunctionApp()
app.register_functions(http_emails.blueprint)
app.register_functions(http_health.blueprint)
app.register_functions(queue_sender.blueprint)
