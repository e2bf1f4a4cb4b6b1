"""What a failure means and what mends it: a catalogue, and the function that finds an answer's entry in it."""

from email_core.diagnosis.matching import by_id, diagnose
from email_core.diagnosis.model import Category, Diagnosis, Retry

__all__ = ["Category", "Diagnosis", "Retry", "by_id", "diagnose"]
