"""What email means here: accepting, keeping, sending and finding it. Knows nothing of Azure Functions."""
