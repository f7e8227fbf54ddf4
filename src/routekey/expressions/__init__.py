"""The little languages of an API author: text in, Python function out."""
