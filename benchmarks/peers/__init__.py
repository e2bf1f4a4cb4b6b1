"""What others do with the same mail on the same machine."""
