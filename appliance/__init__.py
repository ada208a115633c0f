"""THE BOX: asks, shows, proves, manages."""
