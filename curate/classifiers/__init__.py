"""Text classifiers: the form of a text that they read, training, scoring with fastText or transformers, held-out reports."""
