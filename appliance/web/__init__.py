"""The admin pages and their API."""
