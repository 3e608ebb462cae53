"""The state of a page, shared by its views: data, results, selection, history."""
