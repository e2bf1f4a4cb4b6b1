"""Runs a Functions app (Python v2 programming model) where Azure Functions Core Tools are not installed.

    python -m local_runner [--root DIR] [--port N] [--drain-seconds N]

It loads the same `function_app.py` as the real host and follows its documented behaviour for HTTP routes,
the queue trigger (batches, concurrency, back-off, leases, poison queue), timers, settings and disabled
functions. Several runners can work on one storage account at once.

What it is not:

- Not a security boundary. Function keys are not asked for, nor are those of `/admin`: as with `func start`,
  whoever reaches the port may call everything. It binds 127.0.0.1 only, and sets no CORS headers.
- Not the whole host: HTTP, queue and timer triggers and the HTTP output are all it has; a function with any
  other binding is refused. Of `host.json` it reads `extensions.http.routePrefix` and `extensions.queues`.
- Not the worker's isolation: one process and one event loop hold the runner and the app. An `async` function
  that blocks stops everything, and an app that calls `os._exit` takes the runner with it.
- Not a scale controller: start more runners by hand. Nor does it restart when a file changes, and retry
  policies, `functionTimeout`, telemetry and the Host section of `local.settings.json` are not applied.
- Not for Windows without WSL: it relies on `flock` and on POSIX signals.

Environment: HTTP_PORT (7071), AZURITE_PORT (10000: blob, +1 queue, +2 table), LOCAL_DIR (`.local`, holds
what timers remember), PYTHON_THREADPOOL_THREAD_COUNT (threads for functions that are not `async`).
"""
