"""Stand-ins for services that cannot be had on one machine; each speaks its service's protocol to the real client."""
