"""Where emails, their content and their doorbells are kept: protocols, and two that keep them."""
