"""What keeps the box well: the certificate of its pages."""
