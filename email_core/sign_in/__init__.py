"""Who calls: found in what a request carries, by one of three ways to sign in."""
