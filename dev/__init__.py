"""What a developer runs: `make setup`, `make run` and the checks. Nothing here is deployed."""
