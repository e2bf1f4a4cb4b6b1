"""The parameters of app settings, as where nothing is stored."""

from collections.abc import Mapping

from email_core.errors import WrongParameters
from email_core.parameter_layers import layers
from email_core.parameters import Parameters


def parameters_from_settings(settings: Mapping[str, str]) -> Parameters:
    """Raises WrongParameters."""
    read = layers(settings, {})
    if read.problems:
        raise WrongParameters(*read.problems)
    return read.parameters
