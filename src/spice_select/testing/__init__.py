"""For tests, yours too: conformance suites for your own parts; tiny models and tokenizers built in code."""
