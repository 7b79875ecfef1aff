"""Test sets found in training text: by `curate contamination`, by the step `decontaminate`, and as a guard."""
