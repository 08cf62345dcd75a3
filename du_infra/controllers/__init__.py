"""Which of several controllers minds which region."""
