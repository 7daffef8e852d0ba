"""From files to examples: sources, formats, the chat template with its response mask, and batches."""
