"""What is to be asked outside, and what becomes of the answers.

The process that seals decides whom to ask for what, checks each answer and keeps it beside the
ledger; another process, which may speak to the Internet, carries the questions out and the answers
in. That nobody answers raises an alarm and stops nothing: checkpoints wait, oldest first.
"""
