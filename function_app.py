"""Every way in, on one page."""

import azure.functions as func

from email_functions import (
    http_apps,
    http_audit,
    http_batches,
    http_distributor,
    http_docs,
    http_doctor,
    http_email_actions,
    http_email_export,
    http_emails,
    http_eml,
    http_health,
    http_parameters,
    http_providers,
    http_secrets,
    http_test_email,
    http_users,
    http_wrong_call,
    queue_sender,
    timers,
)

app = func.FunctionApp()
app.register_functions(http_emails.blueprint)
app.register_functions(http_email_actions.blueprint)
app.register_functions(http_email_export.blueprint)
app.register_functions(http_batches.blueprint)
app.register_functions(http_eml.blueprint)
app.register_functions(http_audit.blueprint)
app.register_functions(http_apps.blueprint)
app.register_functions(http_distributor.blueprint)
app.register_functions(http_docs.blueprint)
app.register_functions(http_doctor.blueprint)
app.register_functions(http_health.blueprint)
app.register_functions(http_parameters.blueprint)
app.register_functions(http_providers.blueprint)
app.register_functions(http_secrets.blueprint)
app.register_functions(http_test_email.blueprint)
app.register_functions(http_users.blueprint)
app.register_functions(http_wrong_call.blueprint)
app.register_functions(queue_sender.blueprint)
app.register_functions(timers.blueprint)
