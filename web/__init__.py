"""The HTML and JSON door: a page is one query and one template."""
