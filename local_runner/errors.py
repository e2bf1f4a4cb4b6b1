"""What stops the runner, each with a message for the developer rather than a traceback.

RunnerError
├── SettingsError     a settings file, host.json, or a setting that a binding names
├── LoadError         function_app.py is missing, fails, or has a function that the host would drop
└── PortInUseError    something else listens where the runner should
"""


class RunnerError(Exception):
    pass


class SettingsError(RunnerError):
    pass


class LoadError(RunnerError):
    pass


class PortInUseError(RunnerError):
    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use: end what listens there, or choose another with --port")
        self.port = port
